-- SPDX-License-Identifier: Apache-2.0
--
--- engine/oci/work.lua: the processes that work on images: gantry-unpack, which stands beside the core's library, and
--- others through it. Each ends with this process, and with the task that waits for it; what it says is bounded.

local core = require "gantry.core"
local errors = require "gantry.base.errors"
local task = require "gantry.task"

local work = {}

-- Bytes of what a process says that are kept.
local MOST_OUTPUT <const> = 8 * 1024 * 1024
local MOST_COMPLAINT <const> = 64 * 1024
local LONGEST_LINE <const> = 4096
-- What gantry-unpack calls its failures; another one is a fault of its own.
local CODES <const> = {}
for code in ([[CONFINEMENT_FAILED FILE_CHANGED IMAGE_CORRUPT IMAGE_TOO_LARGE IMAGE_UNREADABLE IMAGE_UNSAFE IN_USE
  NOT_FOUND OUT_OF_MEMORY READ_FAILED STORE_FAILED STORE_FULL STORE_NOEXEC UNPACK_FAILED]]):gmatch "%S+" do
  CODES[code] = true
end

---@return string path
local function program()
  local library = package.searchpath("gantry.core", package.cpath) or "gantry/core.so"
  return (library:match "^(.*)/" or ".") .. "/gantry-unpack"
end

---@class gantry.WorkOptions
---@field input "null"|"inherit"|"pipe"|nil
---@field environment string[]? this process's own where nil
---@field on_line fun(line: string)? called for each line of output, which is not kept then
---@field seconds number? after which it is ended; none where nil

---@class gantry.Work a process that was started; to be held in a `<close>` variable
---@field process userdata
---@field ended gantry.Event
---@field output string[]
---@field complaint string
local Work = {}
Work.__index = Work

function Work:__close() self.process:close() end

---@param self gantry.Work
---@param options gantry.WorkOptions
---@return fun(stream: integer, bytes: string)
local function collector(self, options)
  local kept, lines = 0, options.on_line and core.lines.new(LONGEST_LINE)
  return function(stream, bytes)
    if stream == 2 then
      self.complaint = (self.complaint .. bytes):sub(-MOST_COMPLAINT)
    elseif lines then
      lines:feed(bytes, options.on_line)
    elseif kept < MOST_OUTPUT then
      kept = kept + #bytes
      self.output[#self.output + 1] = bytes
    end
  end
end

---Starts gantry-unpack.
---@param mode string one of those in src/unpack/main.c
---@param arguments string[]
---@param options gantry.WorkOptions?
---@return gantry.Work? started, gantry.Error? err
function work.start(mode, arguments, options)
  options = options or {}
  local self = setmetatable({ ended = task.event(), output = {}, complaint = "" }, Work)
  local spec = { program(), tostring(core.system.pid()), mode, table.unpack(arguments) }
  spec.input, spec.output, spec.error = options.input or "null", "pipe", "pipe"
  spec.environment, spec.new_session = options.environment, true
  spec.on_output = collector(self, options)
  spec.on_exit = function(exit) self.ended:set(exit) end
  local process, err = core.process.spawn(task.loop(), spec)
  if not process then return nil, err end
  self.process = process
  return self
end

---What gantry-unpack says of its failure.
---@param self gantry.Work
---@param exit { code: integer?, signal: integer? }
---@return gantry.Error
local function failure(self, exit)
  local code, number, message = self.complaint:match "^([%u_]+)\t(%d+)\t([^\n]*)"
  if code and CODES[code] then
    local os_error = math.tointeger(tonumber(number))
    return errors.new(code, message, { os_error = os_error ~= 0 and os_error or nil })
  end
  return errors.new("UNPACK_FAILED", ("gantry-unpack ended with %s and said %q"):format(exit.signal
    and "signal " .. exit.signal or "code " .. tostring(exit.code), self.complaint:sub(1, 200)))
end

---Waits for the end.
---@return string? output, gantry.Error? err
function Work:wait()
  local exit = self.ended:wait()
  if exit.code ~= 0 then return nil, failure(self, exit) end
  return table.concat(self.output)
end

---Runs gantry-unpack to its end.
---@param mode string
---@param arguments string[]
---@param options gantry.WorkOptions?
---@return string? output, gantry.Error? err
function work.run(mode, arguments, options)
  local started <close>, err = work.start(mode, arguments, options)
  if not started then return nil, err end
  return started:wait()
end

---@param command string[] its program by its whole path
---@param most integer bytes of the largest file that it may write
---@param options gantry.WorkOptions
---@return { code: integer?, signal: integer?, output: string, complaint: string }? ended, gantry.Error? err
local function run_tied(command, most, options)
  local started <close>, err = work.start("tie", { ("%d"):format(most), table.unpack(command) }, options)
  if not started then return nil, err end
  local exit = started.ended:wait()
  return { code = exit.code, signal = exit.signal, output = table.concat(started.output),
    complaint = started.complaint }
end

---Runs another program, which ends with this process.
---@param command string[] its program by its whole path
---@param most integer bytes of the largest file that it may write
---@param options gantry.WorkOptions
---@return { code: integer?, signal: integer?, output: string, complaint: string }? ended
---@return gantry.Error? err of code DEADLINE_EXCEEDED where it took too long
function work.command(command, most, options)
  if not options.seconds then return run_tied(command, most, options) end
  return task.deadline(options.seconds, run_tied, command, most, options)
end

return work
