-- SPDX-License-Identifier: Apache-2.0
--
--- config/strategies.lua: the ready strategies. A strategy is plain data, checked when it is made, so that it can be
--- compared, copied and shown: `{ strategy = "backoff", first = 0.1, ... }`, durations in seconds.

local nearest = require "gantry.base.nearest"
local units = require "gantry.base.units"
local words = require "gantry.base.words"

local strategies = {}

---The words that stand for a decision without a strategy.
strategies.ACTIONS = { restart = true, stop = true, fail = true }

---@alias gantry.Strategy { strategy: string }
---@alias gantry.RestartRule gantry.Strategy|function|"restart"|"stop"|"fail"

---@param name string
---@param text string
local function refuse(name, text)
  error(("restart.%s: %s"):format(name, text), 0)
end

---@type table<string, fun(value: any): any, string?> readers: the value as gantry uses it, or nil and a predicate
local READERS = { duration = units.seconds }

function READERS.positive(value)
  local seconds, reason = units.seconds(value)
  if seconds == 0 then return nil, "must be above 0" end
  return seconds, reason
end

function READERS.factor(value)
  if type(value) == "number" and value >= 1 and value <= 1000 then return value end
  return nil, "must be a number from 1 to 1000, got " .. words.show(value)
end

function READERS.jitter(value)
  if type(value) == "number" and value >= 0 and value <= 1 then return value end
  return nil, "must be a number from 0 to 1, got " .. words.show(value)
end

function READERS.count(value)
  local whole = type(value) == "number" and math.tointeger(value)
  if whole and whole >= 1 and whole <= 100 then return whole end
  return nil, "must be a whole number from 1 to 100, got " .. words.show(value)
end

function READERS.then_(value)
  if value == "slow_down" or value == "fail" then return value end
  return nil, 'must be "slow_down" or "fail", got ' .. words.show(value)
end

local PARAMETERS = {
  backoff = {
    first = { "duration", 0.1 }, factor = { "factor", 2 }, max = { "duration", 30 }, jitter = { "jitter", 0.1 },
    reset_after = { "positive", 60 },
  },
  window = { max = { "count" }, per = { "positive" }, then_ = { "then_", "slow_down" } },
}

