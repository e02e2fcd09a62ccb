-- SPDX-License-Identifier: Apache-2.0
--
--- repl/script.lua: a session without a terminal: one chunk, of the command line or of standard input. Output goes to
--- standard output, notices and errors to standard error.

local core = require "gantry.core"
local errors = require "gantry.base.errors"
local exit_codes = require "gantry.text.exit_codes"
local printable = require "gantry.text.printable"
local repl = require "gantry.repl"
local report = require "gantry.text.report"
local task = require "gantry.task"

local script = {}

-- What shells give for a command that a signal ended.
local SIGNALLED = { INT = 130, TERM = 143, HUP = 129 }

---@param err any
---@param options table
---@return integer exit_code
local function fail(err, options)
  io.stdout:flush()
  if errors.is(err, "INTERRUPTED") then return exit_codes.FAILED end
  if errors.is(err) then return report.failure(err, options) end
  local line = repl.describe_error(err)
  printable.write_stderr("gantry: ", line, "\n")
  if options.verbose and type(err) == "table" and err.traceback then printable.write_stderr(err.traceback, "\n") end
  return exit_codes.FAILED
end

---@param session gantry.Session
---@return integer exit_code
local function run(session, options, on_start)
  for _, path in ipairs(options.policies) do
    local result = session:run(function() return session.environment.launch(path) end, on_start)
    if result.err ~= nil then return fail(result.err, options) end
    local plugin = result.values[1]
    session.environment[plugin.name:gsub("[^%w_]", "_"):gsub("^%d", "_%0")] = plugin
  end
  local result = session:evaluate(options.text, options.name, on_start)
  if result.err ~= nil then return fail(result.err, options) end
  local shown, failure = session:show(result.values)
  if failure then return fail(failure, options) end
  if shown then printable.write_stdout(shown) end
  return exit_codes.OK
end

---@param options { text: string, name: string, policies: string[], engine: string?, guardian: gantry.Guardian? }
---@return integer exit_code
function script.run(options)
  local running, signalled, closing
  local session = repl.new {
    engine = options.engine, guardian = options.guardian,
    write = function(text) io.stdout:write(text) end, -- what a program prints, it may mean for the terminal
    notice = function(text)
      io.stdout:flush()
      printable.write_stderr(text)
    end,
    interrupted = function() return core.signals.pending "INT" or core.signals.pending "TERM" end,
  }
  task.on_error = function(err) fail(err, options) end
  local signals <close>, deaf = core.signals.open(task.loop(), { "INT", "TERM", "HUP" }, function(name)
    if closing then return session:kill() end
    signalled = signalled or name
    if running then running:cancel "interrupted" end
  end)
  if not signals then return report.failure(deaf, options) end
  local code = task.run(function()
    local result = run(session, options, function(started)
      running = started
      if signalled then started:cancel "interrupted" end
    end)
    closing = true
    io.stdout:flush()
    session:close()
    return result
  end)
  task.on_error = nil
  return signalled and SIGNALLED[signalled] or code
end

return script
