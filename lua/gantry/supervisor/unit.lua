-- SPDX-License-Identifier: Apache-2.0
--
--- supervisor/unit.lua: one plugin under supervision: what is wanted of it, and the task that does one thing at a time:
--- adopt, rest, wait, and one generation after the other (gantry.supervisor.generation). What others ask of it is in
--- gantry.supervisor.requests; which state follows which, and what may happen in each, in gantry.supervisor.states.

local asker = require "gantry.restart.asker"
local changes = require "gantry.restart.changes"
local corpses = require "gantry.supervisor.corpses"
local credentials = require "gantry.plugin.credentials"
local errors = require "gantry.base.errors"
local generation = require "gantry.supervisor.generation"
local guard = require "gantry.supervisor.guard"
local hook = require "gantry.supervisor.hook"
local journal = require "gantry.supervisor.journal"
local line_splitter = require "gantry.base.line_splitter"
local record = require "gantry.supervisor.record"
local requests = require "gantry.supervisor.requests"
local decider = require "gantry.restart.decider"
local retry = require "gantry.task.retry"
local ring = require "gantry.supervisor.ring"
local takeover = require "gantry.supervisor.takeover"
local site = require "gantry.policy.site"
local stats = require "gantry.supervisor.stats"
local task = require "gantry.task"
local text = require "gantry.restart.text"
local warm = require "gantry.supervisor.warm"

local unit = {}

-- Seconds until a unit goes on after a fault of ours.
local FIRST_RETRY <const>, LONGEST_RETRY <const> = 1, 60
-- Seconds: sums of times are not exact.
local SHORTEST_DELAY <const> = 0.001

---@class gantry.Unit
---@field name string
---@field policy gantry.Policy
---@field config gantry.Config of the policy
---@field state string one of gantry.supervisor.states
---@field wanted "up"|"down"
---@field verdict "failed"|"ended"|nil why a plugin that is wanted stays down
---@field restart gantry.RestartState
---@field due number? time of the core's clock before which it is not started
---@field plugin gantry.Plugin? the live generation
---@field image_id string? of the live generation's image; of one that was adopted, its record has it
---@field dead gantry.Plugin? the generation before it, whose container is still to be removed
---@field removals integer containers that are being removed
---@field corpses gantry.Corpse[] containers that could not be removed
---@field request table? why the live generation is to be replaced: { kind = "manual"|"config_changed"|…, reason }
---@field requests gantry.Request[] operators who wait for an answer
---@field asked integer counts what operators and policies said: a decision that was begun before is overruled
---@field trouble gantry.Error? why it cannot be stopped
---@field away gantry.Error? the engine is away
---@field pool gantry.Pool? containers that wait for it
---@field standby gantry.Pool? with one more generation, which is ready and has no address
---@field standby_due number? time of the core's clock before which none is started to stand by
---@field unwritten boolean? its generation has begun, and that is not written down yet
---@field changed gantry.Event set, and replaced, whenever what is wanted changes
---@field turned gantry.Event set, and replaced, whenever its state changes
---@field down gantry.Event set while it is at rest
---@field refusal gantry.Event set, and replaced, whenever the engine refuses to stop it
---@field counts gantry.Counts
local Unit = {}
Unit.__index = Unit

---@param supervisor gantry.Supervisor
---@param policy gantry.Policy
---@param saved table? the record of an earlier supervisor
---@return gantry.Unit
function unit.new(supervisor, policy, saved)
  local self = setmetatable({
    supervisor = supervisor, name = policy.name, policy = policy, config = policy.config, state = "adopting",
    wanted = "up", restart = decider.new_state(), journal = journal.new(saved and saved.journal),
    changed = task.event(), turned = task.event(), down = task.event(), refusal = task.event(), requests = {},
    asked = 0, removals = 0, corpses = {}, counts = stats.counts(),
  }, Unit)
  self.log = ring.new(function(...) guard.call(self, ...) end)
  self.output = line_splitter.new(function(stream, lines) supervisor:take_lines(self, stream, lines) end)
  if saved then record.restore(self, saved) end
  return self
end

---@param stream "stdout"|"stderr"
---@param bytes string
function Unit:take_output(stream, bytes)
  self.counts.output_bytes = self.counts.output_bytes + #bytes
  guard.call(self, self.output.feed, self.output, stream, bytes)
end

---Says in its output that some of it is missing, where it is missing.
---@param what string
function Unit:lost_output(what)
  self.output:finish()
  self.output:feed("stderr", ("gantry: %s\n"):format(what))
end

---@return number
function Unit:clock()
  return decider.tick(self.restart, self.supervisor.clock())
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

---Notes what the site policy made of the policy.
function Unit:note_site()
  for _, change in ipairs(self.policy.site or {}) do self:note("policy", site.describe(change)) end
