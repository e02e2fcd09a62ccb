-- SPDX-License-Identifier: Apache-2.0
--
--- supervisor/requests.lua: what is asked of a unit from outside, by operators and by changed policies. What follows is
--- in the table of gantry.supervisor.states. A request of an operator's waits until the unit has settled, and is
--- answered with what came of it; a later one that asks for the opposite takes its place.

local errors = require "gantry.base.errors"
local policies = require "gantry.supervisor.policies"
local decider = require "gantry.restart.decider"
local states = require "gantry.supervisor.states"
local task = require "gantry.task"

local requests = {}

---@class gantry.Request
---@field verb "start"|"stop"|"restart"
---@field goal "up"|"down"
---@field after integer the generation that does not count: a later one must be ready
---@field wait boolean? it is not answered while the plugin is on its way, whatever that waits for
---@field done gantry.Event set with true, or nil and an error

local GOALS <const> = { start = "up", restart = "up", stop = "down" }
-- States in which a unit that is to run waits for something that may take any time, and in which it stays down.
local WAITING <const> = { backoff = true, waiting = true }
local DOWN <const> = { stopped = true, ended = true, failed = true }

---@param unit gantry.Unit
---@param answer fun(request: gantry.Request): boolean?, any, gantry.Error? whether it is answered, and how
local function answer_those(unit, answer)
  local open = {}
  for _, request in ipairs(unit.requests) do
    local answered, ok, err = answer(request)
    if answered then request.done:set(ok, err) else open[#open + 1] = request end
  end
  unit.requests = open
end

---Answers with a failure.
---@param unit gantry.Unit
---@param err gantry.Error
---@param goal "up"|"down"|nil those that want this, or all
function requests.refuse(unit, err, goal)
  answer_those(unit, function(request) return not goal or request.goal == goal, nil, err end)
end

---Answers with where things stand.
---@param unit gantry.Unit
---@param goal "up"|"down"
local function tell(unit, goal)
  answer_those(unit, function(request) return request.goal == goal, true end)
end

---@param unit gantry.Unit
---@param by string what came instead
---@param goal "up"|"down"|nil
local function supersede(unit, by, goal)
  answer_those(unit, function(request)
    return not goal or request.goal == goal, nil, errors.new("SUPERSEDED", ("%s of plugin '%s' was not carried out: %s")
      :format(request.verb, unit.name, by))
  end)
end

---A unit has changed its state: who waits for that is answered.
---@param unit gantry.Unit
function requests.entered(unit)
  if #unit.requests == 0 then return end
  local state, generation = unit.state, unit.restart.generation
  answer_those(unit, function(request)
    if request.goal == "down" then return state == "stopped" and unit.wanted == "down", true end
    return state == "ready" and generation > request.after or DOWN[state] or WAITING[state] and not request.wait, true
  end)
end

---A unit is at rest, and has looked at what is wanted: nothing more comes by itself.
---@param unit gantry.Unit
function requests.rested(unit)
  if unit.removed then return supersede(unit, "its policy was removed") end
  if unit.held then requests.refuse(unit, errors.new("ENDING", "gantry up is ending"), "up") end
  tell(unit, unit.wanted == "down" and "down" or "up")
end

---What an engine that is away means for those who wait: a plugin that is to run waits for it, one that is to be down
---cannot be stopped.
---@param unit gantry.Unit
function requests.engine_away(unit)
  if unit.state ~= "adopting" or not unit.away then return end
  answer_those(unit, function(request) return request.goal == "up" and not request.wait, true end)
  requests.refuse(unit, unit.away, "down")
end

-- ---- what follows ----

---@param unit gantry.Unit
local function to_run(unit)
  unit.wanted, unit.verdict, unit.due, unit.automatic = "up", nil, nil, false
  unit.asked = unit.asked + 1 -- a decision that is still being made is overruled
end

---@type table<string, fun(unit: gantry.Unit, given: table)>
local REACTIONS = {}

function REACTIONS.none() end

function REACTIONS.want(unit)
  decider.forgive(unit.restart)
  to_run(unit)
end

REACTIONS.join, REACTIONS.tell = REACTIONS.want, REACTIONS.want

---It is ready; but a stop or a restart may have been asked for that has not begun yet.
function REACTIONS.already(unit)
  if unit.wanted == "down" then to_run(unit) end
end

REACTIONS["end"] = function(unit)
  unit.wanted, unit.verdict, unit.request = "down", nil, nil
  unit.asked = unit.asked + 1
end

function REACTIONS.replace(unit, given)
  if given.kind == "manual" then decider.forgive(unit.restart) end
  if given.kind == "manual" or unit.wanted == "up" then
    to_run(unit)
    unit.request = { kind = given.kind, reason = given.reason }
  end
end

REACTIONS.anew = REACTIONS.replace

function REACTIONS.take(unit)
  unit.verdict, unit.due = nil, nil
  unit.asked = unit.asked + 1
end

REACTIONS.take_along = REACTIONS.none

---The policy's stop_timeout holds for the generation that runs, too.
function REACTIONS.heed(unit)
  local plugin, config = unit.plugin, {}
  if not plugin then return end
  for key, value in pairs(plugin.config) do config[key] = value end
  config.stop_timeout = unit.config.stop_timeout
  plugin.config, unit.generation_config = config, config
end

function REACTIONS.compare(unit) unit:compare() end

function REACTIONS.remove(unit)
  unit.removed = true
  supersede(unit, "its policy was removed")
end

function REACTIONS.keep_on(unit) unit.removed = false end

---@param unit gantry.Unit
---@param event string
---@param given { text: string?, kind: string?, reason: string? }
---@return string reaction
local function react(unit, event, given)
  local reaction = states.reaction(unit.state, event)
  if given.text and reaction ~= "none" and reaction ~= "already" then unit:note(given.note or "state", given.text) end
  REACTIONS[reaction](unit, given)
  return reaction
end

-- ---- from outside ----

---@param unit gantry.Unit
---@return gantry.Error? why nothing can be asked of it
local function closed(unit)
  if unit.held or unit.supervisor.ended:is_set() then return errors.new("ENDING", "gantry up is ending") end
  if unit.removed then
    return errors.new("PLUGIN_UNKNOWN", ("plugin '%s' is being removed: its policy is gone"):format(unit.name))
  end
end

local TEXTS <const> = { start = "started by hand", stop = "stopped by hand", restart = "restarted by hand" }

---Notes what an operator asks for, and begins it.
---@param unit gantry.Unit
---@param verb "start"|"stop"|"restart"
---@param wait boolean? for the plugin itself, whatever it waits for
---@return gantry.Request
function requests.begin(unit, verb, wait)
  local request = { verb = verb, goal = GOALS[verb], after = unit.restart.generation, wait = wait, done = task.event() }
  local refused = closed(unit)
  if refused then
    request.done:set(nil, refused)
    return request
  end
  supersede(unit, ("a later %s was"):format(verb), request.goal == "up" and "down" or "up")
  local reaction = react(unit, verb, { text = TEXTS[verb], kind = "manual", reason = TEXTS[verb] })
  if reaction == "already" and not unit.request or reaction == "tell" and not wait then
    request.done:set(true)
  else
    if reaction == "join" then request.after = request.after - 1 end
    table.insert(unit.requests, request)
    if request.goal == "down" then requests.entered(unit) end
    requests.engine_away(unit)
  end
  unit:save()
  unit:poke()
  return request
end

---Asks for something, and waits until it has come of it what comes.
---@param unit gantry.Unit
---@param verb "start"|"stop"|"restart"
---@param wait boolean? as in requests.begin
---@return boolean? settled, gantry.Error? err SUPERSEDED, STOP_FAILED, ENDING, PLUGIN_UNKNOWN
function requests.ask(unit, verb, wait)
  return requests.begin(unit, verb, wait).done:wait()
end

---What another plugin's restart, or a reload that found nothing new, means for it.
---@param unit gantry.Unit
---@param event "dependency_restarted"|"reload"|"removed"|"put_back"
---@param given { text: string?, note: string?, kind: string?, reason: string? }?
function requests.tell(unit, event, given)
  react(unit, event, given or {})
  unit:poke()
end

---A policy that was read anew. Only what matters to the container starts a new generation.
---@param unit gantry.Unit
---@param policy gantry.Policy
function requests.take_policy(unit, policy)
  local same = policies.digest(policy.config) == policies.digest(unit.config)
  unit.policy, unit.config = policy, policy.config
  unit:note_site()
  unit:note("policy", same and "its policy changed, the plugin need not be started anew" or "its policy changed")
  -- What decisions changed was within the site policy as it was then.
  if policy.site then unit.restart.changes = nil end
  if same then
    react(unit, "edited_soft", {})
  else
    unit.restart.changes = nil
    local runs = unit.plugin and unit.wanted == "up"
    react(unit, "edited", { text = runs and "restart for the changed policy" or nil, kind = "config_changed",
      reason = "restart for the changed policy" })
  end
  unit:save()
  unit:poke()
end

---What runs was started with another policy than the one that holds now, or with other credentials.
---@param unit gantry.Unit
---@param what "policy"|"credentials"
function requests.outdated(unit, what)
  local text = "restart for the changed " .. what
  react(unit, "edited", { text = text, kind = "config_changed", reason = text })
  unit:poke()
end

requests.heed, requests.REACTIONS = REACTIONS.heed, REACTIONS

return requests
