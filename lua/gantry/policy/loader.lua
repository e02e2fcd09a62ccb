-- SPDX-License-Identifier: Apache-2.0
--
--- policy/loader.lua: the files of one policy: itself and the modules that it requires, all with the same globals. It
--- runs them within bounds, and says of a failure in which file and line it is.

local api = require "gantry.policy.api"
local core = require "gantry.core"
local environment = require "gantry.policy.environment"
local errors = require "gantry.errors"
local file = require "gantry.policy.file"
local source = require "gantry.source"
local strings = require "gantry.policy.strings"
local units = require "gantry.units"

local loader = {}

-- Some tenths of a second of pure Lua; memory and CPU time bound what instructions do not.
loader.LIMITS = { instructions = 20000000, bytes = 32 * 1024 * 1024, seconds = 2 }

---@class gantry.PolicyLoader
---@field path string of the policy
---@field folders string[] where its modules are looked for
---@field globals table
---@field limits table what one call into the policy may use
---@field texts { path: string, text: string }[] all that was compiled, the policy first
---@field path_of table<string, string> short name of a chunk, as in Lua's messages -> path
---@field loaded table<string, any> results of modules by name
---@field loading table<string, boolean>
local Loader = {}
Loader.__index = Loader

---@param path string
---@return string
local function folder_of(path)
  return path:match("^(.*)/[^/]*$") or "."
end

---@param path string
---@param options { shipped: string?, print: fun(text: string)?, limits: table? }
---@return gantry.PolicyLoader
function loader.new(path, options)
  local self = setmetatable({
    path = path, folders = { folder_of(path), options.shipped }, limits = options.limits or loader.LIMITS,
    globals = environment.new { print = options.print }, texts = {}, path_of = {}, loaded = {}, loading = {},
  }, Loader)
  self.globals.require = function(name) return self:require(name) end
  return self
end

---Where in the policy, or in its modules, a field of its config stands.
---@param at string
---@return string file, integer line
function Loader:locate(at)
  if not self.sources then
    self.sources = {}
    for i, one in ipairs(self.texts) do self.sources[i] = source.scan(one.path, one.text) end
  end
  return source.locate(self.sources, at)
end

---Lua's message, with whole paths instead of shortened ones; one that names no file gets the policy's.
---@param message string
---@return string message, string file, integer? line
function Loader:tidy(message)
  local name, line, rest = message:match("^(.-):(%d+): (.*)$")
  local path = self.path_of[name]
  if not path then return self.path .. ": " .. message, self.path, nil end
  return ("%s:%s: %s"):format(path, line, rest), path, math.tointeger(line)
end

---The innermost place in the policy's own files: below it may be functions that it was given.
---@param places string[]? of core.budget.call; of no other error
---@return string place "file:line: " or ""
function Loader:place_of(places)
  for _, place in ipairs(type(places) == "table" and places or {}) do
    if type(place) == "string" and self.path_of[place:match("^(.-):%d+$")] then return place .. ": " end
  end
  return ""
end

---What ended a call. A policy may have caught an error object and changed it: nothing of it is taken unseen.
---@param err gantry.Error of core.budget.call
---@param limits table of the call
---@return gantry.Error
function Loader:explain(err, limits)
  local code, message = rawget(err, "code"), rawget(err, "message")
  if not code:find("^POLICY_") then code = "POLICY_ERROR" end
  local file_name, line = rawget(err, "file"), rawget(err, "line")
  if type(file_name) == "string" then -- a module that could not be loaded: it has its own place
    return errors.new(code, message, { file = file_name, line = math.type(line) and line or nil })
  end
  message = self:place_of(rawget(err, "places")) .. message
  if code == "POLICY_BUDGET_MEMORY" then message = message:gsub("%d+ bytes", units.format_bytes(limits.bytes)) end
  local path
  message, path, line = self:tidy(message)
  return errors.new(code, message, { file = path, line = line })
end

