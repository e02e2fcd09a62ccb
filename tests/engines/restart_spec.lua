-- SPDX-License-Identifier: Apache-2.0
--
--- An engine that is killed and started again, or that hangs, under plugins that run on: GANTRY_MATRIX_ENGINE_FILES is
--- what engines.sh keeps of it. Its containers outlive it (--live-restore).

local core = require "gantry.core"
local gantry = require "gantry"
local matrix = require "engines.matrix"
local support = require "engine.support"
local task = require "gantry.task"
local wire = require "gantry.wire"

local case = matrix.cases(it)
local files = assert(os.getenv("GANTRY_MATRIX_ENGINE_FILES"))

-- Seconds: the engine's hang, and the bounds of what must happen in time.
local HANG <const>, PATIENCE <const> = 10, 90

---@param name string
local function signal_engine(name)
  local pid = assert(support.read(files .. "/docker.pid"):match("%d+"))
  assert(os.execute(("kill -%s %s"):format(name, pid)))
end

---Kills the engine, at once, and returns when it has ended.
local function kill_engine()
  local pid = assert(support.read(files .. "/docker.pid"):match("%d+"))
  signal_engine "KILL"
  for _ = 1, 600 do
    local status = core.system.stat("/proc/" .. pid) and io.open("/proc/" .. pid .. "/status")
    local text = status and status:read("a") or "State:\tZ"
    if status then status:close() end
    if text:find("State:%s+[ZX]") then return end
    task.sleep(0.05)
  end
  error("the engine does not end")
end

local function start_engine()
  assert(os.execute(([[setsid bash -c "exec $(cat %s.command)" >>%s.log 2>&1 </dev/null & echo $! >%s.pid]])
    :format(files, files, files)))
end

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
      kill_engine()
      holds(one)
      start_engine()
      for _, plugin in ipairs { one, two } do
        assert(task.deadline(PATIENCE, function() return events[plugin.name].reattached:wait() end),
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
      signal_engine "STOP"
      local _ <close> = setmetatable({}, { __close = function() signal_engine "CONT" end })
      local launching = task.spawn(launch, "two")
      task.sleep(HANG)
      holds(one)
      signal_engine "CONT"
      local two <close> = launching:wait()
      put(two)
      holds(one)
      assert.are.equal(2, #support.containers(runtime_dir))
      stops(one)
      stops(two)
    end)
  end)
end)
