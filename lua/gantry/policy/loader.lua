-- SPDX-License-Identifier: Apache-2.0
--
--- policy/loader.lua: the files of one policy: itself and the modules that it requires, all with the same globals. It
--- runs them within bounds, and says of a failure in which file and line it is.

local later = require "gantry.base.later"
local api = later "gantry.policy.api"
local core = require "gantry.core"
local environment = require "gantry.policy.environment"
local errors = require "gantry.base.errors"
local file = require "gantry.policy.file"
local policy_limits = require "gantry.config.policy_limits"
local source = require "gantry.policy.source"
local units = require "gantry.base.units"

local loader = {}

-- Some tenths of a second of pure Lua: a guard against accidents. What C functions take is bounded by whoever started
-- the process: by an interrupt, or by the supervisor that this process evaluates policies for.

---@class gantry.SeenFile
---@field text string? what was read
---@field code string? why it could not be read
---@field stamp string? what it was, where the policy itself read it; see gantry.policy.file

---@class gantry.PolicyLoader
---@field path string of the policy
---@field folders string[] where its modules are looked for
---@field globals table
---@field limits table what one call into the policy may use
---@field texts { path: string, text: string }[] all that was compiled, the policy first
---@field seen table<string, gantry.SeenFile>? files by path, instead of those that are there
---@field on_read fun(path: string, seen: gantry.SeenFile)?
---@field path_of table<string, string> short name of a chunk, as in Lua's messages -> path
---@field loaded table<string, any> results of modules by name
---@field loading string[] modules that are being loaded, each by the one before it
local Loader = {}
Loader.__index = Loader

---@param path string
---@return string
local function folder_of(path)
  return path:match("^(.*)/[^/]*$") or "."
end

---@class gantry.LoaderOptions
---@field shipped string? the folder of the policies that come with gantry
---@field folder string? what relative paths are below
---@field print (fun(text: string))?
---@field limits table?
---@field seen table<string, gantry.SeenFile>?
---@field on_read (fun(path: string, seen: gantry.SeenFile))?
---@field given table<string, string>? texts by path, of files that need not be there
---@field modules table<string, fun(): any>? what it may require besides
---@field call function? instead of core.budget.call

---@param path string
---@param options gantry.LoaderOptions
---@return gantry.PolicyLoader
function loader.new(path, options)
  local self = setmetatable({
    path = path, folders = { folder_of(path), options.shipped }, limits = options.limits or policy_limits.load,
    seen = options.seen, on_read = options.on_read, modules = options.modules or {},
    given = options.given or {}, bounded = options.call or core.budget.call,
    texts = {}, path_of = {}, loaded = {}, loading = {}, stamped = {},
  }, Loader)
  self.globals = environment.new { print = options.print, folder = options.folder,
    on_open = function(opened) self:opened(opened) end }
  self.globals.require = function(name) return self:require(name) end
  return self
end

---Where in the policy, or in its modules, a field of its config stands.
---@param at string
---@param own boolean? whether to look in the policy alone
---@return string file, integer line
function Loader:locate(at, own)
  if not self.sources then
    self.sources = {}
    for i, one in ipairs(self.texts) do self.sources[i] = source.scan(one.path, one.text) end
  end
  return source.locate(own and { self.sources[1] } or self.sources, at)
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

---@param place any "file:line" as Lua shortens it
---@return string? place with the whole path
function Loader:whole_place(place)
  local name, line = tostring(place):match "^(.-):(%d+)$"
  return name and self.path_of[name] and ("%s:%s"):format(self.path_of[name], line) or nil
end

---Whether a field is written down anywhere in the files.
---@param at string
---@return boolean
function Loader:names(at)
  self:locate(at)
  for _, one in ipairs(self.sources) do
    if one.places[at] then return true end
  end
  return false
end

-- What a policy has once it asks for it, by the global that it is taken for.
local ASK <const> = 'write local %s = require "%s" before it'
local NO_GLOBAL <const> = {
  gantry = ASK:format("gantry", "gantry"), restart = ASK:format("restart", "gantry.restart"),
  units = ASK:format("gantry", "gantry") .. ", and gantry.units",
  ctx = "it is the argument of a policy that is a function: return function(ctx) … end",
}

