-- SPDX-License-Identifier: Apache-2.0
--
--- Kills host, stand-in, guardian, launcher and container of a `gantry exec`, in every order and at random instants: no
--- process, container or directory may be left, and the host must return. GANTRY_KILL_ROUNDS asks for more rounds,
--- GANTRY_KILL_SEED repeats a run. The same over a proxy that cuts what is idle, and where GANTRY_MATRIX_ENGINE_FILES
--- names one, over an engine that is killed and started again all the while.

local hosts = require "engine.hosts"
local restarting = require "engines.restarting_engine"
local support = require "engine.support"
local task = require "gantry.task"

local ROUNDS <const> = math.tointeger(os.getenv("GANTRY_KILL_ROUNDS")) or 200
local SEED <const> = math.tointeger(os.getenv("GANTRY_KILL_SEED")) or os.time()
-- Over connections that are lost, where rounds take their time.
local LONG_ROUNDS <const> = os.getenv "GANTRY_FULL_WALK" == "1" and 200 or 10
local SIDE_BY_SIDE <const> = 3
-- Seconds that an engine lives before it is killed, at least and at most: a removal takes it some.
local SHORTEST_LIFE <const>, LONGEST_LIFE <const> = 2, 6
local VICTIMS <const> = { "host", "face", "guardian", "launcher", "container" }

