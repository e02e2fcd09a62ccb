-- SPDX-License-Identifier: Apache-2.0
--
--- gantry.supervise: what `gantry up` does, in a program's own loop. Gantry's verbs know it, its plugins outlive it,
--- and `gantry up` and it take over from each other.

local core = require "gantry.core"
local gantry = require "gantry"
local support = require "engine.support"
local supervision = require "engine.supervision"
local task = require "gantry.task"

describe("a program that supervises", function()
  local place

  before_each(function() place = supervision.place() end)
  after_each(function()
    task.on_error = nil
    task.run(place.close, place)
  end)

  local function test(name, fn)
    it(name, function() task.run(fn) end)
  end

  ---@param loop string
  ---@return support.Command
  local function start(loop)
    local options = place:options()
    options.executable, options.input = "/usr/bin/lua5.4", "pipe"
    local program = support.command({ support.source .. "/tests/embed/supervise_in_a_loop.lua", loop, place.policies,
      place.root }, options)
    place.ups[#place.ups + 1] = program
    return program
  end

  for _, loop in ipairs { "plain", "luv", "cqueues" } do
    test(("in its own loop (%s) is one to gantry's verbs, and ends with its plugins down"):format(loop), function()
      place:policy "kv"
      local program = start(loop)
      program:await("stdout", "ready (%x+)\n")
      assert.are.equal("ready", place:plugin("kv").state)
      assert.are.equal(0, place:run("restart", "kv").code)
      assert.are.equal(2, place:plugin("kv").generation)
      program.process:write "down\n"
      assert.are.equal(0, program:wait().code, program.stderr)
      assert.matches("\ndone\n$", program.stdout)
      place:await_containers(0)
      assert.are.equal(7, place:run("ps").code) -- nobody supervises
    end)
  end

  test("leaves its plugins to gantry up, which leaves them to it, also after kill -9", function()
    place:policy "kv"
    local program = start "luv"
    local first = program:await("stdout", "ready (%x+)\n")
    local up = place:start_up()
    assert.are_not.equal(0, up:wait().code)
    assert.matches("another gantry up holds the state directory", up.stderr)
    program.process:write "leave\n"
    assert.are.equal(0, program:wait().code, program.stderr)
    up = place:up()
    assert.are.equal(first, place:await_state("kv", "ready").container)
    up:kill "KILL"
    up:wait()
    program = start "cqueues"
    assert.are.equal(first, program:await("stdout", "ready (%x+)\n"))
    program:kill "KILL"
    program:wait()
    place:up()
    assert.are.equal(first, place:await_state("kv", "ready").container)
    place:run "down"
  end)

  ---@param options table
  local function supervise(options)
    options.directory, options.state_dir = options.directory or place.policies, place.root .. "/state/up"
    options.runtime_dir, options.control = place.runtime_dir, options.control or false
    return gantry.supervise(options)
  end

  test("has its handlers raise, and goes on", function()
    place:policy("kv", 'args = { "-print-stderr", "here" },')
    local told = {}
    task.on_error = function(err) told[#told + 1] = err.code end
    local function raise() error("on purpose", 0) end
    local supervised <close> = assert(supervise { on_event = raise, on_lines = raise, on_state = raise,
      on_started = raise, log_dir = place.root .. "/logs" })
    assert(assert(supervised:await "kv"):call("proto.KV/Put", { key = "key", value = "value" }))
    support.eventually("its output is in a file", function()
      local file = io.open(place.root .. "/logs/kv.log")
      return file and file:close() and support.read(place.root .. "/logs/kv.log"):find("here", 1, true)
    end)
    assert.is_truthy(supervised.faults["on purpose"])
    assert.are.equal("HANDLER_FAILED", told[1])
    local faults = 0
    for _, entry in ipairs(supervised:why "kv") do faults = faults + (entry.kind == "fault" and 1 or 0) end
    assert.is_true(faults > 0)
    assert.are.same({ "kv" }, supervised:down())
  end)

  test("starts, stops and asks", function()
    place:policy "kv"
    place:policy("broken", "memory = -1,")
    place:policy("fails", [[args = { "-exit-now=3" }, restart = "never",]])
    local events = {}
    local supervised <close> = assert(supervise { on_event = function(event) events[event.kind] = event end })
    local plugin = assert(supervised:await "kv")
    assert.are.equal(plugin, supervised:plugin "kv")
    assert.are.equal("stopped", assert(supervised:stop "kv").state)
    assert.are.equal("PLUGIN_NOT_READY", select(2, supervised:plugin "kv").code)
    assert.are.equal("PLUGIN_NOT_READY", select(2, supervised:await "kv").code)
    assert.are.equal("ready", assert(supervised:start "kv").state)
    assert(supervised:plugin("kv"):call("proto.KV/Put", { key = "key", value = "value" }))
    assert.are.equal("ready", assert(supervised:restart "kv").state)
    assert(supervised:plugin("kv"):call("proto.KV/Put", { key = "key", value = "value" }))
    local _, failed = supervised:await "fails"
    assert.matches("plugin 'fails' is %a+: ", failed.message)
    assert.matches("did you mean 'kv'", select(2, supervised:stop "kw").message)
    assert.are.same({ "fails", "kv" }, { supervised:plugins()[1].name, supervised:plugins()[2].name })
    assert.is_nil(supervised:plugins()[2].stats)
    local stats = supervised:plugins({ stats = true })[2].stats
    assert.are.same({ 2, 0, { manual = 1 } }, { stats.calls, stats.calls_failed, stats.restarts_by_cause })
    assert.is_true(stats.memory_bytes > 0 and stats.cpu_seconds > 0)
    assert.has_error(function() supervised:plugins { stat = true } end,
      "supervised:plugins has no option 'stat', but 'stats'")
    assert.matches("memory", assert(supervised:reload())[1].message)
    assert.are.equal("kv", events.ready.plugin)
    assert(supervised:down())
    assert.are.equal("ENDING", select(2, supervised:await "kv").code)
    assert.is_true(supervised:wait())
    assert.is_true(supervised:close())
  end)

  test("takes over what it left itself, and holds nothing of it meanwhile", function()
    place:policy("kv", "auto_mtls = true,")
    local first, descriptors
    for _ = 1, 4 do
      local supervised <close> = assert(supervise {})
      local plugin = assert(supervised:await "kv")
      first = first or plugin.container
      assert.are.equal(first, plugin.container)
      assert(plugin:call("proto.KV/Put", { key = "key", value = "value" }))
      local waits = task.spawn(plugin.wait, plugin)
      assert.is_true(supervised:close())
      assert.is_nil(waits:wait())
      assert.has_error(function() plugin:call("proto.KV/Get", { key = "key" }) end, "plugin 'kv' is detached")
      local count = #support.entries(("/proc/%d/fd"):format(core.system.pid()))
      descriptors = descriptors or count
      assert.is_true(count <= descriptors, ("%d descriptors, then %d"):format(descriptors, count))
    end
    local again <close> = assert(supervise {})
    assert(again:await "kv")
    again:down()
  end)

  test("ends with the reason where it cannot go on, and gives back what it held", function()
    local supervised = assert(supervise { engine = "nonsense" })
    local _, err = supervised:await "kv"
    assert.are.equal("ENGINE_ADDRESS", err.code)
    assert.are.equal("ENGINE_ADDRESS", select(2, supervised:wait()).code)
    local again <close> = assert(supervise {})
    local _, taken = supervise {}
    assert.are.equal("SUPERVISOR_RUNNING", taken.code)
    assert.is_true(again:close())
  end)

  test("is told what it did wrong", function()
    assert.has_error(function() gantry.supervise {} end,
      "gantry.supervise needs { directory = … }, the directory of the policies")
    assert.are.equal("POLICY_NOT_FOUND", select(2, supervise { directory = place.root .. "/none" }).code)
    local _, err = supervise { control = place.root .. "/c", control_group = "nobody-has-it" }
    assert.are.equal("GROUP_NOT_FOUND", err.code)
    local made <close> = assert(supervise {}) -- what failed has let go of the state directory
    assert.has_error(function() made:start() end, "this needs the name of a plugin, got nothing")
    assert.has_error(function() made:await {} end, "this needs the name of a plugin, got a table")
    made:close()
  end)
end)
