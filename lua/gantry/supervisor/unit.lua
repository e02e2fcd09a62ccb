-- SPDX-License-Identifier: Apache-2.0
--
--- supervisor/unit.lua: one plugin under supervision: whatever generation of it lives, what is to become of it, and the
--- record of both that outlives the supervisor. Its task does one thing at a time: rest, wait, start, follow, stop.

local asker = require "gantry.restart.asker"
local changes = require "gantry.restart.changes"
local ending = require "gantry.supervisor.ending"
local errors = require "gantry.errors"
local health = require "gantry.supervisor.health"
local hook = require "gantry.supervisor.hook"
local journal = require "gantry.supervisor.journal"
local plugins = require "gantry.plugin"
local policies = require "gantry.supervisor.policies"
local record = require "gantry.supervisor.record"
local restart_core = require "gantry.restart.core"
local ring = require "gantry.supervisor.ring"
local task = require "gantry.task"
local text = require "gantry.restart.text"

local unit = {}

-- Seconds that a launch keeps its turn once the engine has answered: then the plugin itself is what is slow.
local TURN_AFTER_START <const> = 1

---@class gantry.Unit
---@field name string
---@field policy gantry.Policy
---@field config gantry.Config of the policy
---@field state string for people: "ready", "starting", "backoff", "waiting", "queued", "stopping", "stopped", "ended",
--- "failed"
---@field wanted "up"|"down"
---@field verdict "failed"|"ended"|nil why a plugin that is wanted stays down
---@field restart gantry.RestartState
---@field due number? time of the core's clock before which it is not started
---@field plugin gantry.Plugin? the live generation
---@field dead gantry.Plugin? the generation before it, whose container is still to be removed
---@field request table? what somebody asked for: { kind = "restart"|"config_changed"|"unhealthy" }
---@field changed gantry.Event set, and replaced, whenever what is wanted changes
local Unit = {}
Unit.__index = Unit

---@param supervisor gantry.Supervisor
---@param policy gantry.Policy
---@param saved table? the record of an earlier supervisor
---@return gantry.Unit
function unit.new(supervisor, policy, saved)
  local self = setmetatable({
    supervisor = supervisor, name = policy.name, policy = policy, config = policy.config, state = "stopped",
    wanted = "up", restart = restart_core.new_state(), journal = journal.new(saved and saved.journal),
    output = ring.new(), changed = task.event(), down = task.event(),
  }, Unit)
  if saved then record.restore(self, saved) end
  return self
end

---@return number
function Unit:clock()
  return restart_core.tick(self.restart, self.supervisor.clock())
end

---Writes down where things stand. A state directory that fails is told of once, and the plugin goes on.
function Unit:save()
  if self.forgotten then return end
  local ok, err = self.supervisor.store:save(self.name, record.of(self))
  if not ok and not self.unsaved then self:note("warning", "the state cannot be kept: " .. err.message) end
  self.unsaved = not ok
end

---@param kind string
---@param content string
function Unit:note(kind, content)
  self.supervisor:event(self, self.journal:add(kind, content))
end

---@param state string
function Unit:enter(state)
  if self.state == state then return end
  self.state = state
  self.supervisor:state_changed(self)
end

---Lets the unit's task look again at what is wanted.
function Unit:poke()
  local changed = self.changed
  self.changed = task.event()
  changed:set()
end

---@return boolean
function Unit:should_run()
  return self.wanted == "up" and not self.verdict and not self.removed and not self.blocked and not self.held
end

---Runs a function, unless the plugin is not to run any more: then it is cancelled.
---@return boolean done
function Unit:while_wanted(fn)
  local which = task.first(fn, function()
    while self:should_run() do self.changed:wait() end
  end)
  return which == 1
end

-- ---- what others ask for ----

---@param reason string
function Unit:start(reason)
  restart_core.forgive(self.restart)
  self.wanted, self.verdict, self.due, self.automatic = "up", nil, nil, false
  self:note("state", reason)
  self:save()
  self:poke()
end

---@param reason string
function Unit:stop(reason)
  self.wanted, self.verdict = "down", nil
  self:note("state", reason)
  self:save()
  self:poke()
end

---@param kind "manual"|"config_changed"|"dependency_restarted"
---@param reason string
function Unit:restart_for(kind, reason)
  if kind == "manual" then restart_core.forgive(self.restart) end
  self.wanted, self.verdict, self.due = "up", nil, nil
  self.request = { kind = kind, reason = reason }
  self:note("state", reason)
  self:poke()
end

---The policy's file is gone: the plugin is stopped and forgotten.
function Unit:remove()
  self.removed = true
  self:note("policy", "its policy is gone: stopped")
  self:poke()
end

