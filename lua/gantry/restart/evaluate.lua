-- SPDX-License-Identifier: Apache-2.0
--
--- restart/evaluate.lua: what a rule says to one end of a plugin: an opinion, or none. An opinion has an action, and
--- for a restart a delay before floors; nil means that the rule has nothing to say.

local history = require "gantry.restart.history"
local script = require "gantry.restart.script"
local strategies = require "gantry.config.strategies"
local text = require "gantry.restart.text"
local units = require "gantry.base.units"

local evaluate = {}

---@class gantry.Question
---@field exit table
---@field state gantry.RestartState
---@field random fun(): number
---@field asker gantry.RestartAsker
---@field time number?
---@field fault gantry.Error? of a function that failed: then no further rule is asked
---@field memory table? what the last function that answered wants to keep

---@param question gantry.Question
---@param parameters table
---@param why string?
local function backoff(question, parameters, why)
  local delay, attempt = history.backoff(question.state, parameters, question.random)
  return { action = "restart", delay = delay, reason = ("%sattempt %d"):format(why or "backoff, ", attempt) }
end

---@type table<string, fun(rule: table, question: gantry.Question): table?>
local RULES = {}

local ask

function RULES.never() return { action = "stop", reason = "never restarted" } end

function RULES.backoff(rule, question) return backoff(question, rule) end

---@param question gantry.Question
local function inner_or_default(rule, question)
  return ask(rule.inner or strategies.DEFAULT, question)
end

RULES.always = inner_or_default

function RULES.on_failure(rule, question)
  local exit = question.exit
  if exit.cause == "exit" and exit.code == 0 then return { action = "stop", reason = "it ended without a failure" } end
  return inner_or_default(rule, question)
end

function RULES.window(rule, question)
  local state = question.state
  local count = history.within(state, rule.per)
  if count < rule.max then return nil end
  local seen = ("%d restarts in %s"):format(count, units.format_seconds(rule.per))
  if rule.then_ == "fail" then return { action = "fail", reason = seen .. ", giving up" } end
  -- Until the window has room again: the plugin goes on at the rate that it bounds.
  local room = state.restarted[#state.restarted - rule.max + 1] + rule.per - state.clock
  return { action = "restart", delay = math.max(0, room), reason = seen .. ", slowing down" }
end

function RULES.on_code(rule, question)
  local code = question.exit.code
  local found = code and rule.rules[code]
  local opinion = found and ask(found, question)
  if opinion and type(found) == "string" then opinion.reason = ("exit code %d means %s"):format(code, found) end
  return opinion
end

function RULES.on_cause(rule, question)
  local found = rule.rules[question.exit.cause]
  local opinion = found and ask(found, question)
  if opinion and type(found) == "string" then
    opinion.reason = ("%s means %s"):format(text.cause(question.exit.cause), found)
  end
  return opinion
end

function RULES.first_of(rule, question)
  for _, one in ipairs(rule.list) do
    local opinion = ask(one, question)
    if opinion or question.fault then return opinion end
  end
end

---@param fn function
---@param question gantry.Question
local function ask_function(fn, question)
  local exit = {}
  for key, value in pairs(question.exit) do exit[key] = value end
  local opinion, err, memory = script.ask(question.asker, fn, exit, { state = question.state, random = question.random,
    config = question.asker.config, time = question.time })
  question.fault, question.memory = err, memory or question.memory
  if opinion and opinion.action == "restart" and not opinion.delay then
    opinion.delay = history.backoff(question.state, strategies.DEFAULT, question.random)
  end
  return opinion
end

---@param rule gantry.RestartRule
---@param question gantry.Question
---@return table? opinion
function ask(rule, question)
  if type(rule) == "function" then return ask_function(rule, question) end
  if rule == "restart" then return backoff(question, strategies.DEFAULT) end
  if type(rule) == "string" then return { action = rule } end
  return RULES[rule.strategy](rule, question)
end

---The opinion on an end, the default's where the rule has none or cannot be asked.
---@param rule gantry.RestartRule?
---@param question gantry.Question
---@return table opinion
function evaluate.opinion(rule, question)
  local opinion
  if rule ~= nil then opinion = ask(rule, question) end
  if question.fault then
    opinion = backoff(question, strategies.DEFAULT)
    opinion.reason = ("%s; the default holds: %s"):format(question.fault.message, opinion.reason)
    opinion.fault = question.fault
  end
  return opinion or backoff(question, strategies.DEFAULT)
end

return evaluate