---Raises a message with the place in the policy's files that called, where a tail call has not wiped it out.
---@param text string
function Loader:complain(text)
  local level, info = 2, debug.getinfo(2, "Sl")
  while info do
    if self.path_of[info.short_src] then error(("%s:%d: %s"):format(info.short_src, info.currentline, text), 0) end
    level = level + 1
    info = debug.getinfo(level, "Sl")
  end
  error(text, 0)
end

---@param path string
---@param message string
---@return nil, gantry.Error
function Loader:syntax_error(path, message)
  local text, place, line = self:tidy(message)
  if message:find("'}' expected", 1, true) then text = text .. "; is a comma missing before it?" end
  return nil, errors.new("POLICY_SYNTAX", text, { file = place or path, line = line })
end

---Reads and compiles a file. A first line that starts with # is for the system, not for Lua.
---@param path string
---@return function? chunk, gantry.Error? err
function Loader:compile(path)
  local text, err = file.read(path)
  if not text then return nil, err end
  local code = text:gsub("^\xEF\xBB\xBF", ""):gsub("^#[^\n]*", "")
  if code:find("^\n?\27") then
    return nil, errors.new("POLICY_BINARY", path .. ": is a binary chunk; a policy is Lua source", { file = path })
  end
  table.insert(self.texts, { path = path, text = text })
  self.sources = nil
  -- Lua shortens long names in its messages: remember which path is meant.
  self.path_of[debug.getinfo(load("", "@" .. path), "S").short_src] = path
  local chunk, message = load(code, "@" .. path, "t", self.globals)
  if not chunk then return self:syntax_error(path, message) end
  return chunk
end

---@param name string
---@return string? path of the module's file
function Loader:find_module(name)
  local relative = name:gsub("%.", "/")
  for _, folder in ipairs(self.folders) do
    for _, ending in ipairs { ".lua", "/init.lua" } do
      local path = folder .. "/" .. relative .. ending
      if core.system.stat(path) then return path end
    end
  end
end

---@param name string
---@return any
function Loader:load_module(name)
  local public = api[name]
  if public then return public() end
  local path = self:find_module(name)
  if not path then
    self:complain(("no module '%s' for policies; looked in %s"):format(name, table.concat(self.folders, " and ")))
  end
  local chunk, err = self:compile(path)
  if not chunk then error(err, 0) end
  return chunk(name, path)
end

---The policy's `require`. It runs within the bounds of the call that it is made in.
---@param name any
---@return any
function Loader:require(name)
  if type(name) ~= "string" or not name:find("^[%w_-]+[%w_.-]*$") or name:find("..", 1, true) then
    self:complain("require: a module's name has letters, digits, '_', '-', and '.' between them")
  end
  if self.loaded[name] ~= nil then return self.loaded[name] end
  if self.loading[name] then self:complain(("module '%s' requires itself"):format(name)) end
  self.loading[name] = true
  local result = self:load_module(name)
  self.loading[name] = nil
  if result == nil then result = true end
  self.loaded[name] = result
  return result
end

---Calls a function of the policy, or one that handles its data, within bounds. While it runs, the methods of strings
---are bounded ones too.
---@param fn function
---@param ... any
---@return boolean ok
---@return any ... results, or a gantry.Error
function Loader:call(fn, ...)
  return self:call_within(self.limits, fn, ...)
end

---As call, with limits of its own.
---@param limits { instructions: integer, bytes: integer, seconds: number }
---@param fn function
---@param ... any
---@return boolean ok
---@return any ... results, or a gantry.Error
function Loader:call_within(limits, fn, ...)
  local metatable = debug.getmetatable("")
  local methods = metatable.__index
  metatable.__index = strings.methods
  local results = table.pack(core.budget.call(limits, fn, ...))
  metatable.__index = methods
  if not results[1] then return false, self:explain(results[2], limits) end
  return table.unpack(results, 1, results.n)
end

return loader