---A policy that was read anew. Only what matters to the container starts a new generation.
---@param policy gantry.Policy
function Unit:take_policy(policy)
  local same = policies.digest(policy.config) == policies.digest(self.config)
  self.policy, self.config = policy, policy.config
  self:note("policy", same and "its policy changed, the plugin need not be started anew" or "its policy changed")
  if not same then
    self.restart.changes = nil
    if self.plugin then
      self:restart_for("config_changed", "restart for the changed policy")
    elseif self.wanted == "up" then
      self.verdict, self.due = nil, nil
    end
  end
  self:save()
  self:poke()
end

-- ---- one generation ----

---@return gantry.RestartAsker
function Unit:asker()
  return asker.of_policy(self.policy, self.generation_config or self.config)
end

---Decides on an end, notes it, and sets what follows.
---@param exit table
---@return gantry.Decision
function Unit:decide(exit)
  local decision = restart_core.decide(self:asker(), self.restart, exit, self.supervisor.clock(), { time = os.time() })
  self.last_exit = { cause = exit.cause, code = exit.code, signal = exit.signal, limit = exit.limit, error = exit.error,
    uptime = exit.uptime, generation = exit.generation, requested = exit.requested, time = os.time() }
  if decision.action == "ignore" then return decision end
  self:note("exit", text.exit(exit))
  self:note("decision", text.decision(decision))
  self.decision = { action = decision.action, reason = decision.reason, place = decision.place, delay = decision.delay,
    generation = exit.generation }
  if decision.action ~= "keep" then self:carry_out(decision) end
  self:save()
  hook.after(self, exit, decision)
  return decision
end

---@param decision gantry.Decision
function Unit:carry_out(decision)
  self.due, self.automatic = nil, false
  if decision.action == "restart" then
    self.due = self.restart.clock + decision.delay
    self.automatic = decision.automatic
  elseif decision.automatic then
    self.verdict = decision.action == "fail" and "failed" or "ended"
  end
  if decision.scope == "dependents" then self.supervisor:restart_dependents(self) end
end

---Waits until the time has come, the plugins it needs are ready, and the engine has room for one more launch.
---@return fun() release of the turn
function Unit:await_turn()
  if self.due and self.due > self:clock() then
    self:bury()
    self:enter "backoff"
    while self.due and self.due > self:clock() do
      local changed, rest = self.changed, self.due - self.restart.clock
      task.deadline(rest, function() changed:wait() end)
    end
  end
  self.due = nil
  if not self.supervisor:dependencies_ready(self) then
    self:bury()
    self:enter "waiting"
    self.supervisor:await_dependencies(self)
  end
  self:enter "queued"
  if self.automatic then self.supervisor.pacing:keep_rate() end
  return self.supervisor.pacing:acquire()
end

---@return gantry.LaunchOptions
function Unit:launch_options(release)
  return {
    engine = self.supervisor.engine, name = self.name, runtime_dir = self.supervisor.runtime_dir,
    keeps_container = true, deaths = self.supervisor.deaths,
    engine_patience = math.huge, -- only the engine can start another one: until it is back nothing is better
    on_output = function(stream, bytes) self.supervisor:output(self, stream, bytes) end,
    on_event = function(kind, fields) self:on_launch_event(kind, fields, release) end,
  }
end

function Unit:on_launch_event(kind, fields, release)
  if kind == "step" then self.supervisor:fault_point(self, fields.name) end
  if kind == "started" then
    self.supervisor.pacing:note()
    self.supervisor.scope:spawn(function()
      task.sleep(TURN_AFTER_START)
      release()
    end)
  elseif kind == "warning" then
    self:note("warning", fields.text)
  elseif kind == "engine_away" then
    self:note("state", "the engine is away, the plugin is left as it is: " .. fields.error.message)
  elseif kind == "reattached" then
    self:note("state", "the engine is back, its output is attached again")
  end
end

---@return string
function Unit:start_text(before)
  local out = ("generation %d"):format(self.restart.generation)
  local changed = text.changes(self.restart.changes, before, self.generation_config)
  return changed == "" and out or out .. ", " .. changed
end

---The config of the next generation: the policy's, with what decisions changed.
function Unit:next_config()
  local config, reason = changes.apply(self.config, self.restart.changes)
  if config then return config end
  self:note("warning", ("changes made by earlier decisions do not fit the policy any more: %s"):format(reason))
  self.restart.changes = nil
  return self.config
end

---@param release fun()
function Unit:launch(release)
  local before = self.generation_config or self.config
  self.generation_config = self:next_config()
  restart_core.started(self.restart, self.supervisor.clock(), self.automatic)
  self.request, self.live = nil, nil
  self:enter "starting"
  self:note("start", self:start_text(before))
  self:save()
  self.supervisor:fault_point(self, "begin")
  local plugin, err = plugins.launch(self.generation_config, self:launch_options(release))
  -- Nothing may wait between a launch that succeeded and this line.
  self.plugin, self.launch_error = plugin, err
  if plugin then self:became_ready(plugin) end
end

