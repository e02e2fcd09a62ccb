-- SPDX-License-Identifier: Apache-2.0
--
--- Hosts that end without closing their plugin: with `outlive_host` it goes on, and their successor attaches to it by
--- the address and the process that they saved; without, it goes, and the next host's log says so.

local core = require "gantry.core"
local hosts = require "engine.hosts"
local support = require "engine.support"
local task = require "gantry.task"

local ROUNDS <const>, SEED <const> = 15, math.tointeger(os.getenv("GANTRY_KILL_SEED")) or os.time()
local KV <const> = 'image = "gantry-test-kv:latest", disable_network = true, '
local OUTLIVES <const> = KV .. "outlive_host = true, "

describe("a host that ends without closing its plugin", function()
  local root, runtime_dir, state_dir, policy, saved, held

  before_each(function()
    root = support.temporary()
    runtime_dir, state_dir, policy, saved = root .. "/run", root .. "/state", root .. "/plugin", root .. "/saved"
    held = {}
    assert(os.execute(("mkdir -m 700 %s %s"):format(runtime_dir, state_dir)))
  end)

  after_each(function()
    for _, host in ipairs(held) do host.process:close() end
    task.run(function() -- where a test failed, its plugin may still run
      for _, pid in ipairs(hosts.processes(policy).face) do os.execute("kill " .. pid) end
      hosts.assert_nothing_left(policy, runtime_dir)
    end)
    support.remove(root)
  end)

  local function start(arguments, environment)
    held[#held + 1] = hosts.start("hold", arguments, { runtime_dir = runtime_dir, input = "pipe",
      environment = { "GANTRY_STATE_DIR=" .. state_dir, table.unpack(environment or {}) } })
    return held[#held]
  end

  ---A host that has its plugin, and has saved where it is.
  local function first(fields, shell, environment)
    hosts.policy(policy, fields)
    local host = start({ "-save", saved, "-leave", shell and "-shell" or "-shell=false", policy }, environment)
    host:await("stdout", "ready")
    return host
  end

  local function successor(leaves)
    local host = start { "-reattach", saved, leaves and "-leave" or "-leave=false", policy }
    host:await("stdout", "ready")
    return host
  end

  local ENDS = {
    ["returns"] = function(host) host.process:close_input() end,
    ["is killed"] = function(host) assert(host.process:signal(9)) end,
  }

  local function part(host, how)
    ENDS[how](host)
    host:wait()
  end

  ---@param host support.Command
  local function close(host)
    host.process:close_input()
    assert.are.equal(0, host:wait().code, host.stderr)
    assert.are.equal("ready\nclosed\n", host.stdout)
  end

  ---@return table the engine's inspect of the one container
  local function running()
    local found = support.containers(runtime_dir)
    assert.are.equal(1, #found)
    local container
    -- A plugin may have spoken before its engine knows that it runs.
    support.eventually("it runs, by the engine's account", function()
      container = assert(support.engine():inspect(found[1].id))
      return container.state.running, container.state.status
    end, 30)
    return container
  end

  local function it_runs(what, fn)
    it(what, function()
      if not hosts.find("hold") then return pending("go-plugin's hosts need a newer Go") end
      task.run(fn)
    end)
  end

  for how in pairs(ENDS) do
    it_runs("and " .. how .. " leaves it to its successors, of which the last closes it", function()
      part(first(OUTLIVES), how)
      local container = running()
      part(successor(true), how)
      local last = successor()
      assert.are.equal(container.id, running().id)
      close(last)
      hosts.assert_nothing_left(policy, runtime_dir)
      assert.are.same({}, support.entries(state_dir .. "/launches"))
    end)
  end

  it_runs("leaves it also behind a shell in between", function()
    local host = first(OUTLIVES, true)
    part(host, "is killed")
    running()
    close(successor())
  end)

  it_runs("leaves it where the launch holds its connections to the engine", function()
    local front <close>, environment = hosts.behind_tls(root .. "/tls")
    part(first(OUTLIVES, false, environment), "is killed")
    running()
    close(successor())
    hosts.assert_nothing_left(policy, runtime_dir)
    assert(front)
  end)

  it_runs("leaves it where it prints more than its host's pipes would take", function()
    -- Not what no host expects: go-plugin's own reading of some lines of JSON ends a host.
    part(first(OUTLIVES .. 'args = { "-flood-stderr", "100000000" }, '), "is killed")
    task.sleep(0.5)
    running()
    close(successor())
  end)

  it_runs("leaves it where the terminal of both goes", function()
    local host = first(OUTLIVES)
    assert(os.execute("kill -HUP " .. support.read(saved):match '"Pid":(%d+)'))
    part(host, "is killed")
    running()
    close(successor())
  end)

  it_runs("leaves one that other launches and gc do not take away", function()
    part(first(OUTLIVES), "is killed")
    local collected = support.run({ "gc", "--all" }, { runtime_dir = runtime_dir,
      environment = { "GANTRY_STATE_DIR=" .. state_dir } })
    assert.are.equal(0, collected.code, collected.stderr)
    running()
    close(successor())
  end)

  it_runs("leaves one that ends with its process, as a plugin does", function()
    part(first(OUTLIVES), "is killed")
    local pid = support.read(saved):match '"Pid":(%d+)'
    assert(os.execute("kill -9 " .. pid))
    hosts.assert_nothing_left(policy, runtime_dir)
  end)

  it_runs("leaves one that ends with its container", function()
    part(first(OUTLIVES), "is killed")
    assert(support.engine():kill(running().id, "KILL"))
    hosts.assert_nothing_left(policy, runtime_dir)
    local late = start { "-reattach", saved, policy }
    assert.are.equal(1, late:wait().code)
    assert.is_truthy(late.stdout:find("^failed: "), late.stdout)
  end)

  it_runs("takes it along before it could know where it is", function()
    hosts.policy(policy, OUTLIVES .. 'args = { "-slow-handshake", "60s" }, ')
    local host = start { "-save", saved, policy }
    support.eventually("a container", function() return #support.containers(runtime_dir) == 1 end, 30)
    part(host, "is killed")
    hosts.assert_nothing_left(policy, runtime_dir)
    assert.is_nil(core.system.stat(saved))
  end)

  it_runs("leaves nothing, at whatever instant it is killed, once its plugin's process is killed as well", function()
    math.randomseed(SEED)
    for round = 1, ROUNDS do
      local pauses = { math.random() * 0.5, math.random() * 0.03 }
      hosts.policy(policy, OUTLIVES)
      local host = start { policy }
      task.sleep(pauses[1])
      part(host, "is killed")
      task.sleep(pauses[2])
      for _, pid in ipairs(hosts.processes(policy).face) do os.execute("kill -9 " .. pid) end
      local ok, err = pcall(hosts.assert_nothing_left, policy, runtime_dir)
      assert(ok, ("round %d, seed %d, %.0f and %.0f ms: %s"):format(round, SEED, pauses[1] * 1000, pauses[2] * 1000,
        err))
    end
  end)

  it_runs("takes it along otherwise, and the next one's log says so, once", function()
    part(first(KV), "is killed")
    hosts.assert_nothing_left(policy, runtime_dir)
    local second = first(KV)
    second:await("stderr", "%[INFO%] [^\n]*the last container of plugin 'plugin', gantry%-plugin%-%x+, went with its "
      .. "host, which ended at %d+%-[%d:TZ-]+ without closing it; [^\n]*outlive_host = true")
    second.process:close_input()
    assert.are.equal(0, second:wait().code)
    hosts.assert_nothing_left(policy, runtime_dir)
  end)

  it_runs("takes it along before its launch is over, of which the next one's log says the same", function()
    local socket, listens, broken = root .. "/engine", task.event(), task.event()
    local _ <close> = assert(core.process.spawn(task.loop(), { "lua5.4",
      support.source .. "/tests/engine/fault_proxy.lua", socket, support.engine().endpoint.unix_socket,
      "~GET /v[%d.]+/containers/%x+/json", "hang", input = "null", output = "pipe", error = "inherit",
      on_exit = function() end, on_output = function(_, bytes)
        if bytes:find "ready" then listens:set() end
        if bytes:find "broken" then broken:set() end
      end }))
    listens:wait()
    local host = first(KV, false, { "DOCKER_HOST=unix://" .. socket })
    broken:wait()
    part(host, "is killed")
    hosts.assert_nothing_left(policy, runtime_dir)
    host = first(KV)
    host:await("stderr", "the last container of plugin 'plugin', gantry%-plugin%-%x+, went with its host")
    host.process:close_input()
    assert.are.equal(0, host:wait().code)
    hosts.assert_nothing_left(policy, runtime_dir)
  end)

  it_runs("tells the next one that its process was killed, where it was to be left", function()
    part(first(OUTLIVES), "is killed")
    assert(os.execute("kill " .. support.read(saved):match '"Pid":(%d+)'))
    hosts.assert_nothing_left(policy, runtime_dir)
    local second = first(OUTLIVES)
    second:await("stderr", "%[INFO%] [^\n]*was to outlive its host, but went at [^\n]*KillMode=process")
    part(second, "is killed")
    close(successor())
    hosts.assert_nothing_left(policy, runtime_dir)
    assert.are.same({}, support.entries(state_dir .. "/launches"))
  end)

  it_runs("is told from one that closed it", function()
    for _ = 1, 2 do
      hosts.policy(policy, KV)
      local host = start { policy }
      host:await("stdout", "ready")
      close(host)
      hosts.assert_nothing_left(policy, runtime_dir)
      assert.is_nil(host.stderr:find("went with its host", 1, true))
      assert.are.same({}, support.entries(state_dir .. "/launches"))
    end
  end)
end)
