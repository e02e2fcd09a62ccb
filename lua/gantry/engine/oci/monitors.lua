-- SPDX-License-Identifier: Apache-2.0
--
--- engine/oci/monitors.lua: the monitor of one container that this process looks after: what has become of the
--- container, and its output, which waits in its pipes until somebody attaches. src/monitor/README.md says what a
--- monitor is.

local core = require "gantry.core"
local errors = require "gantry.base.errors"
local exit_code = require "gantry.base.exit_code"
local task = require "gantry.task"

local monitors = {}

---@class gantry.Monitor
---@field handle userdata? of gantry.core.monitor; nil once it is closed
---@field piped gantry.Event it is there; nil, err where it is not
---@field started gantry.Event the pid; nil, err where there is no container
---@field ended gantry.Event all is over: true, or nil, err where it ended for us alone
---@field lost integer[] bytes of each stream that nobody will ever read
---@field handlers gantry.OutputHandlers? of who attached
---@field how { code: integer, at: number }? how the container ended, as its monitor told
---@field helped gantry.Event? its helper is ready: true, or nil, err
---@field helper string? the helper's name
---@field held string[]? of stderr, while it may be the runtime's own complaint; nil once the container is there
---@field held_bytes integer
local Monitor = {}
Monitor.__index = Monitor

local STREAMS <const> = { "stdout", "stderr" }
local NANOSECONDS <const> = 1e9

---@param text string of the file `exit`
---@return { code: integer, at: number }? how code: as engines say it
function monitors.parse_exit(text)
  local code, signal, at = text:match "^exit (%d+) (%d+) (%d+) %d+\n"
  if not code then return nil end
  code, signal = math.tointeger(tonumber(code)), math.tointeger(tonumber(signal))
  return { code = exit_code.of { code = code, signal = signal }, at = tonumber(at) / NANOSECONDS }
end

---@param self gantry.Monitor
---@param err gantry.Error? why it ended for us alone
local function finish(self, err)
  local gone = err or errors.new("MONITOR_GONE", "the container's monitor is gone")
  self.piped:set(nil, gone)
  self.started:set(nil, gone)
  if self.helped then self.helped:set(nil, gone) end
  local first = self.ended:set(not err or nil, err)
  if first and self.handlers then self.handlers.on_end(err) end
end

---The monitor ends the container with its helper, of whose end somebody should hear.
---@param self gantry.Monitor
---@param text string
local function helper_gone(self, text)
  local message = ("%s %s"):format(self.helper or "its helper", text)
  local first = not self.helped or self.helped:set(nil, errors.new("HELPER_FAILED", message))
  if not first and self.handlers and not self.ended:is_set() then
    self.handlers.on_output("engine", message .. ", and the container with it, whose network that was\n")
  end
end

-- Bytes of stderr that are held while the runtime is at work.
local MOST_HELD <const> = 64 * 1024

---The container is there, or will never be: what was held is the plugin's, or it is thrown away.
---@param self gantry.Monitor
---@param is_plugins boolean
local function let_go_of_held(self, is_plugins)
  local held = self.held
  self.held = nil
  if is_plugins and held and #held > 0 and self.handlers then self.handlers.on_output("stderr", table.concat(held)) end
end

