-- SPDX-License-Identifier: Apache-2.0
--
--- hclog.lua: the log lines of go-plugin plugins: one JSON object a line (hclog's intlogger), or plain text.

local json = require "gantry.json"

local hclog = {}

local LEVELS = { trace = true, debug = true, info = true, warn = true, error = true }
local KNOWN = { ["@level"] = true, ["@message"] = true, ["@timestamp"] = true, ["@module"] = true, ["@caller"] = true }

---@class gantry.LogLine
---@field level string? trace, debug, info, warn or error; nil for plain text
---@field module string?
---@field message string
---@field timestamp string? as the plugin wrote it
---@field fields table<string, any> all other keys

---@param line string
---@return gantry.LogLine
function hclog.parse(line)
  local entry = line:find("^%s*{") and json.decode(line)
  if type(entry) ~= "table" or type(entry["@message"]) ~= "string" then return { message = line, fields = {} } end
  local fields = {}
  for key, value in pairs(entry) do
    if not KNOWN[key] then fields[key] = value end
  end
  local level = entry["@level"]
  return {
    level = LEVELS[level] and level or nil, module = entry["@module"], message = entry["@message"],
    timestamp = entry["@timestamp"], fields = fields,
  }
end

---@param value any
---@return string
local function shown(value)
  if type(value) == "table" then return (json.encode(value)) or "?" end
  local text = tostring(value)
  return text:find("[%s\"=]") and ("%q"):format(text) or text
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
  local text = ("%-7s %s%s"):format("[" .. entry.level:upper() .. "]", entry.module and entry.module .. ": " or "",
    entry.message)
  if #keys > 0 then text = text .. ": " .. table.concat(keys, " ") end
  return text
end

return hclog