end

---@param state string
function Unit:enter(state)
  if self.state == state then return end
  self.state = state
  local turned = self.turned
  self.turned = task.event()
  turned:set()
  requests.entered(self)
  self.supervisor:state_changed()
end

---Lets the unit's task look again at what is wanted.
function Unit:poke()
  self:pool_changed()
  warm.tend(self)
end

---There are more containers that wait for it, or fewer.
function Unit:pool_changed()
  local changed = self.changed
  self.changed = task.event()
  changed:set()
end

---Whether it is to run here; one that serves hosts runs there.
---@return boolean
function Unit:should_run()
  return not self.supervisor.options.serve_hosts and self:is_wanted()
end

---@return boolean
function Unit:is_wanted()
  return self.wanted == "up" and not self.verdict and not self.removed and not self.blocked and not self.held
end

---Runs a function, unless the plugin is not to run any more, or not like this: then it is cancelled.
---@param fn function
---@param otherwise (fun(): any)?
---@return boolean done
function Unit:while_wanted(fn, otherwise)
  local which = task.first(fn, function()
    while self:should_run() and not (otherwise and otherwise()) do self.changed:wait() end
  end)
  return which == 1
end

---Asks for something on behalf of an operator, and waits until it has settled.
---@param verb "start"|"stop"|"restart"
---@param wait boolean? for the plugin itself, whatever that waits for
---@return boolean? settled, gantry.Error? err
function Unit:ask(verb, wait) return requests.ask(self, verb, wait) end

---Waits until it is at rest.
---@return boolean? down, gantry.Error? err where the engine refuses to stop it
function Unit:await_down()
  while self.down:is_set() and warm.is_leaving(self) do self.changed:wait() end -- what waited for hosts
  if self.down:is_set() then return true end
  if self.trouble then return nil, self.trouble end
  local down, refusal = self.down, self.refusal
  local which, err = task.first(function() down:wait() end, function() return refusal:wait() end)
  if which == 1 then return true end
  return nil, err
end

-- ---- decisions ----

---@return gantry.RestartAsker
function Unit:asker()
  return asker.of_policy(self.policy, self.generation_config or self.config)
end

---Decides on an end, notes it, and sets what follows. This may wait for the policy: what is said meanwhile holds.
---@param exit gantry.End
---@return gantry.Decision
function Unit:decide(exit)
  local asked = self.asked
  local decision = decider.decide(self:asker(), self.restart, exit, self.supervisor.clock(), { time = os.time() })
  self.last_exit = { cause = exit.cause, code = exit.code, signal = exit.signal, limit = exit.limit, error = exit.error,
    uptime = exit.known and exit.uptime or nil, generation = exit.generation, requested = exit.requested,
    time = os.time() }
  if decision.action == "ignore" then return decision end
  self:note("exit", text.exit(exit))
  self:note("decision", text.decision(decision))
  self.decision = { action = decision.action, reason = decision.reason, place = decision.place, delay = decision.delay,
    generation = exit.generation }
  if decision.action ~= "keep" then self:carry_out(decision, exit, self.asked ~= asked) end
  if not self:is_taken_up_at_once() then self:save() end
  hook.after(self, exit, decision)
  return decision
end

---@param decision gantry.Decision
---@param exit gantry.End
---@param overruled boolean
function Unit:carry_out(decision, exit, overruled)
  self.due, self.automatic = nil, false
  if overruled then
    self:note("state", "overruled by what was asked for since")
  elseif decision.action == "restart" then
    self.due = self.restart.clock + decision.delay
    if warm.postpone(self) then self:note("state", "at once: another one stands by") end
    self.automatic = decision.automatic
    self.counts:restarted(exit.cause)
  elseif decision.automatic then
    self.verdict = decision.action == "fail" and "failed" or "ended"
  end
  if decision.scope == "dependents" then self.supervisor:restart_dependents(self) end
end

---Whether a start follows at once that takes up a container which waits: what led to it is written down with it.
---@return boolean
function Unit:is_taken_up_at_once()
  return self.due ~= nil and self.due <= self.restart.clock and self.config.on_exit == nil and self:should_run()
    and self.supervisor:dependencies_ready(self) and self.supervisor.pacing:has_room() and warm.waits(self)
end

---The config of the next generation: the policy's, with what decisions changed.
function Unit:next_config()
  if not self.restart.changes then return self.config end
  local config, reason = changes.apply(self.config, self.restart.changes)
  if config then return config end
  self:note("warning", ("changes made by earlier decisions do not fit the policy any more: %s"):format(reason))
  self.restart.changes = nil
  return self.config
end

