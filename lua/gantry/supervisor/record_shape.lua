-- SPDX-License-Identifier: Apache-2.0
--
--- supervisor/record_shape.lua: whether what a state file holds is a record. Whoever reads one relies on the kind of
--- each of its values; a file that was damaged or edited must not bring the supervisor down.

local record_shape = {}

---@alias gantry.ShapeCheck fun(value: any): string? the path of what is wrong, from the value on; nil where all is well

---@param holds fun(value: any): boolean
---@return gantry.ShapeCheck
local function check(holds)
  return function(value) return not holds(value) and "" or nil end
end

---@param kind string
---@return gantry.ShapeCheck
local function is(kind)
  return check(function(value) return type(value) == kind end)
end

local number, text, flag, map = is "number", is "string", is "boolean", is "table"
local count = check(function(value) return math.type(value) == "integer" and value >= 0 end)

---@param inner gantry.ShapeCheck
---@return gantry.ShapeCheck
local function maybe(inner)
  return function(value)
    if value ~= nil then return inner(value) end
  end
end

---@param inner gantry.ShapeCheck
---@return gantry.ShapeCheck
local function list_of(inner)
  return function(value)
    if type(value) ~= "table" then return "" end
    for i, one in ipairs(value) do
      local wrong = inner(one)
      if wrong then return ("[%d]%s"):format(i, wrong) end
    end
  end
end

---@param checks table<string, gantry.ShapeCheck>
---@return gantry.ShapeCheck
local function fields(checks)
  local names = {}
  for name in pairs(checks) do names[#names + 1] = name end
  table.sort(names)
  return function(value)
    if type(value) ~= "table" then return "" end
    for _, name in ipairs(names) do
      local wrong = checks[name](value[name])
      if wrong then return "." .. name .. wrong end
    end
  end
end

local STATE = fields {
  clock = number, seen = maybe(number), generation = count, live = maybe(count), started_at = maybe(number),
  ready_at = maybe(number), restarts = count, counted = count, starts = list_of(number), restarted = list_of(number),
  peaks = list_of(fields { number = count, uptime = number }),
  exits = list_of(fields { cause = text, code = maybe(count), signal = maybe(text), uptime = number,
    generation = maybe(count), at = number }),
  memory = map, changes = maybe(map), last_delay = maybe(number),
}

local RECORD = fields {
  policy = maybe(text), wanted = maybe(text), verdict = maybe(text), due = maybe(number), automatic = maybe(flag),
  boot = maybe(text), saved = maybe(number), journal = maybe(map), restart = STATE,
  live = maybe(fields { container = text, root = text, ready = maybe(flag), ready_ms = maybe(number),
    image_id = maybe(text), stopping = maybe(flag) }),
  last_exit = maybe(fields { cause = text, code = maybe(count), signal = maybe(text), limit = maybe(count),
    error = maybe(text), uptime = maybe(number), generation = maybe(count), requested = maybe(flag),
    time = maybe(number) }),
  decision = maybe(fields { action = maybe(text), reason = maybe(text), place = maybe(text), delay = maybe(number),
    generation = maybe(count) }),
}

---@param record table
---@return string? field the first that is missing or of the wrong kind, such as "restart.peaks[2].uptime"
function record_shape.wrong(record)
  local path = RECORD(record)
  return path and path:sub(2)
end

return record_shape
