-- SPDX-License-Identifier: Apache-2.0
--
--- repl.lua: a session: Lua typed piece by piece, in an environment with gantry's commands. It owns the plugins that
--- were launched in it and stops them when it is closed. Who reads what is typed, and where the output goes, is its
--- user's affair.

local chunk = require "gantry.repl.chunk"
local commands = require "gantry.repl.commands"
local core = require "gantry.core"
local diagnosis = require "gantry.plugin.diagnosis"
local errors = require "gantry.base.errors"
local gantry = require "gantry"
local progress = require "gantry.text.progress"
local runtime_dir = require "gantry.place.runtime_dir"
local show = require "gantry.repl.show"
local suggest = require "gantry.repl.suggest"
local task = require "gantry.task"

local repl = {}

-- So many instructions of a chunk run before it is looked whether somebody wants it to end.
local TIMEOUT <const> = 200000

-- Events that are no news in a session: whoever launches is waiting for the launch.
local QUIET = { image = true, created = true, started = true, ready = true, stopping = true, pull = true }

---@class gantry.ReplOptions
---@field write fun(text: string) whole lines of output; they may hold text of a plugin's, as it came
---@field notice fun(text: string) whole lines about what happened meanwhile; the same holds of them
---@field width (fun(): integer)? columns
---@field engine string? its address
---@field guardian gantry.Guardian?
---@field interrupted (fun(): boolean)? whether a chunk that never waits is to end

---@class gantry.Session
---@field environment table what chunks see as globals
---@field plugins table<gantry.Plugin, gantry.LineSplitter> launched and not ended
---@field scope gantry.Scope of tasks that follow plugins
---@field over boolean? it was left by `exit`
---@field scopes gantry.Scope[] of tasks that chunks have made: one each, so that a failure is its own
local Session = {}
Session.__index = Session

---@param options gantry.ReplOptions
---@return gantry.Session
function repl.new(options)
  local self = setmetatable({ options = options, plugins = {}, scopes = {}, scope = task.detached_scope() }, Session)
  self.environment = commands.environment(self)
  return self
end

---@return integer columns
function Session:width()
  return self.options.width and self.options.width() or 80
end

-- ---- plugins ----

---@return gantry.EngineClient engine raises where none answers
function Session:engine()
  if not self.found_engine then
    local engine, err = gantry.engine(self.options.engine)
    if not engine then error(err, 0) end
    self.found_engine = engine
  end
  return self.found_engine
end

---Handlers of a plugin's events and output, which become notices.
---@param name string
---@return gantry.LineSplitter log, fun(kind: string, fields: table) on_event
function Session:handlers(name)
  local log = progress.log(name, self.options.notice)
  return log, function(kind, fields)
    if kind == "exit" then log:finish() end
    local line = not QUIET[kind] and progress.line(name, kind, fields)
    if line then self.options.notice(line) end
  end
end

---Follows a plugin to its end, for which the guardian is told to look after it no longer.
function Session:follow(plugin, log, guarded)
  self.plugins[plugin] = log
  self.scope:spawn(function()
    plugin:wait()
    self.plugins[plugin] = nil
    if guarded then self.options.guardian:release(guarded, plugin.name) end
  end)
end

---Launches a plugin of this session.
---@param config gantry.Config
---@param options table
---@return gantry.Plugin? plugin, gantry.Error? err
function Session:launch(config, options)
  local name = options.name or config.name
  local engine, guardian = self:engine(), self.options.guardian
  local root = config.temp_dir or options.runtime_dir or runtime_dir.path()
  local log, on_event = self:handlers(name)
  if guardian then guardian:guard(root, name, engine.endpoint.name) end
  local plugin, err = gantry.launch({ config = config }, {
    engine = engine, name = name, runtime_dir = options.runtime_dir, environment = options.environment,
    on_event = on_event, on_output = function(stream, bytes) log:feed(stream, bytes) end,
  })
  if plugin then
    self:follow(plugin, log, guardian and root)
  else
    log:finish()
    -- Another one holds the name: it is not ours to take away, and where it is, it stays guarded.
    if guardian and err.code ~= "ALREADY_RUNNING" then guardian:release(root, name) end
  end
  return plugin, err
end

-- ---- chunks ----

