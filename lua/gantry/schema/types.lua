-- SPDX-License-Identifier: Apache-2.0
--
--- schema/types.lua: the kinds of values that a config field can have. A type says what it is, tells by its shape
--- whether a value is meant for it, and reads the value: checked, converted, copied. It knows no field.

local nearest = require "gantry.nearest"
local units = require "gantry.units"
local words = require "gantry.words"

local types = {}

---@alias gantry.Report fun(at: string, message: string) takes a finding: the path of the value, and the whole message

---@class gantry.Type
---@field kind string for tools: "string", "size", "list", ...
---@field text string what a value must be, after "must be": "a list of strings"
---@field unit string? of the value that was read
---@field is fun(value: any): boolean whether the value has this shape, in range or not
---@field read fun(value: any, at: string, report: gantry.Report): any the value as gantry uses it; nil once reported

---The path of a part of a value: `mounts[2]`, `mounts[2].source`.
---@param at string
---@param key string|integer
---@return string
function types.child(at, key)
  if type(key) ~= "string" then return ("%s[%s]"):format(at, key) end
  return at == "" and key or at .. "." .. key
end

---@param type { text: string }
---@param value any
---@param at string
---@param report gantry.Report
local function mistyped(type, value, at, report)
  report(at, ("%s must be %s, got %s"):format(at, type.text, words.show(value)))
end

types.mistyped = mistyped

---A type from its shape and a function that converts: to a value, or to nil and a predicate ("must be ...").
---@param type table kind, text, unit, is
---@param convert fun(value: any): any, string?
---@return gantry.Type
local function scalar(type, convert)
  function type.read(value, at, report)
    if not type.is(value) then return mistyped(type, value, at, report) end
    local result, reason = convert(value)
    if result == nil then report(at, at .. " " .. reason) end
    return result
  end
  return type
end

---@param value any
---@return boolean
local function is_string(value) return type(value) == "string" end

---@param value any
---@return boolean
local function is_number(value) return type(value) == "number" end

---@param value any
---@return boolean
local function is_table(value) return type(value) == "table" end

---@class gantry.StringOptions
---@field kind string?
---@field text string?
---@field empty boolean? whether "" may be
---@field check (fun(text: string): string?, string?)? converts, or returns nil and a predicate

---@param options gantry.StringOptions?
---@return gantry.Type
function types.string(options)
  options = options or {}
  return scalar({ kind = options.kind or "string", text = options.text or "a string", is = is_string }, function(text)
    if text == "" and not options.empty then return nil, "must not be empty" end
    if text:find("\0", 1, true) then return nil, "must not contain a zero byte, got " .. words.show(text) end
    if options.check then return options.check(text) end
    return text
  end)
end

---@return gantry.Type
function types.boolean()
  return scalar({ kind = "boolean", text = "true or false", is = function(value) return type(value) == "boolean" end },
    function(value) return value end)
end

---@return gantry.Type
function types.callable()
  return scalar({ kind = "function", text = "a function", is = function(value) return type(value) == "function" end },
    function(value) return value end)
end

---@param value number
---@param bounds { min: number?, max: number? }
---@param format fun(value: number): string of the bounds
---@param written any the value as the policy has it
---@return string? reason
local function outside(value, bounds, format, written)
  local which, bound
  if bounds.min and value < bounds.min then which, bound = "at least", bounds.min end
  if bounds.max and value > bounds.max then which, bound = "at most", bounds.max end
  if which then return ("must be %s %s, got %s"):format(which, format(bound), words.show(written)) end
end

---@param bounds { min: integer?, max: integer?, text: string? }?
---@return gantry.Type
function types.integer(bounds)
  bounds = bounds or {}
  local text = bounds.text or "a whole number"
  return scalar({ kind = "integer", text = text, is = is_number }, function(value)
    local whole = math.tointeger(value)
    if not whole then return nil, ("must be %s, got %s"):format(text, words.show(value)) end
    local reason = outside(whole, bounds, words.show, value)
    if reason then return nil, reason end
    return whole
  end)
end

---@param bounds { min: number?, max: number? }?
---@return gantry.Type
function types.number(bounds)
  bounds = bounds or {}
  return scalar({ kind = "number", text = "a number", is = is_number }, function(value)
    if value ~= value or math.abs(value) == math.huge then return nil, "must be a number, got " .. words.show(value) end
    local reason = outside(value, bounds, words.show, value)
    if reason then return nil, reason end
    return value
  end)
end

---@param value any
---@return boolean
local function is_amount(value) return is_string(value) or is_number(value) end

---@param type table
---@param parse fun(value: any): number?, string?
---@param bounds { min: any, max: any } in what a policy may write
---@param format fun(value: number): string
---@return gantry.Type
local function amount(type, parse, bounds, format)
  local parsed = { min = bounds.min and assert(parse(bounds.min)), max = bounds.max and assert(parse(bounds.max)) }
  return scalar(type, function(value)
    local result, reason = parse(value)
    reason = reason or outside(result, parsed, format, value)
    if reason then return nil, reason end
    return result
  end)
