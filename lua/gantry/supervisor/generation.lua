-- SPDX-License-Identifier: Apache-2.0
--
--- supervisor/generation.lua: the life of one generation of a plugin: launched, followed, stopped, and its end decided
--- on. Each function is called by the unit's own task.

local ending = require "gantry.supervisor.ending"
local guard = require "gantry.supervisor.guard"
local health = require "gantry.supervisor.health"
local record = require "gantry.supervisor.record"
local requests = require "gantry.supervisor.requests"
local decider = require "gantry.restart.decider"
local corpses = require "gantry.supervisor.corpses"
local retry = require "gantry.task.retry"
local task = require "gantry.task"
local text = require "gantry.restart.text"
local units = require "gantry.base.units"
local warm = require "gantry.supervisor.warm"

local generation = {}

-- Seconds that a launch keeps its turn once the engine has answered: then the plugin itself is what is slow.
local TURN_AFTER_START <const> = 1
-- Seconds until a stop that the engine refused is tried again.
local FIRST_RETRY <const>, LONGEST_RETRY <const> = 1, 60

---@type table<string, fun(unit: gantry.Unit, fields: table, release: fun())>
local EVENTS = {}

function EVENTS.started(unit, _, release)
  unit.supervisor.pacing:note()
  unit.supervisor.scope:spawn(function()
    task.sleep(TURN_AFTER_START)
    release()
  end)
end

---Not the engine's work: it says nothing of how many starts that can do.
function EVENTS.taken(unit, fields, release)
  local how = fields.stood and "where another one stood by" or "which waited for it"
  unit:note("start", ("in container %s, %s"):format(fields.container:sub(1, 12), how))
  release()
end

function EVENTS.image(unit, fields) unit.image_id = fields.id end

EVENTS.binary = EVENTS.image

function EVENTS.warning(unit, fields) unit:note("warning", fields.text) end

function EVENTS.corpse(unit, fields) corpses.remember(unit, fields.container, fields.error) end

---@param unit gantry.Unit
---@param err gantry.Error
function generation.engine_away(unit, err)
  unit.away = err
  unit:note("state", "the engine is away, the plugin is left as it is: " .. err.message)
  requests.engine_away(unit)
end

function EVENTS.engine_away(unit, fields) generation.engine_away(unit, fields.error) end

function EVENTS.reattached(unit, fields)
  unit.away = nil
  unit:note("state", "the engine is back, its output is attached again")
  local seconds = fields.seconds and " for " .. units.format_seconds(fields.seconds) or ""
  unit:lost_output(("the engine was away%s: output of that time is lost here"):format(seconds))
end

---Writes down that a generation begins.
---@param unit gantry.Unit
local function write_beginning(unit)
  unit.unwritten = false
  unit:save()
  unit.supervisor:fault_point(unit, "begin")
end

-- The steps with which a beginning is written down that was not yet: one that waited is asked first, and starts while
-- it is written; where none could be used, another is launched. Whoever follows a supervisor that was killed in between
-- takes nothing for the plugin that is not on record, and decides on the last end anew.
local WRITTEN_AT <const> = { ["taken.await_handshake"] = true, find_image = true }

---@param unit gantry.Unit
---@param step string
local function take_step(unit, step)
  if unit.unwritten and WRITTEN_AT[step] then write_beginning(unit) end
  unit.supervisor:fault_point(unit, step)
end

---@param unit gantry.Unit
---@param release fun() of its turn among the launches
---@return gantry.PluginOptions
function generation.launch_options(unit, release)
  return {
    engine = unit.supervisor.engine, name = unit.name, policy = unit.policy.path,
    runtime_dir = unit.supervisor.runtime_dir, supervisor = unit.supervisor.store.directory,
    keeps_container = true, deaths = unit.supervisor.deaths, follows = unit.dead,
    engine_timeout = math.huge, -- only the engine can start another one: until it is back nothing is better
    on_step = function(step) take_step(unit, step) end,
    on_output = function(stream, bytes) unit:take_output(stream, bytes) end,
    on_death = function() guard.call(unit, warm.lead_over, unit) end,
    on_event = function(kind, fields)
      if EVENTS[kind] then guard.call(unit, EVENTS[kind], unit, fields, release) end
    end,
  }
end

-- ---- its start ----

---@param unit gantry.Unit
---@param before gantry.Config
---@return string
local function start_text(unit, before)
  local out = ("generation %d"):format(unit.restart.generation)
  local changed = text.changes(unit.restart.changes, before, unit.generation_config)
  return changed == "" and out or out .. ", " .. changed
end

---@param unit gantry.Unit
---@param plugin gantry.Plugin
local function became_ready(unit, plugin)
  decider.ready(unit.restart, unit.supervisor.clock())
  unit.supervisor:fault_point(unit, "ready")
  unit.live = record.live_of(plugin, unit.running)
  unit.ready_since = unit.supervisor.clock()
  unit.counts:launched(plugin)
  unit:note("ready", ("%s, protocol %d, %s:%s, after %.0f ms"):format(plugin.protocol, plugin.protocol_version or 0,
    plugin.address.network, plugin.address.string, plugin.ready_ms))
  unit:enter "ready"
  unit:save()
  unit.supervisor:fault_point(unit, "saved")
end

