-- SPDX-License-Identifier: Apache-2.0
--
--- policy/data.lua: plain data as bytes and back, for what goes between a supervisor and the process that runs its
--- policies. Both directions are total: what does not fit is `nil, reason`. Numbers keep their kind, keys may be of any
--- kind, a function travels as a number that stands for it, and equal data gives equal bytes.

local data = {}

local DEEPEST <const> = 64

local pack, unpack = string.pack, string.unpack

---@class gantry.DataOptions
---@field number_of (fun(fn: function): integer)? for encode; functions are refused without it
---@field function_of (fun(number: integer): function?)? for decode

local put

---@type table<string, fun(value: any, options: table, depth: integer): string>
local ENCODERS = {
  ["nil"] = function() return "n" end,
  boolean = function(value) return value and "t" or "f" end,
  integer = function(value) return pack("<c1i8", "i", value) end,
  float = function(value) return pack("<c1d", "d", value) end,
  string = function(value) return pack("<c1s4", "s", value) end,
}

ENCODERS["function"] = function(value, options)
  if not options.number_of then error("a function is no data", 0) end
  return pack("<c1I4", "F", options.number_of(value))
end

-- By the raw content: no method of the table runs.
function ENCODERS.table(value, options, depth)
  if depth > DEEPEST then error("nested too deeply", 0) end
  local keys, content = {}, {}
  for key, one in next, value do
    local name = put(key, {}, depth + 1)
    keys[#keys + 1], content[name] = name, one
  end
  table.sort(keys)
  local parts = { pack("<c1I4", "T", #keys) }
  for _, name in ipairs(keys) do
    parts[#parts + 1] = name
    parts[#parts + 1] = put(content[name], options, depth + 1)
  end
  return table.concat(parts)
end

function put(value, options, depth)
  local encoder = ENCODERS[math.type(value) or type(value)]
  if not encoder then error("a " .. type(value) .. " is no data", 0) end
  return encoder(value, options, depth)
end

---@param value any
---@param options gantry.DataOptions?
---@return string? bytes, string? reason
function data.encode(value, options)
  local ok, bytes = pcall(put, value, options or {}, 1)
  if ok then return bytes end
  return nil, tostring(bytes)
end

local take

---@type table<string, fun(bytes: string, at: integer, options: table, depth: integer): any, integer>
local DECODERS = {
  n = function(_, at) return nil, at end,
  t = function(_, at) return true, at end,
  f = function(_, at) return false, at end,
  i = function(bytes, at) return unpack("<i8", bytes, at) end,
  d = function(bytes, at) return unpack("<d", bytes, at) end,
  s = function(bytes, at) return unpack("<s4", bytes, at) end,
}

function DECODERS.F(bytes, at, options)
  local number, after = unpack("<I4", bytes, at)
  local fn = options.function_of and options.function_of(number)
  if not fn then error("an unknown function", 0) end
  return fn, after
end

function DECODERS.T(bytes, at, options, depth)
  if depth > DEEPEST then error("nested too deeply", 0) end
  local result = {}
  local count, next_at = unpack("<I4", bytes, at)
  for _ = 1, count do
    local key, value
    key, next_at = take(bytes, next_at, {}, depth + 1)
    value, next_at = take(bytes, next_at, options, depth + 1)
    result[key] = value
  end
  return result, next_at
end

function take(bytes, at, options, depth)
  local decoder = DECODERS[bytes:sub(at, at)]
  if not decoder then error("no data", 0) end
  return decoder(bytes, at + 1, options, depth)
end

---@param bytes string
---@param options gantry.DataOptions?
---@return any value, string? reason nil and a reason where the bytes are no data
function data.decode(bytes, options)
  local ok, value, at = pcall(take, bytes, 1, options or {}, 1)
  if not ok then return nil, tostring(value) end
  if at ~= #bytes + 1 then return nil, "more than one value" end
  return value
end

return data
