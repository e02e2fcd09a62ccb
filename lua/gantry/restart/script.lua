-- SPDX-License-Identifier: Apache-2.0
--
--- restart/script.lua: a policy's own function, asked within bounds, and its answer checked before it is believed.

local changes = require "gantry.restart.changes"
local core = require "gantry.core"
local errors = require "gantry.base.errors"
local history = require "gantry.restart.history"
local json = require "gantry.json"
local policy_limits = require "gantry.config.policy_limits"
local units = require "gantry.base.units"
local words = require "gantry.base.words"

local script = {}

local DEEPEST <const>, MOST_VALUES <const> = 8, 1000
local LONGEST_REASON <const> = 500
-- Bytes of JSON: of what a policy keeps from one end to the next.
local LARGEST <const> = 64 * 1024

local ACTIONS = { restart = true, stop = true, fail = true, keep = true }
local SCOPES = { self = true, dependents = true }

---What JSON can carry: a list or a map, not both in one.
---@param value table
---@param names integer how many of its keys are strings
---@param what string
local function check_shape(value, names, what)
  local count = 0
  for _ in pairs(value) do count = count + 1 end
  if names ~= count and (names > 0 or #value ~= count) then
    error(what .. " has a table that is neither a list nor a map with names", 0)
  end
end

---A copy of plain data, made within the policy's bounds: its metamethods may run, its tables may be endless.
---@param value any
---@param what string
---@param budget { left: integer }
---@param depth integer
local function plain(value, what, budget, depth)
  local kind = type(value)
  if kind == "string" or kind == "boolean" then return value end
  if kind == "number" then
    if value ~= value or value == math.huge or value == -math.huge then error(what .. " holds a number that is none",
      0) end
    return value
  end
  if kind ~= "table" then error(("%s holds %s, which cannot be kept"):format(what, words.show(value)), 0) end
  if depth > DEEPEST then error(what .. " is nested too deeply", 0) end
  local result, names = {}, 0
  for key, one in pairs(value) do
    budget.left = budget.left - 1
    if budget.left < 0 then error(what .. " holds too much", 0) end
    if type(key) ~= "string" and math.type(key) ~= "integer" then error(what .. " has a key that cannot be kept", 0) end
    if type(key) == "string" then names = names + 1 end
    result[key] = plain(one, what, budget, depth + 1)
  end
  check_shape(result, names, what)
  return result
end

---@class gantry.ScriptAnswer what a function answered, as plain data; nothing of it is checked yet
---@field action string?
---@field got string? what came instead of an action, for the message
---@field options table? what came beside the action
---@field memory table what it wants to keep
---@field place string file and line, for `why`

---The first of a function's lines that has a text.
---@param source string
---@param info debuginfo of the function
---@param wanted string
---@return integer?
local function line_with(source, info, wanted)
  local number = 0
  for content in source:gmatch("([^\n]*)\n?") do
    number = number + 1
    if number > info.lastlinedefined then return nil end
    if number >= info.linedefined and content:find(wanted, 1, true) then return number end
  end
end

---File and line of a function of a policy's: of the line in it that has the reason, else of its beginning.
---@param fn function
---@param reason any
---@param text_of (fun(path: string): string?)? the text of a policy's file
---@return string place
function script.place(fn, reason, text_of)
  local info = debug.getinfo(fn, "S")
  local path = info.source:match("^@(.*)$")
  local source = path and type(reason) == "string" and text_of and text_of(path)
  local line = source and line_with(source, info, reason) or info.linedefined
  return ("%s:%d"):format((path or info.short_src):match("[^/]*$"), line)
end

---Calls a policy's function. To be run within bounds, where the policy runs: its metamethods may run as well.
---@param fn function
---@param exit table what it may read of the exit
---@param facts table state, random, config and time, as gantry.restart.history has them
---@param text_of (fun(path: string): string?)?
---@return gantry.ScriptAnswer
function script.run(fn, exit, facts, text_of)
  local view = history.view(facts.state, facts)
  local action, options = fn(exit, view)
  local answer = {}
  if type(action) == "string" then answer.action = action elseif action ~= nil then answer.got = words.show(action) end
  if options ~= nil then answer.options = plain(options, "the answer", { left = MOST_VALUES }, 1) end
  if type(view.state) ~= "table" then error("history.state must stay a table", 0) end
  answer.memory = plain(view.state, "history.state", { left = MOST_VALUES }, 1)
  answer.place = script.place(fn, type(answer.options) == "table" and answer.options.reason, text_of)
  return answer
end

---@param options table what came beside the action
---@return table? opinion delay, reason, scope, changes; string? reason
local function read_options(options, config)
  local opinion = { scope = "self", changes = {} }
  for key, value in pairs(options) do
    if key == "after" then
      local seconds, reason = units.seconds(value)
      if not seconds then return nil, "after " .. reason end
      opinion.delay = seconds
    elseif key == "reason" then
      if type(value) ~= "string" then return nil, "reason must be a string, got " .. words.show(value) end
      opinion.reason = value:sub(1, LONGEST_REASON)
    elseif key == "scope" then
      if not SCOPES[value] then return nil, 'scope must be "self" or "dependents", got ' .. words.show(value) end
      opinion.scope = value
    else
      opinion.changes[key] = value
    end
  end
  if next(opinion.changes) == nil then opinion.changes = nil end
  if opinion.changes and config then
    local _, wrong = changes.apply(config, opinion.changes)
    if wrong then return nil, wrong end
  end
  return opinion
end

---@param answer gantry.ScriptAnswer
---@param config table?
---@return table? opinion, string? reason
local function read_answer(answer, config)
  local action, options = answer.action, answer.options
  if not ACTIONS[action] then
    return nil, ('it must return "restart", "stop", "fail" or "keep", got %s'):format(answer.got or words.show(action))
  end
  if options ~= nil and type(options) ~= "table" then
    return nil, "beside the action it may return a table, got " .. words.show(options)
  end
  local opinion, reason = read_options(options or {}, config)
  if opinion then opinion.action, opinion.place = action, answer.place end
  return opinion, reason
end

---What of an answer outlives it must fit into the state file.
---@param what string
---@param value any
---@return string? reason
local function cannot_be_kept(what, value)
  local ok, copy = pcall(plain, value, what, { left = MOST_VALUES }, 1)
  if not ok then return tostring(copy) end
  local text, err = json.encode(copy)
  if not text then return ("%s cannot be kept: %s"):format(what, tostring(err)) end
  if #text > LARGEST then return ("%s is larger than %s"):format(what, units.format_bytes(LARGEST)) end
end

---@param answer any of script.run; foreign where another process made it
---@param config table?
---@return table? opinion, string? reason
local function believe(answer, config)
  if type(answer) ~= "table" or type(answer.place) ~= "string" or type(answer.memory) ~= "table" then
    return nil, "it is none"
  end
  local reason = cannot_be_kept("history.state", answer.memory)
  if not reason and answer.options ~= nil then reason = cannot_be_kept("the answer", answer.options) end
  if reason then return nil, reason end
  if answer.action == nil and answer.got == nil and answer.options == nil then return {} end
  return read_answer(answer, config)
end

---Asks a function that a program gave: in this process, within bounds.
---@return gantry.ScriptAnswer? answer, gantry.Error? err
local function ask_here(fn, exit, facts)
  local ok, answer = core.budget.call(policy_limits.decision, script.run, fn, exit, facts)
  if ok then return answer end
  return nil, answer
end

---Asks a function. May wait, where another process runs it.
---@param asker gantry.RestartAsker
---@param fn function
---@param exit table what it may read of the exit; its own copy
---@param facts table
---@return table? opinion nil where it has none, or failed
---@return gantry.Error? err
---@return table? memory what it wants to keep
function script.ask(asker, fn, exit, facts)
  local answer, err = (asker.ask or ask_here)(fn, exit, facts)
  if not answer then return nil, err end
  local opinion, reason = believe(answer, asker.config)
  if not opinion then
    local place = type(answer) == "table" and type(answer.place) == "string" and answer.place or "the policy"
    return nil, errors.new("POLICY_ANSWER", ("%s: the restart function's answer is not usable: %s"):format(place,
      reason))
  end
  if not opinion.action then opinion = nil end
  return opinion, nil, answer.memory
end

return script
