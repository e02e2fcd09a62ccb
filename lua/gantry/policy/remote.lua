-- SPDX-License-Identifier: Apache-2.0
--
--- policy/remote.lua: a policy that another process evaluates: its config as this process read it, functions in it as
--- numbers that the other one knows, and the texts it was read from, so that a new process has the same policy again.

local config = require "gantry.config"
local context = require "gantry.policy.context"
local data = require "gantry.policy.data"
local errors = require "gantry.base.errors"
local site = require "gantry.policy.site"

local remote = {}

-- Seconds: for a whole policy, with what it requires and its function of the context; for one function.
local LOAD_SECONDS <const>, ASK_SECONDS <const> = 5, 1
local LONGEST_MESSAGE <const>, MOST_FINDINGS <const> = 4096, 100

---@class gantry.RemotePolicy
---@field name string the plugin's
---@field path string
---@field config gantry.Config
---@field place string? where its rule for restarts stands
---@field evaluator gantry.Evaluator
---@field id integer
---@field numbers table<function, integer> of the functions in its config
---@field places string[] by number
---@field seen table<string, gantry.SeenFile> by path
---@field context table facts for ctx; without the engine, until the policy looks at it
---@field site_place gantry.SitePlace
---@field site gantry.SiteChange[]? what the site policy changed, where there is one
---@field takes_context boolean whether it may be another one for another caller
---@field given table<string, string> file and line of each field that the policy, or what it builds on, gave
local Remote = {}
Remote.__index = Remote

---@param value any
---@param kind string
---@return any
local function only(kind, value)
  return type(value) == kind and value or nil
end

---@param given any an error as the other process has it
---@param path string
---@return gantry.Error
local function error_of(given, path)
  given = only("table", given) or {}
  local code = only("string", given.code)
  if not code or not code:find "^[A-Z_]+$" then code = "POLICY_ERROR" end
  local message = only("string", given.message) or path .. ": the policy cannot be used"
  return errors.new(code, message:sub(1, LONGEST_MESSAGE), { file = only("string", given.file),
    line = math.type(given.line) == "integer" and given.line or nil, field = only("string", given.field),
    kind = only("string", given.kind) })
end