---What Lua says of a global that is none, in the words of who wrote it.
---@param message string
---@return string
local function say_undefined(message)
  return (message:gsub("attempt to %l+ a nil value %(global '([%w_]+)'%)$", function(name)
    local hint = NO_GLOBAL[name]
    return ("'%s' is not defined%s"):format(name, hint and "; " .. hint or "")
  end))
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
  local field = rawget(err, "field")
  if type(field) == "string" then -- of gantry.refuse
    file_name, line = self:locate(field, true)
    return errors.new(code, ("%s:%d: %s"):format(file_name, line, message), { file = file_name, line = line,
      refused = field, reason = message, place = self:whole_place(rawget(err, "place")) })
  end
  message = self:place_of(rawget(err, "places")) .. message
  if code == "POLICY_BUDGET_MEMORY" then message = message:gsub("%d+ bytes", units.format_bytes(limits.bytes)) end
  local path
  message, path, line = self:tidy(message)
  return errors.new(code, say_undefined(message), { file = path, line = line })
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

---@param path string
---@return string? text
function Loader:text_of(path)
  for _, one in ipairs(self.texts) do
    if one.path == path then return one.text end
  end
end

---@param path string
---@return string? text, gantry.Error? err
function Loader:read(path)
  if self.seen then
    local seen = self.seen[path]
    if seen and seen.text then return seen.text end
    local code = seen and seen.code or "POLICY_NOT_FOUND"
    return nil, errors.new(code, path .. ": was not read when the policy was loaded", { file = path })
  end
  local text, err = self.given[path], nil
  if not text then text, err = file.read(path) end
  if self.on_read then self.on_read(path, text and { text = text } or { code = err.code }) end
  return text, err
end

---A file that the policy itself reads: what it says may change the config.
---@param path string
function Loader:opened(path)
  if not self.on_read or self.seen or self.stamped[path] or self:text_of(path) then return end
  if path:find("\0", 1, true) then return end -- it ends a path for the system, and for nobody else
  self.stamped[path] = true
  self.on_read(path, { stamp = file.stamp(path) })
end

---Compiles a file's text. A first line that starts with # is for the system, not for Lua.
---@param path string
---@param text string
---@return function? chunk, gantry.Error? err
function Loader:compile(path, text)
  if text:find "^\xFF\xFE" or text:find "^\xFE\xFF" then
    return nil, errors.new("POLICY_SYNTAX", path .. ": is UTF-16; save it as UTF-8", { file = path, line = 1 })
  end
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
---@return string? path of the module's file, string? text, gantry.Error? err
function Loader:find_module(name)
  local relative = name:gsub("%.", "/")
  for _, folder in ipairs(self.folders) do
    for _, ending in ipairs { ".lua", "/init.lua" } do
      local path = folder .. "/" .. relative .. ending
      local text, err = self:read(path)
      if text or err.code ~= "POLICY_NOT_FOUND" then return path, text, err end
    end
  end
end

---@param name string
---@return any
function Loader:load_module(name)
  local public = self.modules[name] or api[name]
  if public then return public() end
  local path, text, err = self:find_module(name)
  if not path then
    self:complain(("no module '%s' for policies; looked in %s"):format(name, table.concat(self.folders, " and ")))
  end
  local chunk
  if text then chunk, err = self:compile(path, text) end
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
  local loading = self.loading
  for i, one in ipairs(loading) do
    if one == name then
      local circle = table.concat(loading, " -> ", i) .. " -> " .. name
      self:complain(("module '%s' requires itself: %s; move what both need into a third file"):format(name, circle))
    end
  end
  table.insert(loading, name)
  local _ <close> = setmetatable({}, { __close = function() table.remove(loading) end }) -- also where it fails
  local result = self:load_module(name)
  if result == nil then result = true end
  self.loaded[name] = result
  return result
end

---Calls a function of the policy, or one that handles its data, within bounds.
---@param fn function
---@param ... any
---@return boolean ok
---@return any ... results, or a gantry.Error
function Loader:call(fn, ...)
  return self:call_within(self.limits, fn, ...)
end

---As call, with limits of its own.
---@param limits { instructions: integer, bytes: integer }
---@param fn function
---@param ... any
---@return boolean ok
---@return any ... results, or a gantry.Error
function Loader:call_within(limits, fn, ...)
  local results = table.pack(self.bounded(limits, fn, ...))
  if not results[1] then return false, self:explain(results[2], limits) end
  return table.unpack(results, 1, results.n)
end

return loader
