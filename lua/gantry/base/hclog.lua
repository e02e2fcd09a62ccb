-- SPDX-License-Identifier: Apache-2.0
--
--- base/hclog.lua: the log lines of go-plugin plugins: one JSON object a line (hclog's intlogger), or plain text.

local json = require "gantry.json"
local words = require "gantry.base.words"

local hclog = {}

local LEVELS = { trace = true, debug = true, info = true, warn = true, error = true }

---@class gantry.LogLine
---@field level string? trace, debug, info, warn or error; nil for plain text
---@field module string?
---@field message string
---@field timestamp string? as the plugin wrote it
---@field fields table<string, any> all other keys, numbers with the digits that the plugin wrote

---What a key of hclog's own holds, where it holds what hclog puts there; anything else is a field like others.
---@param entry table
---@param key string
---@param known table<string, boolean>? the values that it may have
---@return string?
local function take(entry, key, known)
  local value = entry[key]
  if type(value) ~= "string" or known and not known[value] then return nil end
  entry[key] = nil
  return value
end

---Takes any bytes. What is no line of hclog's is plain text.
---@param line string
---@return gantry.LogLine
function hclog.parse(line)
  local entry = line:find("^%s*{") and json.decode(line, { letters = true })
  local message = type(entry) == "table" and take(entry, "@message")
  if not message then return { message = line, fields = {} } end
  local parsed = { message = message, level = take(entry, "@level", LEVELS), module = take(entry, "@module"),
    timestamp = take(entry, "@timestamp"), fields = entry }
  take(entry, "@caller")
  return parsed
end

---@param value any
---@return string
local function shown(value)
  if type(value) == "string" and not value:find("[%s%c\"=]") then return value end
  return (json.line(value):gsub("\n$", ""))
end

---As hclog prints for people: "[INFO]  module: message: key=value".
---@param entry gantry.LogLine
---@return string
function hclog.format(entry)
  if not entry.level then return entry.message end
  local keys = {}
  for key in pairs(entry.fields) do keys[#keys + 1] = key end
  table.sort(keys)
  for i, key in ipairs(keys) do keys[i] = key .. "=" .. shown(entry.fields[key]) end
  local level = words.pad("[" .. entry.level:upper() .. "]", 7)
  local text = ("%s %s%s"):format(level, entry.module and entry.module .. ": " or "", entry.message)
  if #keys > 0 then text = text .. ": " .. table.concat(keys, " ") end
  return text
end

return hclog
