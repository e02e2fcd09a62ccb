-- SPDX-License-Identifier: Apache-2.0
--
--- An engine that is killed and started again, or that hangs, under plugins that run on: GANTRY_MATRIX_ENGINE_FILES is
--- what engines.sh keeps of it. Its containers outlive it (--live-restore).

local gantry = require "gantry"
local hosts = require "engine.hosts"
local matrix = require "engines.matrix"
local restarting = require "engines.restarting_engine"
local support = require "engine.support"
local task = require "gantry.task"
local wire = require "gantry.protobuf.wire"

local case = matrix.cases(it)
-- Seconds: the engine's hang, and the bounds of what must happen in time.
local HANG <const>, TIMEOUT <const> = 10, 90

describe("on " .. matrix.engine, function()
  local runtime_dir
  local events

  before_each(function()
    runtime_dir, events = support.temporary(), {}
  end)

  after_each(function()
    assert.are.same({}, support.containers(runtime_dir))
    support.remove(runtime_dir)
  end)

  ---@param name string
  ---@return gantry.Plugin
  local function launch(name)
    local config = support.kv()
    config.name, config.start_timeout = name, "60s"
    local seen = { started = task.event(), reattached = task.event(), exits = 0 }
    events[name] = seen
    local plugin = assert(gantry.launch(config, { runtime_dir = runtime_dir, on_event = function(kind)
      if seen[kind] then seen[kind]:set(true) end
      if kind == "exit" then seen.exits = seen.exits + 1 end
    end }))
    -- A plugin is often ready before the engine has answered, and an engine that dies then has forgotten the start.
    seen.started:wait()
    return plugin
  end

  local function put(plugin)
    assert(plugin:call("proto.KV/Put", wire.bytes_field(1, "key") .. wire.bytes_field(2, plugin.name)))
  end

  local function holds(plugin)
    assert.are.equal("ready", plugin.state)
    assert.are.equal(plugin.name, wire.fields(assert(plugin:call("proto.KV/Get", wire.bytes_field(1, "key"))))[1])
  end

  ---@param plugin gantry.Plugin
  local function stops(plugin)
    local exit = plugin:stop()
    assert.are.same({ "exit", 0, true }, { exit.cause, exit.code, exit.requested })
    assert.are.equal(1, events[plugin.name].exits)
  end

  case("restart", function()
    task.run(function()
      local one <close> = launch("one")
      local two <close> = launch("two")
      put(one)
      put(two)
      restarting.kill()
      holds(one)
      restarting.start()
      for _, plugin in ipairs { one, two } do
        assert(task.deadline(TIMEOUT, function() return events[plugin.name].reattached:wait() end),
          "no reattachment to " .. plugin.name)
        holds(plugin)
      end
      assert.are.equal(2, #support.containers(runtime_dir))
      stops(one)
      stops(two)
    end)
  end)

  case("hang", function()
    task.run(function()
      local one <close> = launch("one")
      put(one)
      restarting.signal "STOP"
      local _ <close> = setmetatable({}, { __close = function() restarting.signal "CONT" end })
      local launching = task.spawn(launch, "two")
      task.sleep(HANG)
      holds(one)
      restarting.signal "CONT"
      local two <close> = launching:wait()
      put(two)
      holds(one)
      assert.are.equal(2, #support.containers(runtime_dir))
      stops(one)
      stops(two)
    end)
  end)

  case("exec", function()
    if not hosts.find "hold" then return matrix.skip "go-plugin's hosts need a newer Go" end
    task.run(function()
      local policy = hosts.policy(os.tmpname(), 'image = "gantry-test-kv:latest", disable_network = true')
      local host = hosts.start("hold", { policy }, { runtime_dir = runtime_dir, input = "pipe" })
      host:await("stdout", "ready")
      support.eventually("the launch is over", function() return #hosts.processes(policy).launcher == 0 end)
      restarting.kill()
      restarting.start()
      host:await("stderr", "is there again after %d+ s")
      host.process:close_input()
      assert.are.equal(0, host:wait().code, host.stderr)
      hosts.assert_nothing_left(policy, runtime_dir)
      os.remove(policy)
    end)
  end)
end)
