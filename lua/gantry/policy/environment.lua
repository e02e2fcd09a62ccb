-- SPDX-License-Identifier: Apache-2.0
--
--- policy/environment.lua: the globals of a policy: Lua's own, without what reaches the machine or the launcher's
--- state. Each policy has a set of its own.

local absent = require "gantry.policy.absent"
local readonly = require "gantry.policy.readonly"
local system = require("gantry.core").system

local environment = {}

---@param from table
---@param names string
---@return table
local function pick(from, names)
  local picked = {}
  for name in names:gmatch("%S+") do picked[name] = from[name] end
  return picked
end

---Metatables: a policy reaches those that it set itself and no others. Finalizers would run without bounds.
---@param globals table
local function add_metatables(globals)
  local own = setmetatable({}, { __mode = "k" })

  function globals.setmetatable(value, metatable)
    if type(metatable) == "table" and rawget(metatable, "__gc") ~= nil then
      error("a policy cannot have finalizers (__gc)", 2)
    end
    if metatable ~= nil then own[metatable] = true end
    return setmetatable(value, metatable)
  end

  function globals.getmetatable(value)
    local metatable = type(value) == "table" and getmetatable(value) or nil
    if own[metatable or false] then return metatable end
    return nil
  end
end

---@param globals table
local function add_code(globals)
  ---Text alone: a binary chunk can do anything to the launcher.
  function globals.load(chunk, name, _, ...)
    local scope = globals
    if select("#", ...) > 0 then scope = ... end
    return load(chunk, name, "t", scope)
  end

  ---The handler runs after the error, not within: there it would run without bounds.
  function globals.xpcall(fn, handler, ...)
    local results = table.pack(pcall(fn, ...))
    if results[1] then return table.unpack(results, 1, results.n) end
    return false, handler(results[2])
  end
end

---@param options { folder: string?, on_open: fun(path: string)? } folder: what relative paths are below; on_open is
--- told of each file that is asked for
---@param path any
---@param mode any
---@return file*? handle, string? reason, integer? code
local function open(options, path, mode)
  mode = mode or "r"
  if type(path) ~= "string" then error("a path is a string, got " .. type(path), 3) end
  if options.folder and path:sub(1, 1) ~= "/" then path = options.folder .. "/" .. path end
  if mode ~= "r" and mode ~= "rb" then return nil, path .. ": a policy may only read files", 1 end
  if options.on_open then options.on_open(path) end
  local status = system.stat(path)
  -- What is no file may block the launcher for ever.
  if status and status.type ~= "file" then return nil, path .. ": is no regular file", 1 end
  return io.open(path, mode)
end

---@param options { folder: string?, on_open: fun(path: string)? }
---@return table the functions of io that policies have
local function files_module(options)
  return { open = function(path, mode) return open(options, path, mode) end,
    lines = function(path, ...)
      local handle, reason = open(options, path)
      if not handle then error(reason, 2) end
      return handle:lines(...)
    end }
end

---@param globals table
---@param print_line fun(text: string)?
local function add_print(globals, print_line)
  function globals.print(...)
    local texts = table.pack(...)
    for i = 1, texts.n do texts[i] = tostring(texts[i]) end
    if print_line then print_line(table.concat(texts, "\t")) end
  end
end

---The globals for one policy, but for `require`.
---@param options { print: fun(text: string)?, folder: string?, on_open: fun(path: string)? } print takes what the
--- policy prints; nothing does where nil. folder: what relative paths are below. on_open is told of each file that is
--- asked for
---@return table
function environment.new(options)
  local globals = pick(_G, [[_VERSION assert error ipairs pairs pcall rawequal rawget rawlen rawset select
    tonumber tostring type]])
  globals._G = globals
  globals.next = readonly.next
  globals.math = pick(math, [[abs acos asin atan ceil cos deg exp floor fmod huge log max maxinteger min mininteger
    modf pi rad random sin sqrt tan tointeger type ult]])
  globals.coroutine = pick(coroutine, "close create isyieldable resume status wrap yield")
  globals.utf8 = pick(utf8, "char charpattern codepoint codes len offset")
  globals.os = pick(os, "clock date difftime time")
  globals.io = files_module(options)
  globals.string = pick(string, [[byte char find format gmatch gsub len lower match pack packsize rep reverse sub
    unpack upper]])
  globals.table = pick(table, "concat insert move pack remove sort unpack")
  add_metatables(globals)
  add_code(globals)
  add_print(globals, options.print)
  absent.add(globals)
  return globals
end

return environment
