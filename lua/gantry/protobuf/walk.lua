-- SPDX-License-Identifier: Apache-2.0
--
--- protobuf/walk.lua: where in a message the work is, so that an error can name the path: Get.request.items[2].name.
--- One walk is one encoding or decoding. walk[1..depth] are the steps from the root.

local errors = require "gantry.base.errors"

---@class gantry.protobuf.Walk
---@field root string what the path begins with
---@field code string of its errors
---@field depth integer
---@field any_level integer? how many messages of type Any are around
---@field budget gantry.protobuf.Walk? of a decoding: the outermost walk, which has the next two
---@field left integer? what absent fields may cost
---@field any integer? how many bytes there may be inside of Any
---@field chosen table<table, table>? by message, which field of each oneof it has
---@field [integer] any a name, an index, or walk.MAP; at the negative of its place, the key of a step into a map
local Walk = {}
Walk.__index = Walk

local walk = {}

---The step into a map; the key stands at the negative of its place.
walk.MAP = {}

-- Messages inside messages: a table that contains itself ends here, and so do bytes made to exhaust the stack.
local DEEPEST <const> = 500
-- What a decoding may cost; see walk.of_bytes.
local LEAST_BUDGET <const>, BUDGET_PER_BYTE <const>, DEEPEST_COPIES <const> = 1 << 20, 8, 16

-- One that has ended well, for the next: messages come by the thousand.
local spare

---@param root string
---@return gantry.protobuf.Walk
function walk.new(root)
  local self = spare or setmetatable({ false, false, root = root, code = false, depth = 0, budget = false, left = 0,
    any = 0 }, Walk)
  spare = nil
  self.root, self.code, self.depth = root, "MESSAGE_INVALID", 0
  return self
end

---The walk of a decoding: what it may cost is in proportion to its bytes, for a type with many fields makes two bytes a
---large table.
---@param root string
---@param size integer of the bytes
---@return gantry.protobuf.Walk
function walk.of_bytes(root, size)
  local self = spare or walk.new(root)
  spare = nil
  self.root, self.code, self.depth, self.budget = root, "ANSWER_INVALID", 0, self
  self.left, self.any = LEAST_BUDGET + BUDGET_PER_BYTE * size, LEAST_BUDGET + DEEPEST_COPIES * size
  return self
end

---Gives back a walk that nobody has any more. One that was broken off is not given back.
function Walk:finish()
  self.chosen, self.any_level = nil, nil
  spare = self
end

---@return string
function Walk:path()
  local parts = { self.root }
  for place = 1, self.depth do
    local step = self[place]
    if step == walk.MAP then
      local key = self[-place]
      parts[#parts + 1] = type(key) == "string" and ("[%q]"):format(key):gsub("\n", "n") or ("[%s]"):format(key)
    else
      parts[#parts + 1] = (math.type(step) and "[%d]" or ".%s"):format(step)
    end
  end
  return table.concat(parts)
end

---Raises an error of this place.
---@param reason string
function Walk:fail(reason)
  local path = self:path()
  error(errors.new(self.code, ("%s: %s"):format(path, reason), { field = path }), 0)
end

---@param cost integer
function Walk:spend(cost)
  local budget = self.budget
  local left = budget.left - cost
  budget.left = left
  if left < 0 then self:fail "too many fields that are absent, for a message of this size" end
end

---Notes which field of a oneof a message has.
---@param message table
---@param oneof table
---@param name string
---@return string? before another field that it had
function Walk:choose(message, oneof, name)
  self.chosen = self.chosen or {}
  local of_message = self.chosen[message]
  if not of_message then
    of_message = {}
    self.chosen[message] = of_message
  end
  local before = of_message[oneof]
  of_message[oneof] = name
  return before ~= name and before or nil
end

---A step deeper. To be undone by `walk.depth = depth - 1`.
---@return integer depth
function Walk:enter()
  local depth = self.depth + 1
  if depth > DEEPEST then
    self.depth = 8 -- the rest of the path says no more
    self:fail(("nested more than %d deep: does a table contain itself?"):format(DEEPEST))
  end
  self.depth = depth
  return depth
end

---What such work has raised: an error object becomes nil, err.
---@param raised any
---@return nil
---@return gantry.Error
function walk.refused(raised)
  if not errors.is(raised) or raised.code == "CANCELLED" then error(raised, 0) end
  return nil, raised
end

---Calls a function whose error objects become nil, err.
---@param fn function
---@param ... any
---@return any? result
---@return gantry.Error?
function walk.protect(fn, ...)
  local ok, result = pcall(fn, ...)
  if ok then return result end
  return walk.refused(result)
end

return walk
