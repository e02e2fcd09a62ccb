-- SPDX-License-Identifier: Apache-2.0
--
--- base/nearest.lua: which known name a mistyped one was meant to be.

local nearest = {}

local byte, abs, min, max = string.byte, math.abs, math.min, math.max

---Edits from one word to the other: a letter put in, left out, changed, or two neighbours swapped.
---@param left string
---@param right string
---@return integer
local function distance(left, right)
  local before, previous, current = {}, {}, {}
  for j = 0, #right do previous[j] = j end
  for i = 1, #left do
    current[0] = i
    for j = 1, #right do
      local cost = byte(left, i) == byte(right, j) and 0 or 1
      current[j] = min(previous[j] + 1, current[j - 1] + 1, previous[j - 1] + cost)
      if i > 1 and j > 1 and byte(left, i) == byte(right, j - 1) and byte(left, i - 1) == byte(right, j) then
        current[j] = min(current[j], before[j - 2] + 1)
      end
    end
    before, previous, current = previous, current, before
  end
  return previous[#right]
end

---Whether a word can come of one with these letters in so many edits: each other letter takes one, and so does each by
---which the lengths differ.
---@param word string
---@param letters table<integer, boolean>
---@param length integer
---@param limit integer
---@return boolean
local function may_be_near(word, letters, length, limit)
  if abs(#word - length) > limit then return false end
  for i = 1, #word do
    if not letters[byte(word, i)] then
      if limit == 0 then return false end
      limit = limit - 1
    end
  end
  return true
end

---@param name string
---@param known string[]
---@return string? nearest nil where none is near: more than a third of the letters differ, and not by their case alone
function nearest.find(name, known)
  local best, letters, lower = nil, {}, name:lower()
  for _, candidate in ipairs(known) do
    if candidate:lower() == lower then return candidate end
  end
  local limit = max(1, #name // 3)
  for i = 1, #name do letters[byte(name, i)] = true end
  for _, candidate in ipairs(known) do
    local edits = may_be_near(candidate, letters, #name, limit) and distance(name, candidate)
    if edits and (edits < limit or edits == limit and (not best or candidate < best)) then
      best, limit = candidate, edits
    end
  end
  return best
end

return nearest