---@param answer table
---@param path string
---@return gantry.Error|gantry.Error[]|nil
local function failure_of(answer, path)
  if type(answer.findings) == "table" and #answer.findings > 0 then
    local list = {}
    for i = 1, math.min(#answer.findings, MOST_FINDINGS) do list[i] = error_of(answer.findings[i], path) end
    return list
  end
  if answer.error ~= nil then return error_of(answer.error, path) end
end

---An error with its place, where it does not have one that is better.
---@param path string of the policy
---@param place string
---@param err gantry.Error
---@return gantry.Error
local function placed(path, place, err)
  if err.line then return err end
  local message = err.message
  if message:sub(1, #path + 2) == path .. ": " then message = message:sub(#path + 3) end
  return errors.new(err.code, ("%s: %s"):format(place, message), { file = path, cause = err })
end

---A config from what the other process says that the policy gave. It was checked there, where the lines are known.
---@param self gantry.RemotePolicy
---@param answer table
---@return gantry.Config? config, string? reason
local function config_of(self, answer)
  local places = only("table", answer.places) or {}
  local functions, bytes = {}, only("string", answer.fields) or ""
  local fields, reason = data.decode(bytes, { function_of = function(number)
    if type(places[number]) ~= "string" then return nil end
    if not functions[number] then
      functions[number] = function() error("the policy's functions are asked in its own process", 0) end
      self.numbers[functions[number]] = number
    end
    return functions[number]
  end })
  if type(fields) ~= "table" then return nil, reason or "no fields" end
  self.places, self.place = places, only("string", answer.place)
  local found, findings = config.validate(fields)
  if not found then return nil, findings[1].message end
  return found
end

---@param answer table
---@return gantry.SiteChange[]? changes
local function site_changes(answer)
  if type(answer.site) ~= "table" then return nil end
  local list = {}
  for i, one in ipairs(answer.site) do
    if type(one) ~= "table" or type(one.field) ~= "string" or type(one.place) ~= "string" then break end
    list[i] = { field = one.field, from = one.from, to = one.to, place = one.place:sub(1, LONGEST_MESSAGE) }
  end
  return list
end

---@param answer table
---@return table<string, string> given
local function given_fields(answer)
  local given = {}
  for name, place in pairs(only("table", answer.given) or {}) do
    if type(name) == "string" and type(place) == "string" then given[name] = place:sub(1, LONGEST_MESSAGE) end
  end
  return given
end

---@param self gantry.RemotePolicy
---@param restored boolean
local function load_request(self, restored)
  return { verb = "load", id = self.id, path = self.path, context = self.context, site = self.site_place,
    seen = restored and self.seen or nil }
end

---@param self gantry.RemotePolicy
---@return table? answer, gantry.Error? err
local function load_once(self)
  return self.evaluator:converse(function(child)
    self.seen = {}
    local answer, err = self.evaluator:exchange(child, load_request(self, false), LOAD_SECONDS, function(path, seen)
      self.seen[path] = { text = only("string", seen.text), code = only("string", seen.code),
        stamp = only("string", seen.stamp) }
    end)
    if answer and answer.fields then child.loaded[self.id] = true end
    return answer, err
  end)
end

---@param self gantry.RemotePolicy
---@param given table facts for ctx
---@return table? answer, gantry.Error? err
local function load_with_context(self, given)
  local facts, unsettled = context.settle(given, self.path, (self.path:match "[^/]*$":gsub("%.lua$", "")))
  if not facts then return nil, unsettled end
  self.context = {}
  for key, value in pairs(facts) do self.context[key] = type(value) ~= "function" and value or nil end
  local answer, err = load_once(self)
  if not answer or not answer.wants_engine then return answer, err and placed(self.path, self.path, err) end
  self.context.engine, err = facts.engine()
  if not self.context.engine then
    self.seen = {} -- nothing is wrong with the files: to be tried again
    return nil, err
  end
  answer, err = load_once(self)
  return answer, err and placed(self.path, self.path, err)
end

---Loads a policy in the other process. Waits.
---@param evaluator gantry.Evaluator
---@param path string
---@param given table facts for ctx, of gantry.policy.context
---@return gantry.RemotePolicy? policy
---@return gantry.Error|gantry.Error[]|nil err
---@return table<string, gantry.SeenFile> seen what was looked at, also where that failed
function remote.load(evaluator, path, given)
  local self = setmetatable({ evaluator = evaluator, path = path, id = evaluator:new_id(), seen = {}, numbers = {},
    site_place = site.where() }, Remote)
  local answer, err = load_with_context(self, given)
  if not answer then return nil, err, self.seen end
  local failure = failure_of(answer, path)
  if failure then return nil, failure, self.seen end
  local found, reason = config_of(self, answer)
  if not found then
    return nil, errors.new("POLICY_RESULT", ("%s: its process gave no config: %s"):format(path, reason)), self.seen
  end
  self.config, self.name, self.site = found, found.name, site_changes(answer)
  self.given, self.takes_context = given_fields(answer), answer.takes_context == true
  return self, nil, self.seen
end

---Sees to it that the process has the policy, as it was read.
---@param self gantry.RemotePolicy
---@param child table
---@return gantry.Error? err
local function restore(self, child)
  if child.loaded[self.id] then return nil end
  local answer, err = self.evaluator:exchange(child, load_request(self, true), LOAD_SECONDS)
  if not answer then return err end
  local failure = failure_of(answer, self.path)
  if failure then return errors.is(failure) and failure or failure[1] end
  local places = only("table", answer.places) or {}
  if #places ~= #self.places or table.concat(places, "\n") ~= table.concat(self.places, "\n") then
    return errors.new("POLICY_CHANGED", "loaded anew, the policy gave other functions")
  end
  child.loaded[self.id] = true
end

---@param self gantry.RemotePolicy
---@param request table
---@return any answer, gantry.Error? err
local function ask(self, fn, request)
  request.id, request.number = self.id, self.numbers[fn]
  local answer, err = self.evaluator:converse(function(child)
    local failed = restore(self, child)
    if failed then return nil, failed end
    return self.evaluator:exchange(child, request, self.evaluator.options.seconds or ASK_SECONDS)
  end)
  local failure = err or failure_of(answer, self.path)
  if not failure then return answer.answer end
  if not errors.is(failure) then failure = failure[1] end
  return nil, placed(self.path, self.places[request.number] or self.path, failure)
end

---What a function may see of a config: all but the functions that are asked.
---@param found gantry.Config
---@return table
local function shown_config(found)
  local result = {}
  for name, value in pairs(found) do
    if name ~= "restart" and name ~= "on_exit" then result[name] = value end
  end
  return result
end

---As gantry.Policy:ask.
---@param fn function of its config
---@param exit table
---@param facts table
---@return any answer, gantry.Error? err
function Remote:ask(fn, exit, facts)
  local state = facts.state
  return ask(self, fn, { verb = "ask", exit = exit, facts = { config = shown_config(facts.config),
    time = facts.time, state = {
      clock = state.clock, restarts = state.restarts, generation = state.generation, memory = state.memory,
      exits = state.exits, restarted = state.restarted, peaks = state.peaks, counted = state.counted,
      last_delay = state.last_delay,
    } } })
end

---As gantry.Policy:command.
---@return any command, gantry.Error? err
function Remote:command(fn, exit, decision)
  return ask(self, fn, { verb = "command", exit = exit, decision = decision })
end

---Nobody needs it any more.
function Remote:forget()
  self.evaluator:forget(self.id)
end

return remote
