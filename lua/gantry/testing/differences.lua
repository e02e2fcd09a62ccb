-- SPDX-License-Identifier: Apache-2.0
--
--- testing/differences.lua: where two values differ, by the paths of their fields.

local json = require "gantry.json"
local types = require "gantry.base.types"
local words = require "gantry.base.words"

local differences = {}

local MOST <const>, DEEPEST <const> = 20, 32

---@class gantry.Difference
---@field path string such as HostConfig.Memory
---@field expected string
---@field found string

---@param value any
---@return string
local function shown(value)
  if type(value) ~= "table" then return words.show(value) end
  return (json.line(value):gsub("\n$", ""))
end

---@param list gantry.Difference[]
---@param options { part: boolean? }
local function compare(found, expected, path, list, options, depth)
  if #list >= MOST or rawequal(found, expected) or found == expected then return end
  if type(found) ~= "table" or type(expected) ~= "table" or depth > DEEPEST then
    list[#list + 1] = { path = path == "" and "the value" or path, expected = shown(expected), found = shown(found) }
    return
  end
  local keys, seen = {}, {}
  for _, from in ipairs { expected, options.part and {} or found } do
    for key in pairs(from) do
      if not seen[key] then seen[key], keys[#keys + 1] = true, key end
    end
  end
  table.sort(keys, function(left, right) return tostring(left) < tostring(right) end)
  for _, key in ipairs(keys) do
    local at = math.type(key) == "integer" and ("%s[%d]"):format(path, key) or types.child(path, key)
    compare(found[key], expected[key], at, list, options, depth + 1)
  end
end

---@param found any
---@param expected any
---@param options { part: boolean? }? part: only what is expected is looked at
---@return gantry.Difference[]
function differences.of(found, expected, options)
  local list = {}
  compare(found, expected, "", list, options or {}, 1)
  return list
end

return differences
