-- SPDX-License-Identifier: Apache-2.0
--
--- repl/console.lua: a session at a terminal. The loop runs while a line is typed: keys come one at a time (see
--- core.line_editor), and what happens meanwhile is printed above the line. It owns the terminal and the signals.

local c_module = require "gantry.base.c_module"
local chunk = require "gantry.repl.chunk"
local color = require "gantry.text.color"
local complete = require "gantry.repl.complete"
local core = require "gantry.core"
local errors = require "gantry.base.errors"
local history = require "gantry.repl.history"
local printable = require "gantry.text.printable"
local repl = require "gantry.repl"
local task = require "gantry.task"

local console = {}

local PROMPT <const>, MORE <const> = "> ", ">> "
local HISTORY_LINES <const>, MOST_NAMES <const> = 1000, 200
local STDIN <const>, STDOUT <const> = 0, 1

---@class gantry.Console
---@field editor table
---@field events gantry.Queue { kind, line } from keys and signals
---@field session gantry.Session
---@field running gantry.Task? the chunk that runs
---@field pending string[] lines of the chunk that is being typed
---@field leaving boolean
---@field heard boolean? whether the next Ctrl-C has had its effect
local Console = {}
Console.__index = Console

-- ---- output ----

---Writes whole lines as they are; a line that is being typed goes below them.
---@param text string
function Console:put(text)
  if text == "" then return end
  self.editor:hide()
  io.stdout:write(text)
  io.stdout:flush()
  self.editor:show()
end

---Writes whole lines of anybody's.
---@param text string
function Console:write(text)
  self:put(printable.text(text))
end

---Writes lines about what happened by itself.
---@param text string
function Console:notice(text)
  self:put((printable.text(text):gsub("[^\n]+", function(line) return self.color:paint("dim", line) end)))
end