---Compares what runs with what the policy says now, and has it replaced where they differ.
function Unit:compare()
  if not self.plugin then return end
  local now = record.digest(self.config)
  if self.running == now then return requests.heed(self) end
  if not self.running or not record.same_config(self.running, now) then return requests.outdated(self, "policy") end
  local usable, err = credentials.check(self.config)
  if usable then return requests.outdated(self, "credentials") end
  if self.unusable ~= err.message then self:note("warning", err.message .. "; the plugin keeps what it has") end
  self.unusable = err.message
end

-- ---- waiting ----

function Unit:await_delay()
  if not self.due or self.due <= self:clock() then return end
  self:bury()
  self:enter "backoff"
  while self.due and self.due > self:clock() do
    local changed, rest = self.changed, self.due - self.restart.clock
    task.deadline(math.max(rest, SHORTEST_DELAY), function() changed:wait() end)
  end
end

---Waits until the time has come, the plugins it needs are ready, and the engine has room for one more launch.
---@return fun() release of the turn
function Unit:await_turn()
  self:await_delay()
  self.due = nil
  if not self.supervisor:dependencies_ready(self) then
    self:bury()
    self:enter "waiting"
    self.supervisor:await_dependencies(self)
  end
  self:enter "queued"
  if warm.stands_by(self) then return function() end end
  local pacing = self.supervisor.pacing
  return self.automatic and pacing:acquire_automatic() or pacing:acquire()
end

-- ---- the dead ----

---Removes the container of the generation that ended, beside whatever comes next. A next one that may start at once
---starts first: removing is work for the engine, and nobody waits for it.
function Unit:bury()
  local dead = self.dead
  self.dead = nil
  if not dead then return end
  self.removals = self.removals + 1
  self.supervisor.scope:spawn(function()
    local gone, err = task.shield(dead.remove_container, dead)
    if not gone and err then corpses.remember(self, dead.container_name or dead.container, err) end
    self.removals = self.removals - 1
    self:poke()
  end)
end

---Waits until nothing of the last generation is left, or something else is wanted.
---@param otherwise fun(): boolean?
function Unit:await_removals(otherwise)
  self:bury()
  local function are_left() return self.removals > 0 or warm.is_leaving(self) end
  if are_left() then self:enter "stopping" end
  while are_left() and not otherwise() do self.changed:wait() end
end

-- ---- the task ----

---@return string
function Unit:resting_state()
  if self.wanted == "down" then return "stopped" end
  return self.blocked and "failed" or self.verdict or "stopped"
end

---Waits for a reason to do something.
function Unit:rest()
  local function wakes() return self:should_run() or self.removed end
  self:await_removals(wakes)
  if wakes() then return end
  self:enter(self:resting_state())
  self.down:set()
  while not wakes() do
    self:enter(self:resting_state())
    requests.rested(self)
    self.changed:wait()
  end
  if not self.removed then self.down = task.event() end
end

---@return boolean gone unless its policy came back
function Unit:leave_world()
  self:await_removals(function() return not self.removed end)
  if not self.removed then self.down = task.event() end
  return self.removed == true
end

function Unit:main()
  if self.adopt then
    self.adopt()
    self.adopt = nil
    warm.tend(self)
  end
  while true do
    if self.plugin then
      generation.follow(self)
    elseif self.removed then
      if self:leave_world() then break end
    elseif self:should_run() then
      generation.start(self)
    else
      self:rest()
    end
  end
  self.forgotten = true
  -- What could not be removed is told of for as long as it is there.
  if #self.corpses == 0 then self.supervisor.store:remove(self.name) end
  self:enter "removed"
  requests.rested(self)
  self.down:set()
end

---A fault of ours costs a line and a while: the plugin is followed on, and what was begun is begun again.
---@param err any
function Unit:failed_by(err)
  self:note("fault", ("a fault of gantry: %s"):format(errors.text(err)))
  requests.refuse(self, errors.new("FAULT", ("plugin '%s': a fault of gantry; see gantry why %s"):format(self.name,
    self.name)))
  if not self.plugin then decider.abandon(self.restart) end
  self.live = self.plugin and self.live or nil
  if not self.plugin and not self.adopt then self:enter "failed" end
end

---The unit's task: keeps a fault in it to this plugin.
---@param had_record boolean
---@param containers table[] with its name
function Unit:run(had_record, containers)
  local _ <close> = setmetatable({}, { __close = function()
    local dead = self.dead
    self.dead = nil
    if dead then task.shield(dead.remove_container, dead) end
  end })
  local again = retry.new(FIRST_RETRY, LONGEST_RETRY)
  self.adopt = function() takeover.resume(self, had_record, containers) end
  corpses.keep_trying(self)
  while true do
    local ok, err = xpcall(self.main, errors.traced, self)
    if ok then return end
    if errors.is(err, "CANCELLED") then error(err, 0) end
    self:failed_by(err)
    again:pause()
  end
end

return unit
