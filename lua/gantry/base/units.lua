-- SPDX-License-Identifier: Apache-2.0
--
--- base/units.lua: durations and sizes as people write them, to seconds and bytes, and back. A reason of failure is a
--- predicate, so that it reads well after a field's name: "must be a duration such as ..., got '5 apples'".

local words = require "gantry.base.words"

local units = {}

local SECONDS = { ns = 1e-9, us = 1e-6, ms = 1e-3, s = 1, m = 60, h = 3600, d = 86400 }
local BYTES = {
  b = 1,
  kb = 1000, mb = 1000 ^ 2, gb = 1000 ^ 3, tb = 1000 ^ 4,
  kib = 1024, mib = 1024 ^ 2, gib = 1024 ^ 3, tib = 1024 ^ 4,
}
local LONGEST_TEXT <const> = 64
local MOST_BYTES <const> = 1 << 52 -- as much as Linux can address on any machine
local MOST_SECONDS <const> = 36500 * 86400 -- what every clock and timer can reckon with

units.DURATION = 'a duration such as "250ms", "1m30s" or a number of seconds'
units.SIZE = 'a size such as "64MiB", "64MB" or a number of bytes'

---@param value any
---@param wanted string
---@param hint string?
---@return nil, string reason
local function refuse(value, wanted, hint)
  return nil, ("must be %s, got %s%s"):format(wanted, words.show(value), hint and " (" .. hint .. ")" or "")
end

---@param value number
---@return number? value, string? reason
local function not_negative(value, wanted)
  if value ~= value or value == math.huge or value == -math.huge then return refuse(value, wanted) end
  if value < 0 then return nil, "must not be negative, got " .. words.show(value) end
  return value
end

---@param seconds number
---@param written any
---@return number? seconds, string? reason
local function not_too_long(seconds, written)
  if seconds <= MOST_SECONDS then return seconds end
  return nil, "must be at most 36500d, got " .. words.show(written)
end

---@param bytes number
---@param written any
---@return integer? bytes, string? reason
local function not_too_large(bytes, written)
  if bytes <= MOST_BYTES then return math.floor(bytes) end
  return nil, "must be at most 4096TiB, got " .. words.show(written)
end

---@param text string
---@return number? seconds
local function parse_duration(text)
  local total, at = 0, 1
  while at <= #text do
    local number, unit, next_at = text:match("^(%d+%.?%d*)(%a+)()", at)
    if not number or not SECONDS[unit] then return nil end
    total, at = total + tonumber(number) * SECONDS[unit], next_at
  end
  return total
end

---A duration in seconds.
---@param value number|string seconds, or text such as "250ms", "1m30s", "2h"; units ns, us, ms, s, m, h, d
---@return number? seconds
---@return string? reason
function units.seconds(value)
  if type(value) == "number" then
    local seconds, reason = not_negative(value, units.DURATION)
    if not seconds then return nil, reason end
    return not_too_long(seconds, value)
  end
  if type(value) ~= "string" or value == "" or #value > LONGEST_TEXT then return refuse(value, units.DURATION) end
  local seconds = parse_duration(value)
  if seconds then return not_too_long(seconds, value) end
  return refuse(value, units.DURATION, tonumber(value) and "it has no unit" or nil)
end

---What to write instead of the short units of other tools, which mean 1000 here and 1024 there.
---@param number string
---@param unit string
---@return string? hint
local function size_hint(number, unit)
  if unit == "" then return "it has no unit" end
  local letter = unit:upper()
  if not letter:find("^[KMGT]$") then return nil end
  return ("write %s%siB for 1024, %s%sB for 1000"):format(number, letter, number, letter)
end

---A size in bytes.
---@param value integer|string bytes, or text such as "64MiB" (1024) and "64MB" (1000); units B, K, M, G, T
---@return integer? bytes
---@return string? reason
function units.bytes(value)
  if type(value) == "number" then
    local whole = math.tointeger(value)
    if not whole then return refuse(value, units.SIZE) end
    if whole < 0 then return not_negative(whole, units.SIZE) end
    return not_too_large(whole, value)
  end
  if type(value) ~= "string" or #value > LONGEST_TEXT then return refuse(value, units.SIZE) end
  local number, unit = value:match("^(%d+%.?%d*) ?(%a*)$")
  if not number then
    if value:find("^%-%d") then return nil, "must not be negative, got " .. words.show(value) end
    return refuse(value, units.SIZE)
  end
  local factor = BYTES[unit:lower()]
  if not factor then return refuse(value, units.SIZE, size_hint(number, unit)) end
  return not_too_large(tonumber(number) * factor, value)
end

---@param number number
---@return string with one decimal at most
local function short(number)
  return (("%.1f"):format(number):gsub("%.0$", ""))
end

---The shortest text for a size, exact where a unit fits: 67108864 is "64MiB".
---@param bytes integer
---@return string
function units.format_bytes(bytes)
  for _, unit in ipairs { "TiB", "GiB", "MiB", "KiB" } do
    local factor = BYTES[unit:lower()]
    if bytes >= factor then return short(bytes / factor) .. unit end
  end
  return ("%.0fB"):format(bytes)
end

---A duration in its two largest units: "250ms", "41.2s", "1m30s", "3h12m", "2d3h".
---@param seconds number
---@return string
function units.format_seconds(seconds)
  if seconds < 1 then return short(seconds * 1000) .. "ms" end
  if seconds < 60 then return short(seconds) .. "s" end
  if seconds ~= seconds or seconds >= 1 << 53 then return ("%.3gs"):format(seconds) end
  local whole = seconds // 1 | 0
  for _, pair in ipairs { { "d", "h" }, { "h", "m" }, { "m", "s" } } do
    local large, small = SECONDS[pair[1]], SECONDS[pair[2]]
    if whole >= large then
      local rest = whole % large // small
      return ("%d%s"):format(whole // large, pair[1]) .. (rest > 0 and ("%d%s"):format(rest, pair[2]) or "")
    end
  end
end

return units
