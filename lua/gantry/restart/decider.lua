-- SPDX-License-Identifier: Apache-2.0
--
--- restart/decider.lua: decides what follows the end of a plugin. It knows no engine, no task and no clock: times come
--- in, delays go out, and the state between two calls is plain data that JSON can carry.
---
--- The caller tells `started`, `ready` and, at the end of a generation, asks `decide`. A plugin has one live generation
--- at most: a second start raises, a second end of the same generation is ignored.

local evaluate = require "gantry.restart.evaluate"
local floors = require "gantry.restart.floors"
local history = require "gantry.restart.history"
local units = require "gantry.base.units"

local decider = {}

local KEPT_EXITS <const>, KEPT_RESTARTS <const>, KEPT_PEAKS <const> = 16, 128, 64
local RECENT <const> = 600

-- Restarts that somebody asked for, or that are nobody's doing: no policy is needed, and nothing counts.
local ASKED_FOR = { manual = "asked for", config_changed = "its policy changed",
  dependency_restarted = "what it needs was restarted", host_boot = "the machine was started anew" }

---@class gantry.RestartState plain data; times are seconds of `clock`, which never goes back
---@field clock number
---@field seen number? the caller's clock at the last call
---@field generation integer of the last start
---@field live integer? the generation that is not known to have ended
---@field started_at number?
---@field ready_at number?
---@field restarts integer automatic restarts since somebody last started it by hand
---@field counted integer ends that count for the backoff
---@field peaks { number: integer, uptime: number }[] ends after which no longer-lived generation ended
---@field starts number[] times of all starts, for the floor
---@field restarted number[] times of the automatic ones
---@field exits table[] the last ends, oldest first
---@field memory table what the policy keeps in history.state
---@field changes table? config fields of the next generation, as the policy wrote them
---@field last_delay number?

---@class gantry.RestartAsker who is asked, and how
---@field restart gantry.RestartRule?
---@field config gantry.Config? of the current generation
---@field ask (fun(fn: function, exit: table, facts: table): gantry.ScriptAnswer?, gantry.Error?)? calls a function of
--- the policy within bounds; may wait. Without it, the function is called in this process
---@field place string? where the rule stands, such as "jwt.lua:12"

---@class gantry.Decision
---@field action "restart"|"stop"|"fail"|"keep"|"ignore"
---@field delay number? seconds, of a restart
---@field reason string?
---@field place string? file and line in the policy
---@field changes table? of the next generation's config
---@field scope "self"|"dependents"
---@field floor string? where a bound made the delay longer or shorter: which
---@field recent integer restarts in the last ten minutes
---@field fault gantry.Error? why the policy was not obeyed
---@field automatic boolean whether a restart counts as one

---@return gantry.RestartState
function decider.new_state()
  return { clock = 0, generation = 0, restarts = 0, counted = 0, peaks = {}, starts = {}, restarted = {}, exits = {},
    memory = {} }
end

---Moves the state's own clock on. A clock that went back moves it not at all; it goes on from there.
---@param state gantry.RestartState
---@param now number the caller's clock, in seconds
---@return number clock
function decider.tick(state, now)
  local seen = state.seen
  if seen and now > seen then state.clock = state.clock + (now - seen) end
  state.seen = now
  return state.clock
end

---A generation begins.
---@param state gantry.RestartState
---@param now number
---@param automatic boolean? whether a decision of this core led to it
---@return integer generation
function decider.started(state, now, automatic)
  if state.live then error(("generation %d is still live"):format(state.live), 2) end
  local clock = decider.tick(state, now)
  state.generation = state.generation + 1
  state.live, state.started_at, state.ready_at = state.generation, clock, nil
  floors.note_start(state.starts, clock, floors.plugin.max)
  if automatic then
    state.restarts = state.restarts + 1
    floors.note_start(state.restarted, clock, KEPT_RESTARTS)
  end
  return state.generation
end

---@param state gantry.RestartState
---@param now number
function decider.ready(state, now)
  state.ready_at = decider.tick(state, now)
end

---Somebody started it by hand: what was is forgiven. Floors hold all the same.
---@param state gantry.RestartState
function decider.forgive(state)
  state.restarts, state.counted, state.peaks, state.restarted, state.last_delay = 0, 0, {}, {}, nil
end

---A launch that ended with the supervisor, before anything was known of it: no end of the plugin's own.
---@param state gantry.RestartState
function decider.abandon(state)
  state.live = nil
end

---How long the generation was ready: by our clock, and no longer than the engine says.
---@param state gantry.RestartState
---@param exit table
---@return number seconds
local function ready_time(state, exit)
  if not state.ready_at then return 0 end
  local by_clock = state.clock - state.ready_at
  local by_engine = type(exit.uptime) == "number" and exit.uptime or by_clock
  return math.max(0, math.min(by_clock, by_engine))