describe("gantry exec, killed", function()
  local root

  before_each(function() root = support.temporary() end)
  -- What a round did not see end is not left to the tests that follow.
  after_each(function()
    task.run(function()
      local answered, left = pcall(support.containers, root) -- an engine may be away
      for _, one in ipairs(answered and left or {}) do support.engine():remove(one.id) end
    end)
    support.remove(root)
  end)

  ---@param pids integer[]
  local function kill_first(pids)
    if pids[1] then os.execute(("kill -9 %d 2>/dev/null"):format(pids[1])) end
  end

  local KILL = {
    host = function(round) round.host.process:signal(9) end,
    face = function(round) kill_first(hosts.processes(round.policy).face) end,
    guardian = function(round) kill_first(hosts.processes(round.policy).guardian) end,
    launcher = function(round) kill_first(hosts.processes(round.policy).launcher) end,
    container = function(round)
      pcall(function() -- an engine that is away kills nothing
        for _, one in ipairs(support.containers(round.runtime_dir)) do support.engine():kill(one.id, "KILL") end
      end)
    end,
  }

  ---Some of the victims, in a random order, with random pauses before each.
  local function plan(number)
    local order = { table.unpack(VICTIMS) }
    for i = #order, 2, -1 do
      local j = math.random(i)
      order[i], order[j] = order[j], order[i]
    end
    local steps = {}
    for i = 1, math.random(#order) do
      steps[i] = { victim = order[i], after = (i == 1 and math.random() * 0.5) or math.random() * 0.03 }
    end
    -- Every kind of first victim comes up in any five rounds.
    steps[1].victim, steps[#steps + 1] = VICTIMS[number % #VICTIMS + 1], nil
    return steps
  end

  local function describe_plan(number, steps)
    local parts = {}
    for i, step in ipairs(steps) do parts[i] = ("%s after %.0f ms"):format(step.victim, step.after * 1000) end
    return ("round %d, seed %d: %s"):format(number, SEED, table.concat(parts, ", "))
  end

  ---@param environment string[]?
  local function run_round(number, steps, environment)
    local round = { runtime_dir = ("%s/r%d"):format(root, number), policy = ("%s/p%d"):format(root, number) }
    assert(os.execute("mkdir -m 700 " .. round.runtime_dir))
    hosts.policy(round.policy, 'image = "gantry-test-kv:latest", disable_network = true')
    round.host = hosts.start("hold", { round.policy }, { runtime_dir = round.runtime_dir, input = "pipe",
      environment = environment })
    for _, step in ipairs(steps) do
      task.sleep(step.after)
      KILL[step.victim](round)
    end
    round.host.process:close_input() -- a host that still lives is to close its plugin
    round.host:wait()
    hosts.assert_nothing_left(round.policy, round.runtime_dir)
    support.remove(round.runtime_dir)
  end

  it("has the next launch take away what is left when all that looks after a plugin is killed at once", function()
    if not hosts.find("hold") then return pending("go-plugin's hosts need a newer Go") end
    task.run(function()
      local runtime_dir, policy = root .. "/run", root .. "/policy"
      assert(os.execute("mkdir -m 700 " .. runtime_dir))
      hosts.policy(policy, 'image = "gantry-test-kv:latest", disable_network = true')
      local host = hosts.start("hold", { policy }, { runtime_dir = runtime_dir, input = "pipe" })
      host:await("stdout", "ready")
      support.eventually("the launcher has handed over", function()
        return #hosts.processes(policy).launcher == 0
      end)
      hosts.kill_all(policy)
      assert.are.equal(1, host:wait().code)
      support.eventually("no process", function() return select(2, hosts.processes(policy)) == 0 end)
      assert.are.equal(1, #support.containers(runtime_dir))

      host = hosts.start("hold", { policy }, { runtime_dir = runtime_dir, input = "pipe" })
      host:await("stdout", "ready")
      host.process:close_input()
      assert.are.equal(0, host:wait().code)
      hosts.assert_nothing_left(policy, runtime_dir)
    end)
  end)

  it("takes away a directory whose maker was killed before it had said that it is gantry's", function()
    task.run(function()
      local engine, made = support.engine().endpoint.name, support.temporary()
      local function clean(directory)
        assert(os.execute(("%s exec-clean made %s gantry-none-1 %s %s"):format(os.getenv "GANTRY", engine, made,
          directory)))
      end
      assert(os.execute(("mkdir %s/kv-1 && mkdir -p %s/kv-2/content"):format(made, made)))
      clean "kv-1"
      clean "kv-2" -- what has a content is somebody's
      assert.are.same({ "kv-2" }, support.entries(made))
      support.remove(made)
    end)
  end)

  ---@param rounds integer
  ---@param environment string[]? more of the hosts'
  local function run_rounds(rounds, environment)
    math.randomseed(SEED)
    local plans, next_round = {}, 0
    for number = 1, rounds do plans[number] = plan(number) end
    local function work()
      while next_round < rounds do
        next_round = next_round + 1
        local number = next_round
        local ok, err = pcall(run_round, number, plans[number], environment)
        if not ok then error(describe_plan(number, plans[number]) .. "\n" .. tostring(err), 0) end
      end
    end
    local workers = {}
    for i = 1, SIDE_BY_SIDE do workers[i] = work end
    task.all(table.unpack(workers))
  end

  if not restarting.files then
    it(("leaves nothing in %d rounds"):format(ROUNDS), function()
      if not hosts.find("hold") then return pending("go-plugin's hosts need a newer Go") end
      task.run(run_rounds, ROUNDS)
    end)

    it(("leaves nothing in %d rounds over a proxy that cuts what is idle"):format(LONG_ROUNDS), function()
      if not hosts.find("hold") then return pending("go-plugin's hosts need a newer Go") end
      task.run(function()
        local proxy <close> = hosts.cutting_proxy(root .. "/engine.sock")
        proxy:tell "idle 300"
        run_rounds(LONG_ROUNDS, { "DOCKER_HOST=unix://" .. root .. "/engine.sock" })
      end)
    end)
  else
    it(("leaves nothing in %d rounds over an engine that is killed time and again"):format(LONG_ROUNDS), function()
      if not hosts.find("hold") then return pending("go-plugin's hosts need a newer Go") end
      task.run(task.first, function() run_rounds(LONG_ROUNDS) end, function()
        while true do
          task.sleep(SHORTEST_LIFE + math.random() * (LONGEST_LIFE - SHORTEST_LIFE))
          pcall(restarting.kill) -- it may have ended by itself, over what the one before left
          restarting.start()
          support.eventually("the engine answers", function() return (pcall(support.engine)) end)
        end
      end)
    end)
  end
end)
