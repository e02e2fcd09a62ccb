-- SPDX-License-Identifier: Apache-2.0
--
--- policy/tables.lua: Lua's table functions as a policy gets them. Those in C go from one index to another without a
--- look at the budget, and a policy can make both what it likes: so the loops are written in Lua, which is counted, and
--- what is left to C gets a range that was checked.

local tables = {}

local MOST <const> = 100000

---@param list any
---@param level integer
---@return integer length
local function length_of(list, level)
  if type(list) ~= "table" then error("table expected, got " .. type(list), level + 1) end
  local length = #list
  if math.type(length) ~= "integer" or length > MOST then error("the table is too long", level + 1) end
  return length
end

---@param from any
---@param to any
local function check_range(from, to)
  if math.type(from) ~= "integer" or math.type(to) ~= "integer" then error("whole numbers expected", 3) end
  if to >= from and (to - from >= MOST or to - from < 0) then error("too many elements", 3) end
end

local function insert(list, ...)
  local length = length_of(list, 2)
  local count = select("#", ...)
  if count == 1 then
    list[length + 1] = ...
    return
  end
  if count ~= 2 then error("wrong number of arguments to 'insert'", 2) end
  local position, value = ...
  if math.type(position) ~= "integer" or position < 1 or position > length + 1 then
    error("position out of bounds", 2)
  end
  for i = length, position, -1 do list[i + 1] = list[i] end
  list[position] = value
end

local function remove(list, position)
  local length = length_of(list, 2)
  position = position or length
  if math.type(position) ~= "integer" or (length + 1 ~= position and (position < 1 or position > length + 1)
      and not (length == 0 and position == 0)) then
    error("position out of bounds", 2)
  end
  local value = list[position]
  for i = position, length - 1 do list[i] = list[i + 1] end
  if position <= length then list[length] = nil end
  return value
end

local function move(from_list, from, to, at, to_list)
  check_range(from, to)
  if math.type(at) ~= "integer" then error("whole numbers expected", 2) end
  to_list = to_list or from_list
  local first, last, step = from, to, 1
  if at > from and at <= to and to_list == from_list then first, last, step = to, from, -1 end
  for i = first, last, step do to_list[at + (i - from)] = from_list[i] end
  return to_list
end

local function concat(list, separator, from, to)
  from, to = from or 1, to or length_of(list, 2)
  check_range(from, to)
  local copy = {}
  for i = from, to do
    local piece = list[i]
    if type(piece) ~= "string" and type(piece) ~= "number" then
      error(("invalid value (at index %d) in table for 'concat'"):format(i), 2)
    end
    copy[#copy + 1] = piece
  end
  return table.concat(copy, separator)
end

local function unpack(list, from, to)
  from, to = from or 1, to or length_of(list, 2)
  check_range(from, to)
  return table.unpack(list, from, to)
end

local function sort(list, before)
  local length = length_of(list, 2)
  local copy = {}
  for i = 1, length do
    copy[i] = list[i]
    if copy[i] == nil then error("the table has a gap", 2) end
  end
  table.sort(copy, before)
  for i = 1, length do list[i] = copy[i] end
end

---@return table table library of one policy
function tables.library()
  return {
    insert = insert, remove = remove, move = move, concat = concat, unpack = unpack, sort = sort, pack = table.pack,
  }
end

return tables
