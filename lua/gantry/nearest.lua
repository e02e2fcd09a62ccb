-- SPDX-License-Identifier: Apache-2.0
--
--- nearest.lua: which known name a mistyped one was meant to be.

local nearest = {}

---Edits from one word to the other: a letter put in, left out, changed, or two neighbours swapped.
---@param left string
---@param right string
---@return integer
function nearest.distance(left, right)
  local before, previous, current = {}, {}, {}
  for j = 0, #right do previous[j] = j end
  for i = 1, #left do
    current[0] = i
    for j = 1, #right do
      local cost = left:byte(i) == right:byte(j) and 0 or 1
      current[j] = math.min(previous[j] + 1, current[j - 1] + 1, previous[j - 1] + cost)
      if i > 1 and j > 1 and left:byte(i) == right:byte(j - 1) and left:byte(i - 1) == right:byte(j) then
        current[j] = math.min(current[j], before[j - 2] + 1)
      end
    end
    before, previous, current = previous, current, before
  end
  return previous[#right]
end

---@param name string
---@param known string[]
---@return string? nearest nil where none is near: more than a third of the letters differ
function nearest.find(name, known)
  local best, best_distance
  local limit = math.max(1, #name // 3)
  for _, candidate in ipairs(known) do
    -- As many edits as the lengths differ by are needed at least.
    local distance = math.abs(#name - #candidate) <= limit and nearest.distance(name, candidate)
    if distance and (not best or distance < best_distance or (distance == best_distance and candidate < best)) then
      best, best_distance = candidate, distance
    end
  end
  if best and best_distance <= limit then return best end
end

return nearest
