-- SPDX-License-Identifier: Apache-2.0
--
--- A unit under supervision, on an engine and a clock that are tables: what is asked of it in each of its states, and
--- what an operator is told.

local fake = require "lua.fake_supervisor"

describe("a unit", function()
  ---@param name string
  ---@param fn fun(world: fake.World, task: table)
  ---@param options table?
  local function test(name, fn, options)
    it(name, function()
      fake.run(function(world)
        fn(world, world.modules.task)
        assert.are.equal("", table.concat(world.failures, "\n"))
      end, options)
    end)
  end

  local function journal(world, name)
    local lines = {}
    for _, entry in ipairs(world:unit(name).journal.entries) do lines[#lines + 1] = entry.kind .. " " .. entry.text end
    return table.concat(lines, "\n")
  end

  ---Asks within a bound.
  local function ask(world, task, name, verb, arguments)
    return task.deadline(30, function()
      return world:request("POST", ("/v1/plugins/%s/%s"):format(name, verb), arguments)
    end)
  end

  -- ---- what is intended runs ----

  test("whose policy is edited while it launches runs the new one", function(world, task)
    world:write("kv", { image = "old" })
    world:up()
    task.sleep(0.5)
    assert.are.equal("starting", world:state "kv")
    world:write("kv", { image = "new" })
    assert(world.supervisor:reload())
    task.sleep(5)
    assert.are.equal("ready", world:state "kv")
    assert.are.equal("new", world:unit("kv").plugin.config.image)
  end, { launch_time = 1 })

  test("whose process ends shows its last line, ended or not, before the next one begins", function(world, task)
    local order = {}
    world.on_lines = function(_, _, lines) order[#order + 1] = table.concat(lines, "|") end
    world.on_event = function(event) if event.kind == "start" then order[#order + 1] = event.text end end
    world:write("kv", { image = "x" })
    world:up()
    task.sleep(5)
    world:unit("kv").plugin.options.on_output("stderr", "panic: no newline")
    world:unit("kv").plugin:die { cause = "exit", code = 1, known = true, requested = false, uptime = 5 }
    task.sleep(5)
    assert.are.same({ "generation 1", "panic: no newline", "generation 2" }, order)
  end)

  test("whose policy was edited while no supervisor ran is replaced when it is adopted", function(world, task)
    world:write("kv", { image = "old" })
    world:up()
    task.sleep(5)
    world:leave()
    world:write("kv", { image = "new" })
    world:up()
    task.sleep(5)
    assert.are.equal("new", world:unit("kv").plugin.config.image)
    assert.are.equal(2, #world.launches)
    world:leave()
    world:up()
    task.sleep(5)
    assert.are.equal(2, #world.launches)
    assert.are.equal("ready", world:state "kv")
  end)

  test("has a stop_timeout that is edited while it runs", function(world, task)
    world:write("kv", { image = "x", stop_timeout = 5 })
    world:up()
    task.sleep(5)
    world:write("kv", { image = "x", stop_timeout = 9 })
    assert(world.supervisor:reload())
    assert.are.equal(9, world:unit("kv").plugin.config.stop_timeout)
    assert.are.equal(1, #world.launches)
  end)

  test("is asked for its health as the policy says it now", function(world, task)
    world:write("kv", { image = "x" })
    world:up()
    task.sleep(5)
    world:write("kv", { image = "x", health = { period = "1s", timeout = "1s", failures = 2 } })
    assert(world.supervisor:reload())
    world.launches[1].sick = true
    task.sleep(10)
    assert.are.equal(2, #world.launches)
    assert.matches("unhealthy", journal(world, "kv"))
  end)

  test("is not ill while it is paused by hand", function(world, task)
    world:write("kv", { image = "x", health = { period = "1s", timeout = "1s", failures = 2 } })
    world:up()
    task.sleep(5)
    world.launches[1].paused = true
    task.sleep(20)
    assert.are.equal(1, #world.launches)
    world.launches[1].paused = false
    task.sleep(5)
    assert.are.equal("ready", world:state "kv")
    world.launches[1].sick = true
    task.sleep(10)
    assert.are.equal(2, #world.launches)
  end)

  test("whose policy comes back while its container is removed is supervised again at once", function(world, task)
    world:write("kv", { image = "x" })
    world:up()
    task.sleep(5)
    local policy = world.policies.kv
    world.policies.kv = nil
    assert(world.supervisor:reload())
    task.sleep(1)
    assert.are.equal("stopping", world:state "kv")
    world.policies.kv = policy
    assert(world.supervisor:reload())
    task.sleep(3)
    assert.are.equal("ready", world:state "kv")
    task.sleep(60)
    assert.are.equal("ready", world:state "kv")
  end, { removal_time = 30 })

  test("is read again by one reload after the other", function(world, task)
    world:write("kv", { image = "old" })
    world:up()
    task.sleep(5)
    world.scan_time = 1
    local seen = {}
    task.all(function() seen[1] = world.supervisor:reload() end, function()
      task.sleep(0.5)
      world:write("kv", { image = "new" })
      seen[2] = world.supervisor:reload()
    end)
    task.sleep(5)
    assert.are.same({ true, true }, seen)
    assert.are.equal("new", world:unit("kv").plugin.config.image)
  end)

  -- ---- requests settle ----

  test("is started while it launches: answered by that launch", function(world, task)
    world:write("kv", { image = "x" })
    world:up()
    task.sleep(0.5)
    assert.are.equal("ready", assert(ask(world, task, "kv", "start")).state)
    assert.are.equal(1, #world.launches)
  end, { launch_time = 1 })

  test("is restarted while it launches: begun anew", function(world, task)
    world:write("kv", { image = "x" })
    world:up()
    task.sleep(0.5)
    local view = assert(ask(world, task, "kv", "restart"))
    assert.are.same({ "ready", 2 }, { view.state, view.generation })
  end, { launch_time = 1 })

  test("that has ended can be stopped", function(world, task)
    world:write("kv", { image = "x", restart = "never" })
    world:up()
    task.sleep(5)
    world:unit("kv").plugin:die { cause = "exit", code = 0, known = true, requested = false, uptime = 2 }
    task.sleep(1)
    assert.are.equal("ended", world:state "kv")
    local view = assert(ask(world, task, "kv", "stop"))
    assert.are.same({ "stopped", "down" }, { view.state, view.wanted })
    assert.are.equal("ready", assert(ask(world, task, "kv", "start")).state)
  end)

  test("that waits says for what", function(world, task)
    world:write("kv", { image = "x", after = { "db" } })
    world:up()
    task.sleep(5)
    for _, verb in ipairs { "start", "restart" } do
      local view = assert(ask(world, task, "kv", verb))
      assert.are.equal("waiting", view.state)
      assert.matches("waits for db", view.detail)
    end
    world:write("db", { image = "x" })
    assert(world.supervisor:reload())
    task.sleep(10)
    assert.are.equal("ready", world:state "kv")
  end)

  for _, verb in ipairs { "start", "restart" } do
    test(("that waits is waited for by %s --wait"):format(verb), function(world, task)
      world:write("kv", { image = "x", after = { "db" } })
      world:up()
      task.sleep(5)
      local _, view = task.all(function()
        task.sleep(5)
        world:write("db", { image = "x" })
        assert(world.supervisor:reload())
      end, function() return assert(ask(world, task, "kv", verb, { wait = "1" })) end)
      assert.are.equal("ready", view[1].state)
    end)
  end

  test("whose next try comes later is waited for by start --wait", function(world, task)
    local errors = world.modules.errors
    world:write("kv", { image = "x" })
    world.refuse = errors.new("RUNTIME_UNKNOWN", "no such runtime")
    world:up()
    task.sleep(5)
    local _, view = task.all(function()
      task.sleep(5)
      world.refuse = nil
    end, function() return assert(ask(world, task, "kv", "start", { wait = "1" })) end)
    assert.are.equal("ready", view[1].state)
  end)

  test("in a backoff is started at once", function(world, task)
    local errors = world.modules.errors
    world:write("kv", { image = "x" })
    world.refuse = errors.new("RUNTIME_UNKNOWN", "no such runtime")
    world:up()
    task.deadline(60, function()
      while world:state "kv" ~= "backoff" do task.sleep(0.01) end
    end)
    assert.are.equal("backoff", world:state "kv")
    local view = assert(ask(world, task, "kv", "start"))
    assert.are.equal("backoff", view.state)
    assert.are.equal("start_failed", view.last_exit.cause)
    world.refuse = nil
    assert.are.equal("ready", assert(ask(world, task, "kv", "restart")).state)
  end)

  test("that is in a circle says so", function(world, task)
    world:write("a", { image = "x", after = { "b" } })
    world:write("b", { image = "x", after = { "a" } })
    world:up()
    task.sleep(5)
    local view = assert(ask(world, task, "a", "start"))
    assert.are.equal("failed", view.state)
    assert.matches("dependency cycle", view.detail)
    assert.are.equal("stopped", assert(ask(world, task, "a", "stop")).state)
  end)

  for _, case in ipairs { { "start", "stop", "stopped" }, { "stop", "start", "ready" },
    { "restart", "stop", "stopped" }, { "stop", "restart", "ready" } } do
    for _, moment in ipairs { 0.05, 0.3, 5 } do
      test(("is asked to %s and to %s at once, after %gs: the later word holds"):format(case[1], case[2], moment),
        function(world, task)
          world:write("kv", { image = "x" })
          world:up()
          task.sleep(moment)
          if case[1] == "start" and moment == 5 then assert(ask(world, task, "kv", "stop")) end
          local first, second = task.all(function() return ask(world, task, "kv", case[1]) end,
            function() return ask(world, task, "kv", case[2]) end)
          assert.are.equal("SUPERSEDED", first[2].code)
          assert.matches("a later " .. case[2], first[2].message)
          assert.are.equal(case[3], assert(second[1]).state)
          task.sleep(10)
          assert.are.equal(case[3], world:state "kv")
        end, { launch_time = 1 })
    end
  end

  test("whose policy goes while a request waits answers so", function(world, task)
    world:write("kv", { image = "x" })
    world:up()
    task.sleep(0.2)
    local answers = task.all(function() return ask(world, task, "kv", "start") end, function()
      task.sleep(0.2)
      world:write("kv", nil)
      assert(world.supervisor:reload())
    end)
    assert.are.equal("SUPERSEDED", answers[2].code)
    task.sleep(10)
    assert.is_nil(world:unit "kv")
  end, { launch_time = 5 })

  test("answers those who wait when the supervisor ends", function(world, task)
    world:write("kv", { image = "x" })
    world:up()
    task.sleep(0.2)
    local answers = task.all(function() return ask(world, task, "kv", "start") end, function()
      task.sleep(0.2)
      world:leave()
    end)
    assert.are.equal("ENDING", answers[2].code)
    assert.are.equal("ENDING", select(2, ask(world, task, "kv", "stop")).code)
    world:up()
  end, { launch_time = 5 })

  -- ---- what is told is true ----

  test("that the engine does not stop is not shown as stopped", function(world, task)
    world:write("kv", { image = "x" })
    world:up()
    task.sleep(5)
    world:set_mode "500"
    local answer, err = ask(world, task, "kv", "stop")
    assert.is_nil(answer)
    assert.are.equal("STOP_FAILED", err.code)
    assert.are.equal("stopping", world:state "kv")
    assert.matches("500", world:request("GET", "/v1/plugins/kv").detail)
    assert.matches("it is tried again", journal(world, "kv"))
    err = select(2, ask(world, task, "kv", "stop"))
    assert.are.equal("STOP_FAILED", err.code)
    err = select(2, task.deadline(30, function() return world.supervisor:stop_all() end))
    assert.are.equal("STOP_FAILED", err.code)
    world:set_mode "ok"
    task.sleep(120)
    assert.are.equal("stopped", world:state "kv")
    assert.are.equal(0, (world:running "kv"))
  end)

  for _, status in ipairs { 500, 409 } do
    test(("is not kept down by a container that cannot be removed (%d)"):format(status), function(world, task)
      world:write("kv", { image = "x" })
      world:up()
      task.sleep(5)
      local container = world.launches[1]
      container.stuck = status
      container.plugin:die { cause = "exit", code = 3, known = true, requested = false, uptime = 5 }
      task.sleep(25)
      assert.are.equal("ready", world:state "kv")
      assert.are.equal(1, #world:unit("kv").corpses)
      assert.matches("could not be removed", journal(world, "kv"))
      world:leave()
      world:up()
      task.sleep(5)
      assert.are.equal("ready", world:state "kv")
      assert.are.equal(1, #world:unit("kv").corpses)
      container.stuck = nil
      task.sleep(700)
      assert.are.equal(0, #world:unit("kv").corpses)
      assert.is_nil(world.containers[container.id])
    end)
  end

  for _, mode in ipairs { "500", "hang", "cut" } do
    test("is not removed in an adoption while the engine is in trouble: " .. mode, function(world, task)
      world:write("kv", { image = "x" })
      world:up()
      task.sleep(5)
      world:leave()
      local list = world.engine_table.list
      world.engine_table.list = function()
        world.mode = "ok"
        local containers = list()
        world.mode = mode
        return containers
      end
      world:up()
      task.sleep(300)
      assert.are.equal("adopting", world:state "kv")
      assert.is_true(world.adoptions > 3)
      assert.matches("waits for the engine", assert(ask(world, task, "kv", "start")).detail)
      assert.is_truthy(select(2, ask(world, task, "kv", "stop")))
      world.engine_table.list = list
      world:set_mode "ok"
      assert(ask(world, task, "kv", "start"))
      task.sleep(40)
      assert.are.equal("ready", world:state "kv")
      assert.are.equal(1, #world.launches)
    end)
  end

  for _, restart in ipairs { "never", "on_failure" } do
    test("comes back after a reboot whatever its strategy says: " .. restart, function(world, task)
      world:write("kv", { image = "x", restart = restart })
      world:write("down", { image = "x" })
      world:up()
      task.sleep(5)
      assert(ask(world, task, "down", "stop"))
      world:leave()
      world.boot = "boot-2"
      for _, container in pairs(world.containers) do
        container.status, container.exit = "exited", { cause = "exit", code = 0, known = true, requested = false }
      end
      world:up()
      task.sleep(5)
      assert.are.equal("ready", world:state "kv")
      assert.are.equal("stopped", world:state "down")
      assert.are.equal("host_boot", world:unit("kv").last_exit.cause)
      assert.are.equal(0, world:unit("kv").restart.restarts)
      assert.are.equal(0, world:unit("kv").restart.counted)
    end)
  end

  test("that memory ended a child of says so, and its own end is what it was", function(world, task)
    world:write("kv", { image = "x", memory = "64MiB" })
    world:up()
    task.sleep(5)
    world:unit("kv").plugin:die { cause = "exit", code = 2, known = true, requested = false, uptime = 5,
      child_oom = true }
    task.sleep(5)
    assert.matches("exit the engine says OOMKilled: another process", journal(world, "kv"))
    assert.are.equal("exit", world:unit("kv").last_exit.cause)
  end)

  test("whose output was lost says so where it was lost", function(world, task)
    world:write("kv", { image = "x" })
    world:up()
    task.sleep(5)
    local options = world:unit("kv").plugin.options
    options.on_output("stderr", "before\nhalf")
    options.on_event("reattached", { seconds = 3 })
    options.on_output("stderr", "after\n")
    local lines = {}
    for i, entry in ipairs(world:unit("kv").log:last_lines(10)) do lines[i] = entry.line end
    local gap = "gantry: the engine was away for 3s: output of that time is lost here"
    assert.are.same({ "before", "half", gap, "after" }, lines)
  end)

  test("goes on after a fault of ours", function(world, task)
    world:write("kv", { image = "x" })
    world:up()
    task.sleep(5)
    local one = world:unit "kv"
    one.decide = function() error "a bug" end
    one.plugin:die { cause = "exit", code = 1, known = true, requested = false, uptime = 5 }
    task.sleep(0.5)
    one.decide = nil
    task.sleep(10)
    assert.are.equal("ready", world:state "kv")
    assert.matches("fault a fault of gantry: .*a bug", journal(world, "kv"))
  end)

  test("wakes only those that need it", function(world, task)
    for i = 1, 30 do world:write("p" .. i, { image = "x", after = { "base" } }) end
    for i = 1, 30 do world:write("q" .. i, { image = "x" }) end
    world:up()
    task.sleep(30)
    local looked, missing = 0, world.supervisor.missing_dependency
    world.supervisor.missing_dependency = function(...)
      looked = looked + 1
      return missing(...)
    end
    for i = 1, 30 do assert(ask(world, task, "q" .. i, "restart")) end
    assert.is_true(looked <= 30 * 2, looked)
    world:write("base", { image = "x" })
    assert(world.supervisor:reload())
    task.sleep(60)
    assert.are.equal("ready", world:state "p17")
    assert.is_true(looked < 30 * 12, looked)
  end)
end)

describe("the table of states", function()
  local states = require "gantry.supervisor.states"
  local reactions = require("gantry.supervisor.requests").REACTIONS

  it("has an answer for each event in each state, and each answer is carried out", function()
    local inner = { decide = true, asked_for = true, note = true }
    for state in pairs(states.TABLE) do
      for _, event in ipairs(states.EVENTS) do
        local reaction = states.reaction(state, event)
        assert.is_truthy(inner[reaction] or reactions[reaction], ("%s in %s: %s"):format(event, state, reaction))
      end
      for event in pairs(states.TABLE[state]) do
        local known = false
        for _, one in ipairs(states.EVENTS) do known = known or one == event end
        assert.is_true(known, event)
      end
      assert.is_table(states.NEXT[state])
      for after in pairs(states.NEXT[state]) do assert.is_table(states.TABLE[after], after) end
    end
  end)
end)
