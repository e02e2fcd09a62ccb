-- SPDX-License-Identifier: Apache-2.0
--
--- base/hclog.lua: the log lines of go-plugin plugins: one JSON object a line (hclog's intlogger), or plain text.

local json = require "gantry.json"
local words = require "gantry.base.words"

local hclog = {}

---Of lines, lowest first.
hclog.LEVELS = { "trace", "debug", "info", "warn", "error" }

local RANKS <const> = { trace = 1, debug = 2, info = 3, warn = 4, error = 5 }

---@class gantry.LogLine
---@field level string? trace, debug, info, warn or error; nil for plain text
---@field module string?
---@field message string
---@field timestamp string? as the plugin wrote it
---@field fields table<string, any> all other keys, numbers with the digits that the plugin wrote

---What a key of hclog's own holds, where it holds what hclog puts there; anything else is a field like others.
---@param entry table
---@param key string
---@param known table<string, any>? the values that it may have
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
  local parsed = { message = message, level = take(entry, "@level", RANKS), module = take(entry, "@module"),
    timestamp = take(entry, "@timestamp"), fields = entry }
  take(entry, "@caller")
  return parsed
end

---@param level string
---@return integer rank the higher, the graver
function hclog.rank(level)
  return RANKS[level]
end

---Gives the level of one line after the other as go-plugin's hosts take them: plain text is debug, unless a level in
---brackets begins it, or a panic of Go's, which goes on until the plugin logs again.
---@return fun(entry: { level: string?, line: string, generation: integer? }): string level
function hclog.level_reader()
  local panics -- the generation that does
  return function(entry)
    if entry.level then
      panics = nil
      return entry.level
    end
    local named = (entry.line:match "^%[(%u+)%]" or ""):lower()
    if RANKS[named] then return named end
    if entry.line:find "^panic: " or entry.line:find "^fatal error: " then panics = entry.generation end
    return panics and panics == entry.generation and "error" or "debug"
  end
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
