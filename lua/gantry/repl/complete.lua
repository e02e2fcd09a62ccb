-- SPDX-License-Identifier: Apache-2.0
--
--- repl/complete.lua: what could stand where the cursor is: globals, fields, methods, services and their methods,
--- fields of policies and of messages, policy files. May wait, since it asks plugins for their services.

local core = require "gantry.core"
local schema = require "gantry.config.schema"
local task = require "gantry.task"

local complete = {}

-- Seconds in which a plugin must have told of its services.
local TIMEOUT <const> = 2

local KEYWORDS <const> = { "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "goto", "if",
  "in", "local", "nil", "not", "or", "repeat", "return", "then", "true", "until", "while" }

---@class gantry.Place where the cursor is
---@field word string what is being completed
---@field quoted boolean? in a text
---@field before string what stands before the word, or before the quote
---@field braces string[] for each brace that is open there, what stands before it

---Looks at the text up to the cursor: is it in a text, in which braces?
---@param text string
---@return gantry.Place
local function look(text)
  local quote, quote_at, braces, at = nil, 0, {}, 1
  while at <= #text do
    local byte = text:sub(at, at)
    if quote then
      if byte == "\\" then at = at + 1 elseif byte == quote then quote = nil end
    elseif byte == '"' or byte == "'" then
      quote, quote_at = byte, at
    elseif byte == "{" then
      braces[#braces + 1] = text:sub(1, at - 1)
    elseif byte == "}" then
      braces[#braces] = nil
    elseif text:sub(at, at + 1) == "--" then
      at = (text:find("\n", at, true) or #text + 1) - 1
    end
    at = at + 1
  end
  if quote then
    return { word = text:sub(quote_at + 1), quoted = true, before = text:sub(1, quote_at - 1), braces = braces }
  end
  local word = text:match("[%a_][%w_.:]*$") or ""
  return { word = word, before = text:sub(1, #text - #word), braces = braces }
end

-- ---- looking at values without running code of theirs ----

---@param value any
---@return table? where its methods come from
local function methods_of(value)
  local metatable = debug.getmetatable(value)
  local index = type(metatable) == "table" and rawget(metatable, "__index")
  return type(index) == "table" and index or nil
end

---@param value any
---@param key string
---@return any
local function field(value, key)
  local depth = 0
  while value ~= nil and depth < 8 do
    if type(value) == "table" and rawget(value, key) ~= nil then return rawget(value, key) end
    value, depth = methods_of(value), depth + 1
  end
end

---A plugin's services, by full name; nothing where it does not tell.
---@param plugin gantry.Plugin
---@return table<string, string[]>
local function services_of(plugin)
  local ok, services = pcall(task.deadline, TIMEOUT, plugin.services, plugin)
  return ok and services or {}
end

---@class gantry.RpcPlace stands for plugin.rpc, or for a service of it
---@field plugin gantry.Plugin
---@field service string?

---The value of `a.b.c`, as far as that is known without running anything.
---@param session gantry.Session
---@param path string
---@return any
local function resolve(session, path)
  local value
  for name in path:gmatch("[%a_][%w_]*") do
    if getmetatable(value) == complete then
      if value.service then return nil end
      value = setmetatable({ plugin = value.plugin, service = name }, complete)
    elseif value == nil then
      value = rawget(session.environment, name) or rawget(_G, name)
      if name == "engine" then value = session.found_engine end
      if value == nil then return nil end
    elseif name == "rpc" and type(value) == "table" and field(value, "services") then
      value = setmetatable({ plugin = value }, complete)
    else
      value = field(value, name)
      if value == nil then return nil end
    end
  end
  return value
end

-- ---- candidates ----

local function identifiers(value, only_functions, found)
  local depth = 0
  while value ~= nil and depth < 8 do
    for key, content in next, type(value) == "table" and value or {} do
      if type(key) == "string" and key:find("^[%a_][%w_]*$") and not key:find("^__")
        and (not only_functions or type(content) == "function") then
        found[key] = true
      end
    end
    value, depth = methods_of(value), depth + 1
  end
end

---@param place gantry.RpcPlace
---@param found table<string, true>
local function rpc_names(place, found)
  for full, methods in pairs(services_of(place.plugin)) do
    local short = full:match("[^.]*$")
    if not place.service then
      found[short] = true
    elseif short == place.service or full == place.service then
      for _, method in ipairs(methods) do found[method] = true end
    end
  end
end

---@param session gantry.Session
---@param base string
---@param separator "."|":"
---@return table<string, true> what `base` has, as far as that is known without running anything
function complete.members(session, base, separator)
  local value, found = resolve(session, base), {}
  if getmetatable(value) == complete then
    rpc_names(value, found)
  elseif value ~= nil then
    identifiers(value, separator == ":", found)
    if separator == "." and type(value) == "table" and field(value, "services") then found.rpc = true end
  end
  return found
end

---@param session gantry.Session
---@return table<string, true>
function complete.globals(session)
  local found = { engine = true, ctx = true }
  identifiers(session.environment, false, found)
  for key in pairs(_G) do found[key] = true end
  for _, word in ipairs(KEYWORDS) do found[word] = true end
  return found
end

---@param session gantry.Session
---@param opener string what stands before an open brace
---@return table<string, true>? names of fields that may stand in the braces
local function field_names(session, opener)
  local found = {}
  local command = opener:match("([%a_][%w_.]*)%s*%(?%s*$")
  if command and ({ launch = true, plan = true, check = true, simulate = true })[command:match("[%w_]*$")] then
    for _, one in ipairs(schema.fields) do found[one.name .. " = "] = true end
    return found
  end
  local base, method = opener:match("([%a_][%w_.]*):([%a_][%w_]*)%s*%(?%s*$")
  local place = base and resolve(session, base)
  local plugin, path
  if getmetatable(place) == complete and place.service then
    plugin, path = place.plugin, place.service .. "/" .. method
  else
    local object, called = opener:match("([%a_][%w_.]*):%a+%s*%(%s*[\"']([^\"']+)[\"']%s*,%s*$")
    plugin, path = object and resolve(session, object), called
  end
  if not plugin or not field(plugin, "method") then return nil end
  local ok, type_of = pcall(task.deadline, TIMEOUT, plugin.method, plugin, path)
  if not ok or not type_of then return nil end
  for _, one in ipairs(type_of.input.fields or {}) do found[one.name .. " = "] = true end
  return found
end

---@param word string the start of a path
---@return table<string, true> folders and Lua files
local function file_names(word)
  local folder, found = word:match("^(.*/)") or "", {}
  for _, name in ipairs(core.files.list(folder == "" and "." or folder) or {}) do
    local path = folder .. name
    local is_folder = core.files.list(path) ~= nil
    local wanted = name:sub(1, 1) ~= "." and (is_folder or name:find("%.lua$"))
    if wanted then found[path .. (is_folder and "/" or "")] = true end
  end
  return found
end

---@param session gantry.Session
---@param place gantry.Place
---@return table<string, true> names that may stand in the text
local function quoted_names(session, place)
  local found = {}
  local object = place.before:match("([%a_][%w_.]*)[.:]%a+%s*%(?%s*$")
  local plugin = object and resolve(session, object)
  if plugin and field(plugin, "services") then
    for full, methods in pairs(services_of(plugin)) do
      for _, method in ipairs(methods) do found[full .. "/" .. method] = true end
    end
    return found
  end
  if place.before:find("help%s*%(?%s*$") then
    found.policy = true
    for _, one in ipairs(schema.fields) do found[one.name] = true end
    return found
  end
  return file_names(place.word)
end

---@param names table<string, true>
---@param partial string
---@return string[]
local function that_begin_with(names, partial)
  local list = {}
  for name in pairs(names) do
    if name:sub(1, #partial) == partial then list[#list + 1] = name end
  end
  table.sort(list)
  return list
end

---@param session gantry.Session
---@param text string all up to the cursor, earlier lines of the same chunk included
---@return string partial what is there of the name
---@return string[] names that begin with it
function complete.find(session, text)
  local place = look(text)
  if place.quoted then return place.word, that_begin_with(quoted_names(session, place), place.word) end
  local base, separator, partial = place.word:match("^(.*)([.:])([%w_]*)$")
  if base then return partial, that_begin_with(complete.members(session, base, separator), partial) end
  local opener = place.braces[#place.braces]
  local fields = opener and place.before:find("[{,;\n]%s*$") and field_names(session, opener)
  if fields then return place.word, that_begin_with(fields, place.word) end
  return place.word, that_begin_with(complete.globals(session), place.word)
end

---What all names begin with.
---@param names string[]
---@return string
function complete.common_start(names)
  local first, last = names[1], names[#names]
  local length = 0
  while length < #first and first:byte(length + 1) == last:byte(length + 1) do length = length + 1 end
  return first:sub(1, length)
end

return complete
