-- SPDX-License-Identifier: Apache-2.0
--
--- How a plugin's end is told: what counts as memory that ran out, ends real and simulated, a stop that the engine
--- refuses, a removal that takes its time, a container that stays.

local core = require "gantry.core"
local core_control = require "gantry.core.control"
local ending = require "gantry.supervisor.ending"
local errors = require "gantry.base.errors"
local exit = require "gantry.plugin.exit"
local gantry = require "gantry"
local leftovers = require "gantry.plugin.leftovers"
local ownership = require "gantry.place.ownership"
local plugins = require "gantry.plugin"
local decider = require "gantry.restart.decider"
local simulate = require "gantry.supervisor.simulate"
local takeover = require "gantry.supervisor.takeover"
local task = require "gantry.task"

describe("memory that ran out", function()
  for _, case in ipairs {
    { code = 137, flag = true, cause = "oom" }, { code = 137, flag = false, cause = "signal" },
    { code = 137, flag = true, killed = true, cause = "signal", child = true },
    { code = 0, flag = true, cause = "exit", child = true }, { code = 2, flag = true, cause = "exit", child = true },
    { code = 139, flag = true, cause = "signal", child = true }, { code = 0, flag = false, cause = "exit" },
  } do
    it(("is told for code %d, flag %s, %s: %s"):format(case.code, case.flag, case.killed and "killed by us" or "",
      case.cause), function()
      local state = exit.from_state({ exit_code = case.code, out_of_memory = case.flag }, false, case.killed)
      local death = exit.from_death({ code = case.code, oom = case.flag }, false, case.killed)
      for _, one in ipairs { state, death } do
        assert.are.same({ case.cause, case.child }, { one.cause, one.child_oom })
      end
    end)
  end
end)

describe("an end", function()
  local unit = { name = "kv", config = { image = "x", memory = 1 << 26 }, restart = decider.new_state() }

  ---@return table<string, string> types of its fields by name
  local function kinds(one)
    local list = {}
    for name, value in pairs(one) do list[name] = type(value) end
    return list
  end

  before_each(function()
    unit.restart = decider.new_state()
    decider.started(unit.restart, 0)
    decider.ready(unit.restart, 1)
    decider.tick(unit.restart, 8)
  end)

  local REAL <const> = {
    oom = function() return ending.of_exit(unit, exit.from_death({ code = 137, oom = true, uptime = 5 }, false)) end,
    exit = function() return ending.of_exit(unit, exit.from_death({ code = 1, oom = false, uptime = 5 }, false)) end,
    signal = function() return ending.of_exit(unit, exit.from_death({ code = 139, uptime = 5 }, false)) end,
    lost = function() return ending.of_exit(unit, exit.unknown("lost", "gone", false)) end,
    unhealthy = function() return ending.of_cause(unit, "unhealthy", "no answer") end,
    start_timeout = function() return ending.of_failed_launch(unit, errors.new("START_TIMEOUT", "slow")) end,
    image_missing = function() return ending.of_failed_launch(unit, errors.new("REGISTRY_AUTH", "no")) end,
    engine_error = function() return ending.of_exit(unit, exit.unknown("engine_error", "away", false)) end,
    handshake_failed = function() return ending.of_failed_launch(unit, errors.new("HANDSHAKE_INVALID", "no")) end,
    start_failed = function() return ending.of_failed_launch(unit, errors.new("RUNTIME_UNKNOWN", "no")) end,
  }
  for cause, make in pairs(REAL) do
    it("has the same fields in a simulation: " .. cause, function()
      local real = make()
      assert.are.equal(cause, real.cause)
      local given
      local steps = assert(simulate.run({ image = "x", memory = "64MiB", restart = function(one)
        given = one
        return one.uptime < 10 and "stop" or "fail"
      end }, { cause }))
      assert.are.same(kinds(real), kinds(steps[1].exit))
      assert.are.same(kinds(real), kinds(given))
      assert.are.same({ real.ready, real.phase, real.known }, { given.ready, given.phase, given.known })
      assert.are.equal("stop", steps[1].decision.action, steps[1].decision.reason)
    end)
  end

  it("that nobody timed has its time by our clock", function()
    assert.are.equal(8, ending.of_cause(unit, "unhealthy", "x").uptime)
  end)

  it("takes nothing that an end does not have", function()
    assert.are.equal("SIMULATE_INVALID", select(2, simulate.run({ image = "x" }, { { memory = 5 } })).code)
  end)
end)

