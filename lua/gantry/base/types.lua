-- SPDX-License-Identifier: Apache-2.0
--
--- base/types.lua: the kinds of values that come from elsewhere: from policies, engines, state files, a running
--- `gantry up`. A type says what it is, tells by its shape whether a value is meant for it, and reads the value:
--- checked, converted, copied. It raises nothing.

local json = require "gantry.json"
local nearest = require "gantry.base.nearest"
local units = require "gantry.base.units"
local words = require "gantry.base.words"

local types = {}

-- The longest name that the path of a value is written with; the most bytes that one string of a process may have, in
-- Linux' execve.
local LONGEST_KEY <const>, LONGEST_STRING <const> = 256, 128 * 1024 - 1

types.LONGEST_STRING = LONGEST_STRING

---@alias gantry.Report fun(at: string, message: string) takes a finding: the path of the value, and the whole message

---@class gantry.Type
---@field kind string for tools: "string", "size", "list", ...
---@field text string what a value must be, after "must be": "a list of strings"
---@field unit string? of the value that was read
---@field optional boolean? an object's field that may be missing
---@field is fun(value: any): boolean whether the value has this shape, in range or not
---@field read fun(value: any, at: string, report: gantry.Report): any the value as gantry uses it; nil once reported

---The path of a part of a value: `mounts[2]`, `mounts[2].source`.
---@param at string
---@param key string|integer
---@return string
function types.child(at, key)
  local plain = type(key) == "string" and #key <= LONGEST_KEY and not key:find "%c"
  if not plain then return ("%s[%s]"):format(at, words.show(key)) end
  return at == "" and key or at .. "." .. key
end

---@param type { text: string }
---@param value any
---@param at string
---@param report gantry.Report
local function mistyped(type, value, at, report)
  local shown = json.is_number(value) and tostring(value) or words.show(value)
  report(at, ("%s must be %s, got %s"):format(at, type.text, shown))
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
local function is_table(value) return type(value) == "table" and not json.is_number(value) end

---Why a text cannot be handed on to an engine, and by it to a process.
---@param text string
---@param one_line boolean?
---@return string? reason a predicate
local function unsendable(text, one_line)
  if #text > LONGEST_STRING then return ("must be at most %d bytes long, got %d"):format(LONGEST_STRING, #text) end
  if text:find("\0", 1, true) then return "must not contain a zero byte, got " .. words.show(text) end
  if not utf8.len(text) then return "must be UTF-8, got " .. words.show(text) end
  if one_line and text:find "%c" then return "must not contain control characters, got " .. words.show(text) end
end

---A string of any bytes.
---@return gantry.Type
function types.text()
  return scalar({ kind = "string", text = "a string", is = is_string }, function(text) return text end)
end

---The id of a container or image as engines make it: nothing else may become part of a path or a request.
---@return gantry.Type
function types.id()
  return scalar({ kind = "id", text = "an id of 64 hex digits", is = function(value)
    return is_string(value) and #value == 64 and not value:find("%X")
  end }, function(id) return id end)
end

---@class gantry.StringOptions
---@field one_line boolean? whether control characters are refused
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
    local reason = unsendable(text, options.one_line)
    if reason then return nil, reason end
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
    if json.is_array(value) then json.array(result) end
    return result
  end
  return type
end

---One value of a type, or a list of them; read as a list.
---@param element gantry.Type
---@param options { empty: boolean? }? whether the list may be empty
---@return gantry.Type
function types.one_or_list(element, options)
  local list = types.list(element, { text = element.text .. ", or a list of them",
    min = options and options.empty and 0 or 1, unique = true })
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
      local reason = key == "" and "is empty" or unsendable(key, true) or options.key and options.key(key)
      if reason then report(types.child(at, key), ("%s: the name %s %s"):format(at, words.show(key), reason)) end
      result[key] = element.read(one, types.child(at, key), report)
    end
    return result
  end
  return type
end

---@return gantry.Type
function types.any()
  return { kind = "any", text = "a value", is = function() return true end, read = function(value) return value end }
end

---Those entries of a map that are strings, without zero bytes, which no path can have; none where it is no map.
---@return gantry.Type
function types.strings()
  return { kind = "map", text = "a map of strings", is = is_table, optional = true, read = function(value)
    local found = {}
    for key, one in next, is_table(value) and value or {} do
      if is_string(key) and is_string(one) and not one:find("\0", 1, true) then found[key] = one end
    end
    return found
  end }
end

---A value that may be left out of an object.
---@param inner gantry.Type
---@return gantry.Type
function types.optional(inner)
  local type = { optional = true, read = function(value, at, report)
    if value ~= nil then return inner.read(value, at, report) end
  end }
  return setmetatable(type, { __index = inner })
end

---A table of which some fields are known; others are left as they are.
---@param fields table<string, gantry.Type>
---@return gantry.Type
function types.object(fields)
  local names = {} -- in an order of their own, so that the same value always has the same first finding
  for name in pairs(fields) do names[#names + 1] = name end
  table.sort(names)
  local type = { kind = "object", text = "an object", is = is_table }
  function type.read(value, at, report)
    if not is_table(value) then return mistyped(type, value, at, report) end
    local result = {}
    for key, one in next, value do result[key] = one end
    for _, name in ipairs(names) do
      local path, one, field = types.child(at, name), value[name], fields[name]
      if one == nil and not field.optional then
        report(path, path .. " is missing")
      else
        result[name] = field.read(one, path, report)
      end
    end
    return result
  end
  return type
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

---Reads a value of which one finding is enough.
---@param type gantry.Type
---@param value any
---@param name string what the value is called in the finding
---@return any value nil where it does not fit, and where there is none
---@return string? finding
---@return string? path
function types.first_finding(type, value, name)
  local finding, path
  local read = type.read(value, name, function(at, message)
    if not finding then finding, path = message, at end
  end)
  if finding then return nil, finding, path end
  return read
end

return types
