-- SPDX-License-Identifier: Apache-2.0
--
--- protobuf/times.lua: Timestamp and Duration as text: "2024-05-01T12:00:00.5Z", "1.5s". In tables both are
--- { seconds =, nanos = }, of a duration with the same sign.

local times = {}

-- What protobuf allows: the years 1 to 9999, and durations of some 10,000 years.
local FIRST_SECOND <const>, LAST_SECOND <const> = -62135596800, 253402300799
local LONGEST_SECONDS <const> = 315576000000

---Days from 1970-01-01 to a date of the Gregorian calendar.
---@return integer
local function days_of(year, month, day)
  if month <= 2 then year, month = year - 1, month + 12 end
  return 365 * year + year // 4 - year // 100 + year // 400 + (153 * (month - 3) + 2) // 5 + day - 719469
end

---@param days integer since 1970-01-01
---@return integer year, integer month, integer day
local function date_of(days)
  days = days + 719468
  local era = days // 146097
  local of_era = days - era * 146097
  local year_of_era = (of_era - of_era // 1460 + of_era // 36524 - of_era // 146096) // 365
  local of_year = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
  local shifted = (5 * of_year + 2) // 153
  local month = shifted < 10 and shifted + 3 or shifted - 9
  return year_of_era + era * 400 + (month <= 2 and 1 or 0), month, of_year - (153 * shifted + 2) // 5 + 1
end

---@param nanos integer 0 to 999999999
---@return string empty, or a point and 3, 6 or 9 digits
local function fraction(nanos)
  if nanos == 0 then return "" end
  local digits = ("%09d"):format(nanos)
  return "." .. digits:gsub("000$", ""):gsub("000$", "")
end

---@param digits string of a fraction, at most 9
---@return integer nanos
local function nanos_of(digits)
  return math.tointeger(tonumber((digits .. "000000000"):sub(1, 9))) --[[@as integer]]
end

---@param value { seconds: integer, nanos: integer }
---@return string? text, string? reason
function times.timestamp_text(value)
  local seconds, nanos = value.seconds or 0, value.nanos or 0
  if seconds < FIRST_SECOND or seconds > LAST_SECOND or nanos < 0 or nanos > 999999999 then
    return nil, "is outside of the years 1 to 9999, or its nanos are"
  end
  local year, month, day = date_of(seconds // 86400)
  local second = seconds % 86400
  return ("%04d-%02d-%02dT%02d:%02d:%02d%sZ"):format(year, month, day, second // 3600, second // 60 % 60, second % 60,
    fraction(nanos))
end

local TIMESTAMP <const> = "^(%d%d%d%d)%-(%d%d)%-(%d%d)[Tt](%d%d):(%d%d):(%d%d)(%.?%d*)([Zz+-]?)(.*)$"

---@param zone string "Z", "+" or "-"
---@param rest string what follows
---@return integer? seconds
local function offset_of(zone, rest)
  if zone == "Z" or zone == "z" then return rest == "" and 0 or nil end
  local hours, minutes = rest:match("^(%d%d):(%d%d)$")
  if not hours then return nil end
  local seconds = math.tointeger(hours) * 3600 + math.tointeger(minutes) * 60
  return zone == "-" and -seconds or zone == "+" and seconds or nil
end

---@param text string by RFC 3339
---@return { seconds: integer, nanos: integer }? value
function times.timestamp(text)
  local year, month, day, hour, minute, second, part, zone, rest = text:match(TIMESTAMP)
  local offset = year and offset_of(zone, rest)
  if not offset or part ~= "" and not part:find("^%.%d%d?%d?%d?%d?%d?%d?%d?%d?$") then return nil end
  year, month, day = math.tointeger(year), math.tointeger(month), math.tointeger(day)
  hour, minute, second = math.tointeger(hour), math.tointeger(minute), math.tointeger(second)
  if month < 1 or month > 12 or hour > 23 or minute > 59 or second > 59 then return nil end
  local days = days_of(year, month, day)
  local _, same_month, same_day = date_of(days)
  if same_month ~= month or same_day ~= day then return nil end
  local seconds = days * 86400 + hour * 3600 + minute * 60 + second - offset
  if seconds < FIRST_SECOND or seconds > LAST_SECOND then return nil end
  return { seconds = seconds, nanos = nanos_of(part:sub(2)) }
end

---@param value { seconds: integer, nanos: integer }
---@return string? text, string? reason
function times.duration_text(value)
  local seconds, nanos = value.seconds or 0, value.nanos or 0
  if seconds > LONGEST_SECONDS or seconds < -LONGEST_SECONDS or math.abs(nanos) > 999999999 or seconds > 0 and nanos < 0
    or seconds < 0 and nanos > 0 then
    return nil, "is longer than 10,000 years, or its nanos have another sign than its seconds"
  end
  local sign = (seconds < 0 or nanos < 0) and "-" or ""
  return ("%s%d%ss"):format(sign, math.abs(seconds), fraction(math.abs(nanos)))
end

---@param text string such as "-1.5s"
---@return { seconds: integer, nanos: integer }? value
function times.duration(text)
  local sign, seconds, part = text:match("^(-?)(%d+)(%.?%d*)s$")
  if not seconds or #seconds > 12 or part ~= "" and not part:find("^%.%d%d?%d?%d?%d?%d?%d?%d?%d?$") then return nil end
  local value = { seconds = math.tointeger(seconds), nanos = nanos_of(part:sub(2)) }
  if value.seconds > LONGEST_SECONDS then return nil end
  if sign == "-" then value.seconds, value.nanos = -value.seconds, -value.nanos end
  return value
end

---A number of seconds in both forms' table.
---@param number number
---@param round fun(number: number): integer which second the nanos are counted from
---@return { seconds: integer, nanos: integer }
local function split(number, round)
  local whole = round(number)
  local nanos = math.tointeger(math.floor((number - whole) * 1e9 + 0.5))
  if nanos >= 1000000000 then whole, nanos = whole + 1, nanos - 1000000000 end
  return { seconds = whole, nanos = nanos }
end

---@param number number seconds since 1970
function times.timestamp_of_number(number)
  if number ~= number or math.abs(number) > LAST_SECOND then return nil end
  return split(number, math.floor)
end

---@param number number seconds
function times.duration_of_number(number)
  if number ~= number or math.abs(number) > LONGEST_SECONDS then return nil end
  local value = split(math.abs(number), math.floor)
  if number < 0 then value.seconds, value.nanos = -value.seconds, -value.nanos end
  return value
end

return times