---@param plugin gantry.Plugin
function Unit:became_ready(plugin)
  restart_core.ready(self.restart, self.supervisor.clock())
  self.supervisor:fault_point(self, "ready")
  self.live = record.live_of(plugin)
  self.ready_since = self.supervisor.clock()
  self:note("ready", ("%s, protocol %d, unix:%s, after %.0f ms"):format(plugin.protocol, plugin.protocol_version or 0,
    plugin.address.string, plugin.ready_ms))
  self:enter "ready"
  self:save()
  self.supervisor:fault_point(self, "saved")
end

---A launch that was broken off, or that failed.
function Unit:launch_ended()
  local exit
  if self.launch_error then
    exit = ending.of_failed_launch(self, self.launch_error)
  else
    exit = ending.of_cause(self, "manual")
    exit.requested = true
  end
  self.launch_error, self.live = nil, nil
  self:decide(exit)
end

function Unit:start_generation()
  local release
  if not self:while_wanted(function() release = self:await_turn() end) then
    if release then release() end
    return
  end
  local _ <close> = setmetatable({}, { __close = release })
  self:while_wanted(function() self:launch(release) end)
  self:bury()
  if not self.plugin and self.restart.live then self:launch_ended() end
end

-- ---- following ----

---Waits for what ends a generation.
---@return string what "ended", "unwanted", "request" or "unhealthy"
---@return string? reason
function Unit:await_end()
  local plugin = self.plugin
  local watches = {
    function()
      plugin:wait()
      return "ended"
    end,
    function()
      while self:should_run() and not self.request do self.changed:wait() end
      return self.request and "request" or "unwanted"
    end,
  }
  if self.config.health then
    watches[3] = function()
      return "unhealthy", health.watch(plugin, self.config.health, function(content) self:note("health", content) end)
    end
  end
  return select(2, task.first(table.unpack(watches)))
end

---Stops the live generation.
---@return gantry.Exit
function Unit:stop_plugin()
  self:enter "stopping"
  if self.live then self.live.stopping = true end
  self:save()
  self.supervisor:fault_point(self, "stopping")
  return self.plugin:stop()
end

function Unit:plugin_is_gone()
  self.dead = self.plugin
  self.plugin, self.live, self.ready_since = nil, nil, nil
  self.output:finish()
end

---Removes the container of the generation that ended, beside whatever comes next. A next one that may start at once
---starts first: removing is work for the engine, and nobody waits for it.
function Unit:bury()
  local dead = self.dead
  self.dead = nil
  if dead then self.supervisor.scope:spawn(function() task.shield(dead.remove_container, dead) end) end
end

---@param reason string?
function Unit:end_unhealthy(reason)
  local decision = self:decide(ending.of_cause(self, "unhealthy", reason))
  if decision.action == "keep" then return end
  self:stop_plugin()
  self:plugin_is_gone()
  self:save()
end

---Follows the live generation to its end, and decides.
function Unit:follow()
  local what, reason = self:await_end()
  if what == "unhealthy" then return self:end_unhealthy(reason) end
  local plugin, request = self.plugin, self.request
  if what ~= "ended" then self:stop_plugin() end
  local exit = ending.of_exit(self, plugin.exit)
  self:plugin_is_gone()
  if what == "request" then
    exit.cause, exit.error, exit.requested, self.request = request.kind, request.reason, false, nil
  elseif what == "unwanted" then
    exit.requested = true
  end
  self.supervisor:fault_point(self, "ended")
  self:decide(exit)
  self.supervisor:fault_point(self, "decided")
end

---Waits until nothing of the last generation is left.
function Unit:clear()
  local dead = self.dead
  self.dead = nil
  if dead then task.shield(dead.remove_container, dead) end
end

---Waits for a reason to do something.
function Unit:rest()
  if self.dead then self:enter "stopping" end
  self:clear()
  self:enter(self.blocked and "failed" or self.wanted == "down" and "stopped" or self.verdict or "stopped")
  self.down:set()
  while not self:should_run() and not self.removed do self.changed:wait() end
  if not self.removed then self.down = task.event() end
end

---The unit's task.
function Unit:main()
  while true do
    if self.plugin then
      self:follow()
    elseif self.removed then
      break
    elseif self:should_run() then
      self:start_generation()
    else
      self:rest()
    end
  end
  self:clear()
  self.forgotten = true
  self.supervisor.store:remove(self.name)
  self:enter "removed"
  self.down:set()
end

---Runs main, and keeps a fault in it to this plugin.
function Unit:run()
  local _ <close> = setmetatable({}, { __close = function() self:clear() end })
  local ok, err = xpcall(self.main, errors.traced, self)
  if ok then return end
  if errors.is(err, "CANCELLED") then error(err, 0) end
  self:note("fault", ("a fault of gantry: %s"):format(tostring(err)))
  self.state = "failed"
  self.down:set()
end

return unit