---@param err any
function Console:write_error(err)
  if errors.is(err, "INTERRUPTED") then self:write "\n" end -- the terminal has shown ^C
  local line, more = repl.describe_error(err)
  local lines = { self.color:paint("error", printable.text(line)), "\n" }
  for _, text in ipairs(more) do
    lines[#lines + 1] = "  " .. self.color:paint("dim", printable.text(text)) .. "\n"
  end
  self:put(table.concat(lines))
end

-- ---- keys ----

---Listens to the keyboard while a line is typed; what a chunk reads of standard input is its own.
function Console:listen()
  self.watch = assert(task.loop():watch(STDIN, "r", function() self:on_key() end))
end

function Console:deafen()
  if self.watch then self.watch:close() end
  self.watch = nil
end

function Console:on_key()
  local kind, line = self.editor:read()
  if kind == "typed" then return end
  self:deafen()
  if kind == "complete" then return task.detach(self.complete, self) end
  self.events:put { kind, line }
end

---The names in columns.
---@param names string[]
---@param columns integer
---@return string
local function in_columns(names, columns)
  local widest = 0
  for _, name in ipairs(names) do widest = math.max(widest, #name) end
  local across = math.max(1, columns // (widest + 2))
  local rows, down = {}, math.ceil(math.min(#names, MOST_NAMES) / across)
  for row = 1, down do
    local cells = {}
    for column = 0, across - 1 do
      local name = names[row + column * down]
      if name and row + column * down <= MOST_NAMES then cells[#cells + 1] = name .. (" "):rep(widest - #name) end
    end
    rows[row] = table.concat(cells, "  "):gsub(" +$", "")
  end
  if #names > MOST_NAMES then rows[#rows + 1] = ("… and %d more"):format(#names - MOST_NAMES) end
  return table.concat(rows, "\n") .. "\n"
end

---Tab: inserts what is certain, lists the rest.
function Console:complete()
  local line, cursor = self.editor:line()
  if line then
    local text = table.concat(self.pending, "\n") .. (#self.pending > 0 and "\n" or "") .. line:sub(1, cursor)
    local ok, partial, names = pcall(complete.find, self.session, text)
    if ok and #names > 0 then
      local start = complete.common_start(names)
      if #start > #partial then
        self.editor:insert(start:sub(#partial + 1))
      elseif #names > 1 then
        self:write(in_columns(names, self.editor:width()))
      end
    end
  end
  if self.typing and not self.watch then self:listen() end
end

---Reads one line.
---@param prompt string
---@return "entered"|"end"|"interrupted"|"leave" kind
---@return string? line
function Console:read_line(prompt)
  if self.leaving then return "leave" end
  self.typing = true
  self.editor:begin(prompt)
  self:listen()
  local event = self.events:take()
  self.typing = false
  self:deafen()
  return event[1], event[2]
end

---Reads lines until they are a whole chunk.
---@return string? text nil at the end
function Console:read_chunk()
  self.pending = {}
  while true do
    local kind, line = self:read_line(#self.pending == 0 and PROMPT or MORE)
    if kind == "leave" then return nil end
    if kind == "end" then
      self:write "\n"
      if #self.pending == 0 then return nil end
    end
    if kind ~= "entered" then
      self.pending = {}
    else
      self.pending[#self.pending + 1] = line
      local text = table.concat(self.pending, "\n")
      local _, reason = chunk.compile(text, "=repl", {})
      if reason ~= "incomplete" then return text end
    end
  end
end

-- ---- chunks ----

function Console:evaluate(text)
  if text:match("^%s*$") then return end
  if self.history:add(text) then self.editor:remember(text) end
  local result = self.session:evaluate(text, "=repl", function(running) self.running = running end)
  self.running = nil
  -- A chunk that never waits is ended before the loop has heard of Ctrl-C.
  self.heard = core.signals.pending "INT"
  if self.session.over then self.leaving = true end
  if result.err ~= nil then return self:write_error(result.err) end
  local shown, failure = self.session:show(result.values)
  if failure then return self:write_error(failure) end
  if shown then self:write(shown) end
  if result.hint then self:notice(result.hint .. "\n") end
  local name = chunk.lone_local(text)
  if name then self:notice(("a local ends with its line; %s = … keeps it\n"):format(name)) end
end

-- ---- signals ----

---Ctrl-C: drops the line, ends the chunk that runs, or has what is being stopped end at once.
function Console:on_interrupt()
  if self.heard then
    self.heard = false
    return
  end
  if self.closing then return self.session:kill() end
  if self.running then
    self.running:cancel "interrupted"
  elseif self.typing then
    self:deafen()
    io.stdout:write("^C\n")
    io.stdout:flush()
    self.editor:stop()
    self.events:put { "interrupted" }
  end
end

function Console:on_signal(name)
  if name == "WINCH" then return self.editor:resize() end
  if name == "INT" then return self:on_interrupt() end
  self.leaving = true
  if self.running then self.running:cancel "the session ends" end
  if self.typing then
    self:deafen()
    self.editor:stop()
    self.events:put { "leave" }
  end
end

-- ---- the session ----

---@param policies string[]
function Console:launch_all(policies)
  for _, path in ipairs(policies) do
    local result = self.session:run(function() return self.session.environment.launch(path) end,
      function(running) self.running = running end)
    self.running = nil
    if result.err ~= nil then
      self:write_error(result.err)
    else
      local plugin = result.values[1]
      local name = plugin.name:gsub("[^%w_]", "_"):gsub("^%d", "_%0")
      self.session.environment[name] = plugin
      self:write(("%s = %s\n"):format(name, plugin))
    end
  end
end

function Console:main(policies)
  self:write(self.session:banner() .. "\n")
  self:launch_all(policies)
  while not self.leaving do
    local text = self:read_chunk()
    if not text then break end
    self:evaluate(text)
  end
  self.closing = true
  self.session:close(function(names) self:notice("stopping " .. table.concat(names, ", ") .. "\n") end)
end

---@class gantry.ConsoleOptions
---@field engine string?
---@field policies string[] to launch at the start
---@field guardian gantry.Guardian?
---@field environment table<string, string>

---@param editor table
---@param options gantry.ConsoleOptions
---@return gantry.Console
local function new(editor, options)
  local self = setmetatable({ editor = editor, events = task.queue(), pending = {}, leaving = false }, Console)
  self.color = color.of(STDOUT, options.environment)
  local entries
  self.history, entries = history.open(history.path(options.environment))
  for _, entry in ipairs(entries) do editor:remember(entry) end
  self.session = repl.new {
    engine = options.engine, guardian = options.guardian, width = function() return editor:width() end,
    write = function(text) self:write(text) end, notice = function(text) self:notice(text) end,
    interrupted = function() return core.signals.pending "INT" or core.signals.pending "TERM" end,
  }
  return self
end

---Runs a session at the terminal to its end.
---@param options gantry.ConsoleOptions
---@return boolean? ok, gantry.Error? err where there is no line editor
function console.run(options)
  local line_editor, missing = c_module.load "line_editor"
  if not line_editor then return nil, missing end
  local editor, err = line_editor.open(HISTORY_LINES)
  if not editor then return nil, err end
  local self = new(editor, options)
  task.on_error = function(failure) self:write_error(errors.is(failure) and failure or tostring(failure)) end
  local _ <close> = setmetatable({}, { __close = function() editor:close() end })
  local signals <close>, deaf = core.signals.open(task.loop(), { "INT", "TERM", "HUP", "WINCH" },
    function(name) self:on_signal(name) end)
  if not signals then return nil, deaf end
  task.run(self.main, self, options.policies)
  task.on_error = nil
  return true
end

return console