---@param unit gantry.Unit
---@param release fun()
local function launch(unit, release)
  local before = unit.generation_config or unit.config
  unit.generation_config, unit.running = unit:next_config(), record.digest(unit.config)
  decider.started(unit.restart, unit.supervisor.clock(), unit.automatic)
  unit.live, unit.image_id = nil, nil
  unit:enter "starting"
  unit:note("start", start_text(unit, before))
  unit.unwritten = warm.waits(unit)
  if not unit.unwritten then write_beginning(unit) end
  local plugin, err = warm.launch(unit, unit.generation_config, generation.launch_options(unit, release))
  -- Nothing may wait between a launch that succeeded and this line.
  unit.plugin, unit.launch_error = plugin, err
  if plugin then became_ready(unit, plugin) end
end

---A launch that was broken off, or that failed.
---@param unit gantry.Unit
local function launch_ended(unit)
  local exit
  local request, err = unit.request, unit.launch_error
  unit.request, unit.launch_error, unit.live = nil, nil, nil
  unit:enter "deciding"
  if request then
    exit = ending.of_cause(unit, request.kind, request.reason)
  elseif err then
    exit = ending.of_failed_launch(unit, err)
  else
    exit = ending.of_cause(unit, "manual")
    exit.requested = true
  end
  exit.ready = false
  unit:decide(exit)
end

---Waits for its turn and launches a generation. It is broken off where the plugin is not to run any more, or otherwise.
---@param unit gantry.Unit
function generation.start(unit)
  local release
  if not unit:while_wanted(function() release = unit:await_turn() end) then
    if release then release() end
    return
  end
  local _ <close> = setmetatable({}, { __close = release })
  unit.request = nil
  unit:while_wanted(function() launch(unit, release) end, function() return unit.request end)
  unit:bury()
  if unit.plugin then
    unit:compare()
  elseif unit.restart.live then
    launch_ended(unit)
  end
end

-- ---- its end ----

---Waits for what ends a generation.
---@param unit gantry.Unit
---@return "ended"|"unwanted"|"again"|"unhealthy" what again: its policy changed, and with it what is to be watched
---@return string? reason
local function await_end(unit)
  local plugin, checks = unit.plugin, unit.config.health
  local watches = {
    function()
      plugin:wait()
      return "ended"
    end,
    function()
      while unit:should_run() and not unit.request and unit.config.health == checks do unit.changed:wait() end
      return (unit.request or not unit:should_run()) and "unwanted" or "again"
    end,
  }
  if checks then
    watches[3] = function()
      return "unhealthy", health.watch(plugin, checks, function(content) unit:note("health", content) end,
        function(...) unit.counts:checked(...) end)
    end
  end
  return select(2, task.first(table.unpack(watches)))
end

---The engine lets it run on: whoever waits for its end is told, and it is tried again after a while.
---@param unit gantry.Unit
---@param err gantry.Error
---@param seconds number
local function stop_refused(unit, err, seconds)
  local reported = unit.trouble
  unit.trouble = err
  if not reported or reported.message ~= err.message then unit:note("warning", err.message .. "; it is tried again") end
  requests.refuse(unit, err)
  local refusal, changed, plugin = unit.refusal, unit.changed, unit.plugin
  unit.refusal = task.event()
  refusal:set(err)
  task.first(function() plugin:wait() end, function() task.deadline(seconds, changed.wait, changed) end)
end

---Stops the live generation, for as long as that takes.
---@param unit gantry.Unit
local function stop(unit)
  local plugin, again = unit.plugin, retry.new(FIRST_RETRY, LONGEST_RETRY)
  unit:enter "stopping"
  if unit.live then unit.live.stopping = true end
  unit:save()
  unit.supervisor:fault_point(unit, "stopping")
  while true do
    local _, err = plugin:stop()
    if plugin.exit or not err then break end
    stop_refused(unit, err, again:next())
  end
  unit.trouble = nil
end

---@param unit gantry.Unit
local function plugin_is_gone(unit)
  unit.dead = unit.plugin
  unit.counts:ended(unit.plugin)
  unit.plugin, unit.live, unit.ready_since, unit.away = nil, nil, nil, nil
  guard.call(unit, unit.output.finish, unit.output)
end

---Ends a generation that was decided on while it ran.
---@param unit gantry.Unit
function generation.end_decided(unit)
  stop(unit)
  plugin_is_gone(unit)
  unit:save()
  unit:enter "deciding"
end

---@param unit gantry.Unit
---@param reason string?
local function end_unhealthy(unit, reason)
  local decision = unit:decide(ending.of_cause(unit, "unhealthy", reason))
  if decision.action ~= "keep" then generation.end_decided(unit) end
end

---Follows the live generation to its end, and decides.
---@param unit gantry.Unit
function generation.follow(unit)
  local what, reason = await_end(unit)
  if what == "again" then return end
  if what == "unhealthy" then return end_unhealthy(unit, reason) end
  local plugin = unit.plugin
  if what == "unwanted" then stop(unit) end
  local exit, request = ending.of_exit(unit, plugin.exit), unit.request
  plugin_is_gone(unit)
  unit:enter "deciding"
  warm.look_ahead(unit)
  if request then
    exit.cause, exit.error, exit.requested, unit.request = request.kind, request.reason, false, nil
  elseif what == "unwanted" then
    exit.requested = true
  end
  if plugin.exit.child_oom then
    unit:note("exit", "the engine says OOMKilled: another process in its container was killed for memory, at some time")
  end
  unit.supervisor:fault_point(unit, "ended")
  unit:decide(exit)
  unit.supervisor:fault_point(unit, "decided")
end

return generation