end

---@param bounds { min: string|number?, max: string|number? }?
---@return gantry.Type
function types.duration(bounds)
  local type = { kind = "duration", text = units.DURATION, unit = "seconds", is = is_amount }
  return amount(type, units.seconds, bounds or {}, units.format_seconds)
end

---@param bounds { min: string|integer?, max: string|integer? }?
---@return gantry.Type
function types.size(bounds)
  local type = { kind = "size", text = units.SIZE, unit = "bytes", is = is_amount }
  return amount(type, units.bytes, bounds or {}, units.format_bytes)
end

---One of a few words.
---@param choices string[]
---@return gantry.Type
function types.enumeration(choices)
  local quoted = {}
  for i, choice in ipairs(choices) do quoted[i] = '"' .. choice .. '"' end
  local text = words.either(quoted)
  local type = { kind = "enumeration", text = text, choices = choices, is = is_string }
  return scalar(type, function(value)
    for _, choice in ipairs(choices) do
      if value == choice then return value end
    end
    local near = nearest.find(value, choices)
    local hint = near and ("; did you mean '%s'?"):format(near) or ""
    return nil, ("must be %s, got %s%s"):format(text, words.show(value), hint)
  end)
end

---@param value table
---@return boolean
local function is_list(value)
  if not is_table(value) then return false end
  local count = 0
  for key in pairs(value) do
    if math.type(key) ~= "integer" then return false end
    count = count + 1
  end
  return count == #value
end

types.is_list = is_list

---A list of values of one type.
---@param element gantry.Type
---@param options { text: string?, min: integer?, unique: boolean? }? text is the whole phrase: "a list of strings"
---@return gantry.Type
function types.list(element, options)
  options = options or {}
  local text = options.text or "a list of " .. element.kind .. "s"
  local type = { kind = "list", text = text, element = element, is = is_list }
  function type.read(value, at, report)
    if not is_list(value) then return mistyped(type, value, at, report) end
    if #value < (options.min or 0) then return report(at, at .. " must not be empty") end
    local result, seen = {}, {}
    for i, one in ipairs(value) do
      local item = element.read(one, types.child(at, i), report)
      if options.unique and item ~= nil then
        if seen[item] then report(types.child(at, i), ("%s: %s is there twice"):format(at, words.show(item))) end
        seen[item] = true
      end
      result[#result + 1] = item
    end
    return result
  end
  return type
end

---One value of a type, or a list of them; read as a list.
---@param element gantry.Type
---@return gantry.Type
function types.one_or_list(element)
  local list = types.list(element, { text = element.text .. ", or a list of them", min = 1, unique = true })
  return {
    kind = "list", text = list.text, element = element,
    is = function(value) return element.is(value) or is_list(value) end,
    read = function(value, at, report)
      if not element.is(value) then return list.read(value, at, report) end
      local one = element.read(value, at, report)
      return one ~= nil and { one } or nil
    end,
  }
end

---A map from names to values of one type.
---@param element gantry.Type
---@param options { text: string?, key: (fun(key: string): string?)? }? key returns a predicate where it refuses
---@return gantry.Type
function types.map(element, options)
  options = options or {}
  local text = options.text or "a map of " .. element.kind .. "s"
  local type = { kind = "map", text = text, element = element, is = is_table }
  function type.read(value, at, report)
    if not is_table(value) then return mistyped(type, value, at, report) end
    local result = {}
    for key, one in pairs(value) do
      if not is_string(key) then return mistyped(type, value, at, report) end
      local reason = options.key and options.key(key)
      if reason then report(types.child(at, key), ("%s: the name %s %s"):format(at, words.show(key), reason)) end
      result[key] = element.read(one, types.child(at, key), report)
    end
    return result
  end
  return type
end

---Data of any shape: tables, strings, numbers, booleans. For what gantry hands on unread.
---@return gantry.Type
function types.data()
  local function read(value, at, report)
    local kind = type(value)
    if kind == "string" or kind == "number" or kind == "boolean" then return value end
    if kind ~= "table" then return mistyped({ text = "data" }, value, at, report) end
    local result = {}
    for key, one in pairs(value) do result[key] = read(one, types.child(at, key), report) end
    return result
  end
  return { kind = "data", text = "data", is = function() return true end, read = read }
end

---The first of several types whose shape a value has.
---@param ... gantry.Type
---@return gantry.Type
function types.union(...)
  local members, texts, kinds = { ... }, {}, {}
  for i, member in ipairs(members) do texts[i], kinds[i] = member.text, member.kind end
  local type = { kind = table.concat(kinds, "|"), text = words.either(texts), members = members }
  local function member_for(value)
    for _, member in ipairs(members) do
      if member.is(value) then return member end
    end
  end
  function type.is(value) return member_for(value) ~= nil end
  function type.read(value, at, report)
    return (member_for(value) or { read = function() mistyped(type, value, at, report) end }).read(value, at, report)
  end
  return type
end

return types
