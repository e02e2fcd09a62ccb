-- SPDX-License-Identifier: Apache-2.0
--
--- restart/script.lua: a policy's own function, asked within bounds, and its answer checked before it is believed.

local changes = require "gantry.restart.changes"
local core = require "gantry.core"
local errors = require "gantry.errors"
local floors = require "gantry.restart.floors"
local units = require "gantry.units"
local words = require "gantry.words"

local script = {}

local DEEPEST <const>, MOST_VALUES <const> = 8, 1000
local LONGEST_REASON <const> = 500

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

local function ask(fn, exit, view)
  local action, options = fn(exit, view)
  if options ~= nil then options = plain(options, "the answer", { left = MOST_VALUES }, 1) end
  if type(view.state) ~= "table" then error("history.state must stay a table", 0) end
  return action, options, plain(view.state, "history.state", { left = MOST_VALUES }, 1)
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

---@param action any
---@param options any
---@param config table?
---@return table? opinion, string? reason
local function read_answer(action, options, config)
  if not ACTIONS[action] then
    return nil, ('it must return "restart", "stop", "fail" or "keep", got %s'):format(words.show(action))
  end
  if options ~= nil and type(options) ~= "table" then
    return nil, "beside the action it may return a table, got " .. words.show(options)
  end
  local opinion, reason = read_options(options or {}, config)
  if opinion then opinion.action = action end
  return opinion, reason
end

---File and line of a function of the policy's: of the line in it that has the reason, else of its beginning.
---@param asker gantry.RestartAsker
---@param fn function
---@param reason string?
---@return string place
function script.place(asker, fn, reason)
  local info = debug.getinfo(fn, "S")
  local path, line = info.source:match("^@(.*)$"), info.linedefined
  local text = path and reason and asker.text_of and asker.text_of(path)
  local number = 0
  for content in (text or ""):gmatch("([^\n]*)\n?") do
    number = number + 1
    if number > info.lastlinedefined then break end
    if number >= line and content:find(reason, 1, true) then
      line = number
      break
    end
  end
  return ("%s:%d"):format((path or info.short_src):match("[^/]*$"), line)
end

---@param asker gantry.RestartAsker
---@return boolean ok
---@return any ...
local function call(asker, ...)
  if asker.call then return asker.call(floors.limits, ...) end
  return core.budget.call(floors.limits, ...)
end

---Asks a function.
---@param asker gantry.RestartAsker
---@param fn function
---@param exit table what it may read of the exit
---@param view table the history
---@return table? opinion nil where it returned nil, or failed
---@return gantry.Error? err
---@return table? memory what it wants to keep
function script.ask(asker, fn, exit, view)
  local ok, action, options, memory = call(asker, ask, fn, exit, view)
  if not ok then return nil, action end
  if action == nil and options == nil then return nil, nil, memory end
  local opinion, reason = read_answer(action, options, asker.config)
  if not opinion then
    return nil, errors.new("POLICY_ANSWER", ("%s: the restart function's answer is not usable: %s"):format(
      script.place(asker, fn), reason))
  end
  opinion.place = script.place(asker, fn, opinion.reason)
  return opinion, nil, memory
end

return script
