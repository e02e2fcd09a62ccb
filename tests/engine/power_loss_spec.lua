-- SPDX-License-Identifier: Apache-2.0
--
--- What is on the engine when a machine starts again after its power went: every gantry of the same user takes it away,
--- but for what is another's to decide on. The power loss is made of its traces: no process, no socket directory, and
--- records of another boot.

local hosts = require "engine.hosts"
local supervision = require "engine.supervision"
local support = require "engine.support"
local task = require "gantry.task"

describe("after a power loss", function()
  local place

  before_each(function() place = supervision.place() end)
  after_each(function()
    for _, one in ipairs(support.containers(place.root)) do support.engine():remove(one.id) end
    support.remove(place.root)
  end)

  ---@param command string with %s for the test's folder
  local function shell(command) assert(os.execute((command:gsub("%%s", place.root)))) end

  ---What a boot does to this machine's memory of the last one.
  local function reboot()
    shell "rm -rf %s/run && mkdir -m 700 %s/run"
    shell [[sed -i 's/"boot":"[^"]*"/"boot":"00000000-0000-4000-8000-000000000000"/' %s/state/launches/*.json]]
  end

  ---A plugin under a host, killed with all that looks after it.
  ---@param fields string? of the policy
  ---@return string id the container's
  local function leave_exec(fields)
    local policy = hosts.policy(place.root .. "/exec", 'image = "gantry-test-kv:latest", disable_network = true, '
      .. (fields or ""))
    local options = place:options()
    options.input = "pipe"
    local host = hosts.start("hold", { policy }, options)
    host:await("stdout", "ready")
    support.eventually("the launcher has handed over", function() return #hosts.processes(policy).launcher == 0 end)
    hosts.kill_all(policy)
    host:wait()
    support.eventually("no process", function() return select(2, hosts.processes(policy)) == 0 end)
    local left = support.containers(place.root)
    assert.are.equal(1, #left)
    return left[1].id
  end

  ---Launches once more, and ends that.
  local function run_another()
    support.write(place.root .. "/other.lua", support.policy_text 'name = "other",')
    local command = support.command({ "run", place.root .. "/other.lua" }, place:options())
    command:await("stdout", "{")
    return command
  end

  local function ids()
    local list = {}
    for i, one in ipairs(support.containers(place.root)) do list[i] = one.id end
    return list
  end

  ---@param state string? what the engine made of the container by itself
  local function goes_with_next_run(state)
    if not hosts.find("hold") then return pending("go-plugin's hosts need a newer Go") end
    task.run(function()
      local id = leave_exec()
      if state == "exited" then support.engine():kill(id, "KILL") end
      if state == "renamed" then shell("docker rename " .. id .. " gantry-test-renamed-$$") end
      if state == "restarted" then
        shell("docker update --restart=always " .. id .. " >/dev/null && docker restart -t 0 " .. id .. " >/dev/null")
      end
      reboot()
      local command = run_another()
      support.eventually("it is removed", function() return #ids() == 1 and ids()[1] ~= id end)
      command:kill "TERM"
      command:wait()
      assert.are.same({}, ids())
      assert.are.same({}, place:records())
    end)
  end

  it("what a host's plugin left is removed, exited as it is", function() goes_with_next_run "exited" end)
  it("what a host's plugin left is removed, running again", function() goes_with_next_run "restarted" end)
  it("what a host's plugin left is removed, renamed by hand", function() goes_with_next_run "renamed" end)

  it("the next plugin of a host has it removed", function()
    if not hosts.find("hold") then return pending("go-plugin's hosts need a newer Go") end
    task.run(function()
      local id = leave_exec()
      support.engine():kill(id, "KILL")
      reboot()
      local policy, options = place.root .. "/exec", place:options()
      options.input = "pipe"
      local host = hosts.start("hold", { policy }, options)
      host:await("stdout", "ready")
      support.eventually("it is removed", function() return #ids() == 1 and ids()[1] ~= id end)
      host.process:close_input()
      assert.are.equal(0, host:wait().code)
      hosts.assert_nothing_left(policy, place.runtime_dir)
    end)
  end)

  it("what a living gantry has, or one of this boot, or what is kept for inspection, stays", function()
    if not hosts.find("hold") then return pending("go-plugin's hosts need a newer Go") end
    task.run(function()
      local id = leave_exec "debug = true"
      reboot()
      local first = run_another()
      support.write(place.root .. "/third.lua", support.policy_text 'name = "third",')
      local third = support.command({ "run", place.root .. "/third.lua" }, place:options())
      third:await("stdout", "{")
      assert.are.equal(3, #ids())
      for _, command in ipairs { third, first } do
        command:kill "TERM"
        command:wait()
      end
      assert.are.same({ id }, ids())
    end)
  end)

  it("gantry up starts its own plugins where nothing is left of them", function()
    task.run(function()
      place:policy("kv", "")
      local up = place:up()
      place:await_state("kv", "ready")
      up:kill "KILL"
      up:wait()
      for _, id in ipairs(ids()) do assert(support.engine():remove(id)) end
      reboot()
      shell [[sed -i 's/"boot":"[^"]*"/"boot":"another"/' %s/state/up/*.json]]
      place:up()
      place:await_state("kv", "ready")
      assert.matches("the machine was started anew", place:run("why", "kv").stdout)
      assert.are.equal(1, #ids())
      place:run("down")
      support.eventually("nothing is left", function() return #ids() == 0 end)
      assert.are.same({}, place:records())
    end)
  end)

  it("gantry up decides on its own plugins, and removes what a host's left", function()
    if not hosts.find("hold") then return pending("go-plugin's hosts need a newer Go") end
    task.run(function()
      local exec = leave_exec()
      place:policy("kv", "")
      local up = place:up()
      support.eventually("it is ready", function() return (place:plugin("kv") or {}).state == "ready" end)
      up:kill "KILL"
      up:wait()
      for _, id in ipairs(ids()) do support.engine():kill(id, "KILL") end
      reboot()
      shell [[sed -i 's/"boot":"[^"]*"/"boot":"another"/' %s/state/up/*.json]]
      place:up()
      support.eventually("it is ready again", function()
        local found = place:plugin("kv") or {}
        return found.state == "ready" and #ids() == 1
      end)
      for _, id in ipairs(ids()) do assert.are_not.equal(exec, id) end
      local why = place:run("why", "kv")
      assert.is_truthy(why.stdout:find("the machine was started anew", 1, true), why.stdout)
      place:run("down")
      support.eventually("nothing is left", function() return #ids() == 0 end)
    end)
  end)
end)