describe("a plugin on an engine that is a table", function()
  local folder
  local dial <const>, containers <const> = core.system.dial, ownership.containers
  local ID <const> = ("a"):rep(64)

  before_each(function()
    core.system.dial = function() return true end
    ownership.containers = function(engine) return engine:list(), nil, {} end -- those of a table are on no record
    folder = ("%s/gantry-test-%s"):format(os.getenv "TMPDIR" or "/tmp", core.system.random(4))
    assert(os.execute("mkdir -m 700 " .. folder))
  end)
  after_each(function()
    core.system.dial, ownership.containers = dial, containers
    assert(os.execute("rm -rf " .. folder))
  end)

  ---@return table engine, gantry.Plugin plugin, string[] events
  local function launched(overrides, options)
    local engine = { swept = {}, endpoint = { name = "table" }, kind = "docker",
      capabilities = {}, caller_inside = function() end,
      running = true, signals = {} }
    function engine.request() return {} end
    function engine.check_runtime() return true end
    function engine.info() return { runtimes = {} } end
    function engine.ask() end
    function engine.image() return { digests = {}, id = "sha256:" .. ("0"):rep(64) } end
    function engine.list() return {} end
    function engine.create() return { id = ID, warnings = {} } end
    function engine.wait()
      while engine.running do task.sleep(0.02) end
      return { exit_code = 0 }
    end
    function engine.inspect() return { state = { running = engine.running, exit_code = 0 } } end
    function engine.remove() return true end
    function engine.attach(_, _, handlers)
      engine.handlers = handlers
      handlers.on_output("stdout", ("1|1|unix|%s/odd/plugin1|netrpc\n"):format(folder))
      return { pause = function() end, resume = function() end, cancel = function() end }
    end
    function engine.start()
      core.system.close(assert(core_control.listen(folder .. "/odd/plugin1", tonumber("600", 8))))
      return {}
    end
    function engine.kill(_, _, signal)
      engine.signals[#engine.signals + 1] = signal
      engine.running = false
      engine.handlers.on_end(nil)
      return true
    end
    for name, method in pairs(overrides) do engine[name] = method end
    local events = {}
    local given = { engine = engine, runtime_dir = folder, environment = { GANTRY_STATE_DIR = folder .. "/state" },
      on_event = function(kind) events[#events + 1] = kind end }
    for name, value in pairs(options or {}) do given[name] = value end
    local policy = assert(gantry.load({ name = "odd", image = "none", protocol = "netrpc", start_timeout = 20,
      stop_timeout = 0.1 }, given))
    return engine, assert(plugins.launch(policy.config, given)), events
  end

  it("is not told to have stopped where the engine refuses, and can be stopped later", function()
    task.run(function()
      local engine, plugin
      engine, plugin = launched {}
      local kill = engine.kill
      function engine.kill() return nil, errors.new("ENGINE_ERROR", "kill: no", { status = 500 }) end
      local ended, err = plugin:stop()
      assert.is_nil(ended)
      assert.are.equal("STOP_FAILED", err.code)
      assert.matches("kill: no", err.message)
      assert.is_nil(plugin.exit)
      engine.kill = kill
      assert.are.equal("exit", assert(plugin:stop()).cause)
    end)
  end)

  it("has ended where the engine says so, though its output goes on", function()
    task.run(function()
      local engine, plugin = launched {}
      function engine.kill()
        engine.running = false
        return nil, errors.new("CONFLICT", "kill: it is not running", { status = 409 })
      end
      local ended = assert(plugin:stop())
      assert.are.same({ "exit", true }, { ended.cause, ended.requested })
    end)
  end)

  it("ends once, though its container takes its time to go", function()
    task.run(function()
      local _, plugin, events = launched { remove = function()
        task.sleep(0.6)
        return true
      end }
      plugin:stop()
      local exits = 0
      for _, kind in ipairs(events) do exits = exits + (kind == "exit" and 1 or 0) end
      assert.are.same({ 1, "exit", true }, { exits, plugin.exit.cause, plugin.exit.known })
    end)
  end)

  it("that ends as it becomes ready is followed to its end", function()
    task.run(function()
      local made = {}
      local _, plugin = launched({ create = function(self)
        made.engine = self
        return { id = ID, warnings = {} }
      end }, { on_step = function(step)
        if step ~= "look_again" then return end
        made.engine.running = false
        made.engine.handlers.on_end(nil)
      end })
      assert.is_true(plugin:ends_within(20))
      assert.are.equal("exit", plugin.exit.cause)
    end)
  end)

  for _, running in ipairs { true, false } do
    it(("%s by a leftover that cannot be removed and %s"):format(running and "is kept down" or "is not kept down",
      running and "runs" or "is dead"), function()
      task.run(function()
        local engine = { capabilities = {},
          list = function() return { { id = ID, status = running and "running" or "exited" } } end,
          remove = function() return nil, errors.new("ENGINE_ERROR", "busy", { status = 500 }) end,
          inspect = function() return { state = { running = running } } end }
        local result, err = leftovers.remove(engine, "kv", folder .. "/kv")
        assert.are.equal(running, result == nil)
        assert.are.equal("ENGINE_ERROR", (err or result.corpses[ID]).code)
      end)
    end)
  end

  it("is found among containers with labels of any kind, or none", function()
    task.run(function()
      local list = { { id = "1" }, { id = "2", labels = { ["gantry.plugin"] = 5, ["gantry.directory"] = {} } },
        { id = "3", labels = { ["gantry.plugin"] = "kv", ["gantry.directory"] = folder .. "/kv" } },
        { id = "4", labels = "x" }, { id = "5", labels = { ["gantry.plugin"] = "kv" } } }
      local found = assert(takeover.list({ list = function() return list end }, folder))
      assert.are.same({ kv = { list[3] } }, found)
    end)
  end)
end)