---A runtime says on the container's stderr, too, why it fails: that goes into the error alone.
---@param self gantry.Monitor
---@param stream integer
---@param bytes string
local function take_output(self, stream, bytes)
  if not self.handlers then return end
  if stream ~= 2 or not self.held then return self.handlers.on_output(STREAMS[stream], bytes) end
  self.held[#self.held + 1], self.held_bytes = bytes, self.held_bytes + #bytes
  if self.held_bytes > MOST_HELD then let_go_of_held(self, true) end
end

-- What is done at each of its events.
local HEARD <const> = {
  pipes = function(self) self.piped:set(true) end,
  starting = function(self, event)
    self.lost = event.lost
    self.piped:set(true)
  end,
  running = function(self, event)
    self.lost = event.lost
    self.started:set(event.pid)
    self.piped:set(true)
  end,
  created = function(self, event)
    let_go_of_held(self, true)
    self.started:set(event.pid)
  end,
  failed = function(self, event)
    let_go_of_held(self, (event.text or "") == "")
    local err = errors.new("MONITOR_FAILED", event.text or "", { reason = event.reason, number = event.code })
    self.piped:set(nil, err)
    self.started:set(nil, err)
    finish(self)
  end,
  helper_ready = function(self) self.helped:set(true) end,
  helper_failed = function(self, event)
    helper_gone(self, ("cannot be executed (errno %d)"):format(event.code))
  end,
  helper_ended = function(self, event)
    helper_gone(self, event.signal and "was ended by signal " .. event.signal or "ended with exit code " .. event.code)
  end,
  exit = function(self, event)
    let_go_of_held(self, true)
    if event.wall_ns then
      self.how = { code = exit_code.of(event), at = event.wall_ns / NANOSECONDS }
    end
    finish(self)
  end,
  -- A container that nobody can follow any more is ended; the end of one that was created is told after it.
  lost = function(self)
    if self.started:is_set() and self.started:wait() then
      self.handle:signal "KILL"
    else
      finish(self, errors.new("MONITOR_GONE", "the container's monitor was killed"))
    end
  end,
  replaced = function(self)
    finish(self, errors.new("ENGINE_CONNECTION_LOST", "another gantry has taken the container over"))
  end,
}

---@return gantry.Monitor monitor
---@return table callbacks for its handle
local function prepare()
  local self = setmetatable({ piped = task.event(), started = task.event(), ended = task.event(), lost = { 0, 0 } },
    Monitor)
  return self, {
    on_output = function(stream, bytes) take_output(self, stream, bytes) end,
    on_event = function(event)
      local heard = HEARD[event.kind]
      if heard then heard(self, event) end
    end,
  }
end

---@param self gantry.Monitor
---@param handle userdata?
---@param err gantry.Error?
---@return gantry.Monitor? monitor, gantry.Error? err
local function hold(self, handle, err)
  if not handle then return nil, err end
  self.handle = handle
  handle:pause() -- until somebody attaches
  return self
end

---Starts a monitor, which is this process's.
---@param options table of gantry.core.monitor's spawn
---@return gantry.Monitor? monitor, gantry.Error? err SPAWN_FAILED, PROGRAM_MISSING
function monitors.spawn(options)
  local self, callbacks = prepare()
  for name, callback in pairs(callbacks) do options[name] = callback end
  return hold(self, core.monitor.spawn(task.loop(), options))
end

---Takes over the monitor of a container.
---@param directory string the container's
---@return gantry.Monitor? monitor, gantry.Error? err MONITOR_GONE, MONITOR_UNREACHABLE
function monitors.connect(directory)
  local self, callbacks = prepare()
  return hold(self, core.monitor.connect(task.loop(), directory, callbacks))
end

---Gives the output to somebody. It flows until the end, which is told.
---@param handlers gantry.OutputHandlers
---@return gantry.OutputStream
function Monitor:attach(handlers)
  self.handlers = handlers
  for which, lost in ipairs(self.lost) do
    if lost > 0 then
      handlers.on_output("engine", ("%d bytes of %s were lost while no gantry was there to read them\n"):format(lost,
        STREAMS[which]))
    end
  end
  local function flow(pause)
    if self.handle and self.handlers == handlers then self.handle[pause and "pause" or "resume"](self.handle) end
  end
  flow(false)
  return {
    pause = function() flow(true) end,
    resume = function() flow(false) end,
    -- What comes is thrown away from then on: nobody else would read it while the container is this process's.
    cancel = function()
      flow(false)
      if self.handlers == handlers then self.handlers = nil end
    end,
  }
end

---Has the runtime start the container. What nobody has attached to is thrown away: a failure is told after all output.
---@return boolean? ok, gantry.Error? err MONITOR_GONE
function Monitor:start()
  if not self.handle then return self.piped:wait() end
  if not self.handlers then self.handle:resume() end
  self.held, self.held_bytes = {}, 0
  return self.handle:start()
end

---Starts a program that ends with the container, and that the container ends with.
---@param name string as people know it
---@param arguments string[] its path first
---@param log string file for what it says
---@return gantry.Event? ready it said so on its descriptor 3: true, or nil, err. Who knows it by other means sets it
---@return gantry.Error? err HELPER_FAILED, MONITOR_GONE, MONITOR_REFUSED
function Monitor:help(name, arguments, log)
  self.helper, self.helped = name, task.event()
  local ok, err = self.handle:ready_helper(arguments, log)
  if not ok then return nil, err end
  return self.helped
end

---Has a gate that is the container's first process start the plugin.
---@return boolean? ok, gantry.Error? err GATE_GONE
function Monitor:release()
  local request, err = core.gate.request {}
  if not request then return nil, err end
  return self.handle:release(request)
end

---Lets go of it; what it has not told is not known.
function Monitor:close()
  self.handlers = nil
  if self.handle then self.handle:close() end
  self.handle = nil
  finish(self, errors.new("MONITOR_GONE", "the container's monitor was let go"))
end

---Whether the container was created and has not ended, as far as its monitor has told.
---@return integer? pid
function Monitor:running()
  local pid = self.started:is_set() and self.started:wait()
  return pid and not self.ended:is_set() and pid or nil
end

---Whether a container has a monitor.
---@param directory string
---@return boolean
function monitors.lives(directory)
  return core.monitor.is_alive(directory) == true
end

return monitors
