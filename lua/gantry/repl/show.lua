-- SPDX-License-Identifier: Apache-2.0
--
--- repl/show.lua: a value as a person reads it: on one line where it fits, else one entry a line; as Lua writes it.

local printable = require "gantry.text.printable"

local show = {}

-- Of a table: so deep, and so many entries; of a text: so many bytes. More than that is cut, and says so.
local DEPTH <const>, ENTRIES <const>, BYTES <const> = 12, 200, 4096
local KEYWORDS = {}
for word in ("and break do else elseif end false for function goto if in local nil not or repeat return then true "
  .. "until while"):gmatch("%a+") do KEYWORDS[word] = true end

local ESCAPES = { ["\n"] = "\\n", ["\t"] = "\\t", ["\r"] = "\\r", ['"'] = '\\"', ["\\"] = "\\\\" }

---@param text string
---@return string as it stands in a Lua string, with what a terminal would act on escaped
local function escape(text)
  return printable.text((text:gsub('[\t\n\r"\\]', ESCAPES)))
end

---@param text string
---@return string
local function quoted(text)
  if #text <= BYTES then return '"' .. escape(text) .. '"' end
  return ('"%s"… (%d bytes)'):format(escape(text:sub(1, BYTES)), #text)
end

---@param key any
---@return string
local function key_text(key)
  if type(key) == "string" and key:find("^[%a_][%w_]*$") and not KEYWORDS[key] then return key .. " = " end
  return ("[%s] = "):format(type(key) == "string" and quoted(key) or tostring(key))
end

local RANK = { number = 1, string = 2, boolean = 3 }

local function before(left, right)
  local left_rank, right_rank = RANK[type(left)] or 4, RANK[type(right)] or 4
  if left_rank ~= right_rank then return left_rank < right_rank end
  if left_rank <= 2 then return left < right end
  return tostring(left) < tostring(right)
end

---The keys that are not the list's, in order.
local function other_keys(value, length)
  local keys = {}
  for key in next, value do
    if math.type(key) ~= "integer" or key < 1 or key > length then keys[#keys + 1] = key end
  end
  table.sort(keys, before)
  return keys
end

---@param value function
---@return string
local function function_text(value)
  local info = debug.getinfo(value, "S")
  if info.what == "C" then return "function (C)" end
  return ("function (%s:%d)"):format(info.short_src:match("[^/]*/?[^/]*$"), info.linedefined)
end

---@class gantry.Shown what one value is shown with
---@field width integer
---@field above table<table, true> the tables around the one being shown

local text_of

---@return string[] entries
local function entries_of(value, state, depth)
  local length, entries = rawlen(value), {}
  local function add(key, shown_key)
    entries[#entries + 1] = shown_key .. text_of(rawget(value, key), state, depth + 1)
  end
  for index = 1, math.min(length, ENTRIES) do add(index, "") end
  local keys = other_keys(value, length)
  for place = 1, math.min(#keys, math.max(ENTRIES - length, 0)) do add(keys[place], key_text(keys[place])) end
  local left = length + #keys - #entries
  if left > 0 then entries[#entries + 1] = ("… (%d more)"):format(left) end
  return entries
end

---@param entries string[]
---@return boolean
local function fits(entries, room)
  local used = 4
  for _, entry in ipairs(entries) do
    if entry:find("\n", 1, true) then return false end
    used = used + (utf8.len(entry) or #entry) + 2
  end
  return used <= room
end

---@param value table
---@param state gantry.Shown
---@param depth integer
---@return string
local function table_text(value, state, depth)
  if state.above[value] then return "<the table it is in>" end
  if next(value) == nil then return "{}" end
  if depth >= DEPTH then return "{ … }" end
  state.above[value] = true
  local entries = entries_of(value, state, depth)
  state.above[value] = nil
  if fits(entries, state.width - 2 * depth) then return "{ " .. table.concat(entries, ", ") .. " }" end
  local indent = ("  "):rep(depth + 1)
  return ("{\n%s%s\n%s}"):format(indent, table.concat(entries, ",\n" .. indent), ("  "):rep(depth))
end

---@param value any
---@return string? text by its own __tostring
local function own_text(value)
  local metatable = debug.getmetatable(value)
  if type(metatable) ~= "table" or not rawget(metatable, "__tostring") then return nil end
  local ok, text = pcall(tostring, value)
  return ok and text or nil
end

---@param value any
---@param state gantry.Shown
---@param depth integer
---@return string
function text_of(value, state, depth)
  local kind = type(value)
  if kind == "string" then return quoted(value) end
  if kind == "function" then return function_text(value) end
  if kind ~= "table" and kind ~= "userdata" then return tostring(value) end
  local own = own_text(value)
  if own then return own end
  if kind == "userdata" then return tostring(value) end
  return table_text(value, state, depth)
end

---@param value any
---@param width integer? columns; 80 where nil
---@return string
function show.value(value, width)
  return text_of(value, { width = width or 80, above = {} }, 0)
end

return show
