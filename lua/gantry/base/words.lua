-- SPDX-License-Identifier: Apache-2.0
--
--- base/words.lua: values and lists as the messages for people name them.

local words = {}

local LONGEST_SHOWN <const> = 60

---@param byte string
---@return string
local function escape(byte)
  return ("\\x%02x"):format(byte:byte())
end

---@param value table
---@return string
local function show_table(value)
  if rawget(value, 1) == nil then return "a table" end
  local count, last = 0, 0
  for key in next, value do
    if math.type(key) ~= "integer" then return "a list that has names as well" end
    count, last = count + 1, math.max(last, key)
  end
  return count == last and "a list" or "a list with nil in it"
end

---A value, short and on one line: 'text', 5, true, "a list", "a function".
---@param value any
---@return string
function words.show(value)
  local kind = type(value)
  if kind == "string" then
    local shown = #value > LONGEST_SHOWN and value:sub(1, LONGEST_SHOWN) .. "…" or value
    return "'" .. shown:gsub("%c", escape) .. "'"
  end
  if kind == "number" then return math.type(value) == "integer" and ("%d"):format(value) or ("%.14g"):format(value) end
  if kind == "boolean" then return tostring(value) end
  if kind == "nil" then return "nothing" end
  if kind == "table" then return show_table(value) end
  return "a " .. kind
end

---A text with spaces up to a width. `%-8s` would raise for a text with a zero byte.
---@param text string
---@param width integer
---@return string
function words.pad(text, width)
  return text .. (" "):rep(width - #text)
end

---A choice: "a", "a or b", "a, b or c".
---@param list string[]
---@return string
function words.either(list)
  if #list < 2 then return list[1] or "" end
  return table.concat(list, ", ", 1, #list - 1) .. " or " .. list[#list]
end

return words