---@param known table<string, any>
---@param key any
local function unknown(name, known, key)
  local names = {}
  for one in pairs(known) do names[#names + 1] = one end
  table.sort(names)
  local near = type(key) == "string" and nearest.find(key, names)
  refuse(name, ("unknown parameter %s; %s"):format(words.show(key),
    near and ("did you mean '%s'?"):format(near) or "it has " .. table.concat(names, ", ")))
end

---The first delay is the shortest: of `first` and `max`, the one that is given takes the other's default along.
---@param backoff { first: number, max: number }
---@param given table
local function settle_longest(backoff, given)
  if backoff.first <= backoff.max then return end
  if given.max ~= nil and given.first ~= nil then
    refuse("backoff", ("first must not be above max, got %s and %s"):format(words.show(given.first),
      words.show(given.max)))
  end
  local delay = given.first ~= nil and backoff.first or backoff.max
  backoff.first, backoff.max = delay, delay
end

---@param name string of the strategy
---@param given any
---@return table
local function read_parameters(name, given)
  local known, result = PARAMETERS[name], { strategy = name }
  if given == nil then given = {} end
  if type(given) ~= "table" then refuse(name, "needs a table of parameters, got " .. words.show(given)) end
  for key in pairs(given) do
    if key ~= "strategy" and not known[key] then unknown(name, known, key) end
  end
  for key, parameter in pairs(known) do
    local value = given[key]
    if value == nil then value = parameter[2] end
    if value == nil then refuse(name, key .. " is missing") end
    local read, reason = READERS[parameter[1]](value)
    if read == nil then refuse(name, ("%s %s"):format(key, reason)) end
    result[key] = read
  end
  if name == "backoff" then settle_longest(result, given) end
  return result
end

local read_rule

---@param name string
---@param value any
---@return gantry.RestartRule
local function rule_of(name, value)
  local rule, reason = read_rule(value)
  if rule == nil then refuse(name, reason) end
  return rule
end

---@param name string
---@param map any
---@param key_of fun(key: any): any, string?
local function read_map(name, map, key_of)
  if type(map) ~= "table" or next(map) == nil then refuse(name, "needs a table such as { [2] = \"fail\" }") end
  local rules = {}
  for key, value in pairs(map) do
    local read, reason = key_of(key)
    if read == nil then refuse(name, reason) end
    rules[read] = rule_of(name, value)
  end
  return { strategy = name, rules = rules }
end

local function code_of(key)
  local code = type(key) == "number" and math.tointeger(key)
  if code and code >= 0 and code <= 255 then return code end
  return nil, "the keys are exit codes from 0 to 255, got " .. words.show(key)
end

---Why a plugin is down, or is to be.
strategies.CAUSES = { "exit", "signal", "oom", "start_timeout", "handshake_failed", "start_failed", "unhealthy",
  "engine_error", "image_missing", "dependency_failed", "lost" }

local is_cause = {}
for _, cause in ipairs(strategies.CAUSES) do is_cause[cause] = true end

local function cause_of(key)
  if is_cause[key] then return key end
  local near = type(key) == "string" and nearest.find(key, strategies.CAUSES)
  return nil, ("no cause %s; %s"):format(words.show(key), near and ("did you mean '%s'?"):format(near)
    or "there are " .. table.concat(strategies.CAUSES, ", "))
end

---@type table<string, fun(given: table): gantry.Strategy> from what a policy wrote, or from a strategy made before
local MAKERS = {}

function MAKERS.never() return { strategy = "never" } end

for _, name in ipairs { "always", "on_failure" } do
  MAKERS[name] = function(given)
    return { strategy = name, inner = given.inner ~= nil and rule_of(name, given.inner) or nil }
  end
end

for _, name in ipairs { "backoff", "window" } do
  MAKERS[name] = function(given) return read_parameters(name, given) end
end

function MAKERS.on_code(given) return read_map("on_code", given.rules, code_of) end
function MAKERS.on_cause(given) return read_map("on_cause", given.rules, cause_of) end

function MAKERS.first_of(given)
  local list = {}
  for i = 1, given.list.n or #given.list do list[i] = rule_of("first_of", given.list[i]) end
  if #list == 0 then refuse("first_of", "needs at least one strategy") end
  return { strategy = "first_of", list = list }
end

local NAMES = { "never", "always", "on_failure" }

---Reads what stands where a strategy, a function or an action may.
---@param value any
---@return gantry.RestartRule? rule, string? reason
function read_rule(value)
  if type(value) == "function" or strategies.ACTIONS[value] then return value end
  if value == "never" or value == "always" or value == "on_failure" then return { strategy = value } end
  if type(value) == "string" then
    local near = nearest.find(value:gsub("-", "_"), NAMES)
    return nil, ("no strategy %s%s"):format(words.show(value), near and ("; did you mean '%s'?"):format(near) or "")
  end
  local maker = type(value) == "table" and MAKERS[value.strategy]
  if not maker then
    return nil, "must be a strategy of gantry.restart or a function, got " .. words.show(value)
  end
  local ok, made = pcall(maker, value)
  if ok then return made end
  return nil, tostring(made)
end

strategies.read = read_rule

---The module as a policy requires it: each call gives tables of its own. What is wrong raises, with the policy's line.
---@return table
function strategies.module()
  local function maker(name, shape)
    return function(...)
      local ok, made = pcall(MAKERS[name], shape(...))
      if not ok then error(made, 2) end
      return made
    end
  end
  local function given(value) return value end
  local function as_rules(map) return { rules = map } end
  local module = {
    never = MAKERS.never(),
    backoff = maker("backoff", given), window = maker("window", given),
    on_code = maker("on_code", as_rules), on_cause = maker("on_cause", as_rules),
    first_of = maker("first_of", function(...) return { list = table.pack(...) } end),
  }
  for _, name in ipairs { "always", "on_failure" } do
    local make = maker(name, function(inner) return { inner = inner } end)
    -- Both a strategy as it stands and, called with another, one that says when that is asked.
    module[name] = setmetatable({ strategy = name }, { __call = function(_, inner) return make(inner) end })
  end
  return module
end

---What holds where a policy says nothing, and where it cannot be asked: never an immediate restart.
strategies.DEFAULT = MAKERS.backoff {}

return strategies
