-- SPDX-License-Identifier: Apache-2.0

local nearest = require "gantry.base.nearest"

---Edits by their definition, from the ends of the words: a letter left out, put in, changed, or two swapped.
local function edits(left, right)
  if left == "" or right == "" then return #left + #right end
  local l, r = left:sub(1, -2), right:sub(1, -2)
  local changed = left:sub(-1) == right:sub(-1) and 0 or 1
  local best = math.min(edits(l, right) + 1, edits(left, r) + 1, edits(l, r) + changed)
  if #left > 1 and #right > 1 and left:sub(-2) == right:sub(-2):reverse() then
    best = math.min(best, edits(left:sub(1, -3), right:sub(1, -3)) + 1)
  end
  return best
end

local function by_definition(name, known)
  local best, least = nil, math.max(1, #name // 3)
  for _, candidate in ipairs(known) do
    local count = edits(name, candidate)
    if count < least or count == least and (not best or candidate < best) then best, least = candidate, count end
  end
  return best
end

describe("nearest", function()
  it("finds a name with a letter too many, too few, changed, or two swapped", function()
    local known = { "image", "memory", "restart" }
    for _, name in ipairs { "imagee", "imge", "imaga", "iamge" } do
      assert.equal("image", nearest.find(name, known))
    end
    assert.equal("memory", nearest.find("memroy", known))
  end)

  it("finds none where more than a third differs", function()
    assert.is_nil(nearest.find("imxyz", { "image" }))
    assert.is_nil(nearest.find("entirely", { "image", "memory" }))
    assert.is_nil(nearest.find("image", {}))
  end)

  it("finds one that differs by the case of its letters alone, however short", function()
    assert.equal("kv", nearest.find("KV", { "k", "kv", "kw" }))
    assert.equal("pids_limit", nearest.find("PIDS_LIMIT", { "memory", "pids_limit" }))
  end)

  it("takes the first in the alphabet of those that are as near", function()
    assert.equal("bar", nearest.find("baz", { "bay", "bar", "bat" }))
  end)

  it("agrees with the definition of an edit", function()
    local function word()
      local letters = {}
      for i = 1, math.random(0, 6) do letters[i] = ("abc"):sub(math.random(3)):sub(1, 1) end
      return table.concat(letters)
    end
    for _ = 1, 300 do
      local name, known = word(), { word(), word(), word(), word() }
      assert.equal(by_definition(name, known), nearest.find(name, known), name .. ": " .. table.concat(known, " "))
    end
  end)
end)