---Starts a task that outlives the chunk that makes it.
---@return gantry.Task
function Session:spawn(fn, ...)
  local busy = {}
  for _, scope in ipairs(self.scopes) do
    if scope.count > 0 then busy[#busy + 1] = scope end
  end
  local scope = task.detached_scope()
  busy[#busy + 1] = scope
  self.scopes = busy
  return scope:spawn(fn, ...)
end

---@class gantry.ChunkResult
---@field values table? packed
---@field err any what was raised
---@field hint string? what may have been meant

---Has a chunk that never waits end when it should: nothing else can take place before it has.
local function interruptible(interrupted, fn)
  if not interrupted then return fn() end
  local thread = coroutine.running()
  debug.sethook(thread, function()
    if interrupted() then error(errors.new("INTERRUPTED", "interrupted"), 0) end
  end, "", TIMEOUT)
  local _ <close> = setmetatable({}, { __close = function() debug.sethook(thread) end })
  return fn()
end

local function handler(err)
  return errors.is(err) and err or type(err) == "string" and { text = err, traceback = debug.traceback(nil, 2) } or err
end

---Runs a chunk as a task of its own.
---@param compiled function
---@param on_start fun(running: gantry.Task)?
---@return gantry.ChunkResult
function Session:run(compiled, on_start)
  local outcome
  local running = task.spawn(function()
    outcome = table.pack(xpcall(interruptible, handler, self.options.interrupted, compiled))
    if not outcome[1] and errors.is(outcome[2], "CANCELLED") then error(outcome[2], 0) end
  end)
  if on_start then on_start(running) end
  local ended, err = pcall(running.wait, running)
  if not ended or not outcome then
    if outcome and not outcome[1] then err = outcome[2] end
    return { err = errors.is(err, "CANCELLED") and errors.new("INTERRUPTED", "interrupted") or err }
  end
  if not outcome[1] then return { err = outcome[2] } end
  self.environment._ = outcome[2]
  return { values = table.pack(table.unpack(outcome, 2, outcome.n)) }
end

---Compiles and runs a chunk.
---@param text string
---@param name string the chunk's: "=repl"
---@param on_start fun(running: gantry.Task)?
---@return gantry.ChunkResult result
function Session:evaluate(text, name, on_start)
  local compiled, reason = chunk.compile(text, name, self.environment)
  if not compiled then
    if reason == "incomplete" then reason = select(2, load(text, name, "t")) end
    return { err = reason }
  end
  local result = self:run(compiled, on_start)
  if result.values and rawequal(result.values[1], self.leave) then self.over = true end
  if self.over then return { values = table.pack() } end
  self:suggest(text, result)
  return result
end

---Adds the name that was meant to what a misspelt one has come to.
---@param text string of the chunk
---@param result gantry.ChunkResult
function Session:suggest(text, result)
  local err, values = result.err, result.values
  if values and values.n == 1 and values[1] == nil then result.hint = suggest.of_nil(self, text) end
  if type(err) ~= "table" or not err.text then return end
  local hint = suggest.of_error(self, text, err.text)
  if hint then err.text = ("%s; %s"):format(err.text, hint) end
end

---An error as text: one line, and the lines below it where more is known.
---@param err any
---@return string line
---@return string[] more
function repl.describe_error(err)
  if errors.is(err) then
    local more = err.diagnosis and diagnosis.lines(err.diagnosis) or {}
    for _, other in ipairs(err.all or {}) do more[#more + 1] = other.message end
    return err.message, more
  end
  if type(err) == "table" and err.text then err = err.text end
  if type(err) ~= "string" then return "error: " .. show.value(err), {} end
  return (err:gsub("\nstack traceback:.*$", "")), {}
end

---What a chunk gave, as text; nil where there is nothing to show.
---@param values table packed
---@return string? text
---@return any err where the values are a failure: nil and an error
function Session:show(values)
  if values.n == 0 then return nil end
  if values[1] == nil and errors.is(values[2]) then return nil, values[2] end
  local texts = {}
  for index = 1, values.n do texts[index] = show.value(values[index], self:width()) end
  return table.concat(texts, "\n") .. "\n"
end

-- ---- the end ----

---Stops all plugins, at the same time, and ends the tasks of the session.
---@param on_stop fun(names: string[])? called where there are any
function Session:close(on_stop)
  local running, names = {}, {}
  for plugin in pairs(self.plugins) do
    running[#running + 1] = function() plugin:end_life() end
    names[#names + 1] = plugin.name
  end
  table.sort(names)
  if #running > 0 then
    if on_stop then on_stop(names) end
    task.all(table.unpack(running))
  end
  self.scopes[#self.scopes + 1] = self.scope
  for _, scope in ipairs(self.scopes) do scope:cancel "the session ends" end
  for _, scope in ipairs(self.scopes) do pcall(scope.close, scope) end
end

---Has the plugins that are being stopped end at once.
function Session:kill()
  for plugin in pairs(self.plugins) do task.detach(plugin.stop, plugin, { at_once = true }) end
end

---@return string such as "Docker 20.10.24 (API 1.41, runc, runsc)", or "runc 1.1.5, no daemon (crun, runc)"
function Session:engine_text()
  local engine = self:engine()
  local info, err = engine:info()
  if not info then error(err, 0) end
  local runtimes = {}
  for name in pairs(info.runtimes) do
    if not name:find("^io%.containerd") then runtimes[#runtimes + 1] = name end
  end
  table.sort(runtimes)
  if engine.api then table.insert(runtimes, 1, "API " .. engine.api) end
  local name, version = engine.kind:gsub("^%l", string.upper), tostring(info.version):match "[%d.]*%d" or ""
  if not engine.api then name, version = info.default_runtime, version .. ", no daemon" end
  return ("%s %s (%s)"):format(name, version, table.concat(runtimes, ", "))
end

---The first line of a session.
---@return string
function Session:banner()
  local ok, text = pcall(self.engine_text, self)
  return ("gantry %s · %s · %s · help() for help"):format(gantry.version:match("^%d+%.%d+") or gantry.version,
    ok and text or "no engine answers", core.system.lua_release())
end

return repl