end

---@param state gantry.RestartState
---@param uptime number
local function count_end(state, uptime)
  local peaks = state.peaks
  state.counted = state.counted + 1
  while #peaks > 0 and peaks[#peaks].uptime <= uptime do peaks[#peaks] = nil end
  peaks[#peaks + 1] = { number = state.counted, uptime = uptime }
  if #peaks > KEPT_PEAKS then table.remove(peaks, 2) end
end

---@param state gantry.RestartState
---@param exit table
---@param uptime number
local function note_end(state, exit, uptime)
  local requested = exit.requested or ASKED_FOR[exit.cause] ~= nil
  state.exits[#state.exits + 1] = { cause = exit.cause, code = exit.code, signal = exit.signal, uptime = uptime,
    generation = state.generation, image_id = exit.image_id, requested = requested, at = state.clock }
  if #state.exits > KEPT_EXITS then table.remove(state.exits, 1) end
end

---@param state gantry.RestartState
---@param opinion table
---@param uptime number
---@return number delay
---@return string? floor
local function above_floors(state, opinion, uptime)
  if opinion.delay > floors.longest_delay then
    return floors.longest_delay, "at most " .. units.format_seconds(floors.longest_delay)
  end
  local wanted = opinion.delay
  local least = uptime >= floors.exempt_after and 0 or floors.delay
  local rate = floors.wait_for_rate(state.starts, floors.plugin, state.clock)
  if rate > wanted and rate > least then
    return rate, ("at most %d starts in %d s"):format(floors.plugin.max, floors.plugin.per)
  end
  if least > wanted then return least, "not sooner" end
  return wanted, nil
end

---@param state gantry.RestartState
---@param opinion table
---@param asker gantry.RestartAsker
---@param uptime number
---@return gantry.Decision
local function decision_of(state, opinion, asker, uptime)
  local decision = { action = opinion.action, reason = opinion.reason, scope = opinion.scope or "self",
    place = opinion.place or asker.place, changes = opinion.changes, fault = opinion.fault,
    recent = history.within(state, RECENT), automatic = true }
  if opinion.action == "restart" then
    decision.delay, decision.floor = above_floors(state, opinion, uptime)
    state.last_delay = decision.delay
  end
  return decision
end

---@param state gantry.RestartState
---@param fields table
local function keep_changes(state, fields)
  state.changes = state.changes or {}
  for key, value in pairs(fields) do state.changes[key] = value end
end

---The decision on a generation that still runs and is not healthy: "keep" leaves it alone; all else ends it, and is
---then carried out. Nothing is noted for "keep". One whose launch found it unhealthy is gone by then.
local function may_keep(exit)
  return exit.cause == "unhealthy" and exit.ready ~= false
end

---Decides what follows an end. `state` is brought up to date.
---@param asker gantry.RestartAsker
---@param state gantry.RestartState
---@param exit table cause, code, signal, uptime, requested, generation and whatever a policy may want to see
---@param now number
---@param options { random: (fun(): number)?, time: number? }? wall time for policies that look at the hour
---@return gantry.Decision
function decider.decide(asker, state, exit, now, options)
  decider.tick(state, now)
  if not state.live or (exit.generation and exit.generation ~= state.live) then
    return { action = "ignore", reason = "this end is known already", scope = "self", recent = 0, automatic = false }
  end
  local uptime = ready_time(state, exit)
  local before = { live = state.live, counted = state.counted, peaks = table.move(state.peaks, 1, #state.peaks, 1, {}) }
  state.live = nil
  note_end(state, exit, uptime)
  if exit.requested then return { action = "stop", reason = "asked for", scope = "self", recent = 0,
    automatic = false } end
  if ASKED_FOR[exit.cause] then
    return { action = "restart", delay = 0, reason = ASKED_FOR[exit.cause], scope = "self", recent = 0,
      automatic = false }
  end

  count_end(state, uptime)
  local question = { exit = exit, state = state, random = options and options.random or math.random, asker = asker,
    time = options and options.time }
  local opinion = evaluate.opinion(asker.restart, question)
  if opinion.action == "keep" then
    if may_keep(exit) then
      state.live, state.counted, state.peaks = before.live, before.counted, before.peaks
      state.exits[#state.exits] = nil
    else
      opinion = { action = "stop", reason = "nothing is left to keep running", place = opinion.place }
    end
  end
  if question.memory and not question.fault then state.memory = question.memory end
  if opinion.changes then keep_changes(state, opinion.changes) end
  return decision_of(state, opinion, asker, uptime)
end

return decider
