-- SPDX-License-Identifier: Apache-2.0
--
--- cli/up.lua: `gantry up`: the supervisor in the foreground. Events and the plugins' output go to standard error. A
--- signal ends it and leaves the plugins running; SIGHUP has it read the policies again.

local control = require "gantry.control"
local core = require "gantry.core"
local exit_codes = require "gantry.cli.exit_codes"
local gantry = require "gantry"
local hclog = require "gantry.hclog"
local json = require "gantry.json"
local log_files = require "gantry.supervisor.log_files"
local paths = require "gantry.supervisor.paths"
local printable = require "gantry.cli.printable"
local progress = require "gantry.cli.progress"
local report = require "gantry.cli.report"
local service_manager = require "gantry.cli.service_manager"
local supervisor = require "gantry.supervisor"
local task = require "gantry.task"
local tidying = require "gantry.cli.tidying"
local writer = require "gantry.cli.writer"

local STDERR <const> = 2
local GARBAGE_PAUSE <const> = 150 -- per cent of what is in use, before the collector begins anew

local up = {
  summary = "Keep the plugins of a directory of policies running, until a signal ends it. They run on without it.",
  examples = "  gantry up /etc/gantry/policies\n  gantry up --control-group plugins --log-format json policies",
}

function up.configure(parser)
  parser:argument("directory", "The directory of the policies."):argname("DIR")
  parser:option("--engine", "The engine's address (unix:///path, tcp://host:port)."):argname("URL")
  parser:option("--state", "Where it keeps what must outlive it, instead of the usual place."):argname("DIR")
  parser:option("--control", "The control socket, instead of the usual one."):argname("PATH")
  parser:option("--control-group", "A group whose members may control it."):argname("GROUP")
  parser:option("--log-format", "text or json: of events and output on standard error."):choices { "text", "json" }
    :default "text"
  parser:option("--log-dir", "Write the plugins' output to files in here too, a file a plugin, rotated at 10 MiB.")
    :argname("DIR")
end

---@class gantry.Up
---@field printable fun(text: string): string what events and output go through as text
local Up = {}
Up.__index = Up

function Up:event(event)
  if self.options.log_format == "json" then
    return self.writer:write(json.encode { time = event.time, plugin = event.plugin, kind = event.kind,
      message = event.text } .. "\n")
  end
  self.writer:write(self.printable(("%s: %s: %s\n"):format(event.plugin or "gantry", event.kind, event.text)))
end

---@param name string
---@param stream string
---@param line string
function Up:json_line(name, stream, line)
  local entry = hclog.parse(line)
  self.writer:write(json.encode { time = os.time(), plugin = name, kind = "output", stream = stream,
    level = entry.level, module = entry.module, message = entry.message,
    fields = next(entry.fields) and entry.fields or nil } .. "\n")
end

function Up:output(name, stream, bytes)
  if self.files then self.files:feed(name, stream, bytes) end
  if self.writer.held > 4 * 1024 * 1024 then return end -- nobody reads: `gantry logs` has the last of it
  if self.options.log_format == "json" then
    local key = name .. "/" .. stream
    self.logs[key] = self.logs[key] or core.lines.new(64 * 1024)
    return self.logs[key]:feed(bytes, function(line) self:json_line(name, stream, line) end)
  end
  self.logs[name] = self.logs[name]
    or progress.log(name, function(text) self.writer:write(self.printable(text)) end)
  self.logs[name]:feed(stream, bytes)
end

function Up:on_signal(name)
  if name == "PIPE" then return end
  if name == "HUP" then return task.detach(self.reload, self) end
  self.manager:tell "STOPPING=1"
  self.supervisor:leave()
end

function Up:reload()
  self.manager:tell("RELOADING=1", ("MONOTONIC_USEC=%d"):format(core.loop.clock() * 1000000 // 1 | 0))
  local ok, err = self.supervisor:reload()
  if not ok then self.supervisor:tell("warning", "the policies cannot be read again: " .. err.message) end
  self.manager:tell "READY=1"
end

---@return integer? gid, gantry.Error? err
function Up:control_group()
  if not self.options.control_group then return nil end
  return core.group.resolve(self.options.control_group)
end

---@return boolean? ok, gantry.Error? err
function Up:serve()
  local group, unknown = self:control_group()
  if unknown then return nil, unknown:wrap("--control-group") end
  local server, err = control.serve(self.supervisor, { path = self.options.control or paths.control(), group = group,
    descriptor = self.manager:descriptor() })
  if not server then return nil, err end
  self.server = server
  return true
end

---@return boolean? ok, gantry.Error? err
function Up:open_files()
  if not self.options.log_dir then return true end
  local files, err = log_files.open(self.options.log_dir, { on_failure = function(text)
    self:event { time = os.time(), kind = "warning", text = text }
  end })
  self.files = files
  return files ~= nil, err
end

---@return boolean? ok, gantry.Error? err
function Up:main()
  local writable, no_files = self:open_files()
  if not writable then return nil, no_files end
  local engine, unreachable = gantry.engine(self.options.engine)
  if not engine then return nil, unreachable end
  local made, err = supervisor.new {
    directory = self.options.directory, engine = engine, state_dir = self.options.state,
    fault_point = os.getenv "GANTRY_FAULT_POINT",
    on_started = function() self.manager:tell "READY=1" end,
    on_state = function(units)
      self.manager:status(units)
      self.tidying:note()
    end,
    on_event = function(event) self:event(event) end,
    on_output = function(name, stream, bytes) self:output(name, stream, bytes) end,
  }
  if not made then return nil, err end
  self.supervisor = made
  local serving, refused = self:serve()
  if not serving then return nil, refused end
  self:event { time = os.time(), kind = "state", text = ("supervises %s, control socket %s"):format(made.directory,
    self.server.path or "handed over") }
  local signals <close> = core.signals.open(task.loop(), { "INT", "TERM", "HUP", "PIPE" }, -- luacheck: ignore signals
    function(name) self:on_signal(name) end)
  local scope <close> = task.scope()
  scope:spawn(self.manager.keep_alive, self.manager)
  scope:spawn(self.tidying.run, self.tidying)
  local ok, failure = made:run()
  self.server:close()
  made:close()
  return ok, failure
end

function up.run(arguments)
  -- It lives long and mostly rests: garbage is better given back than kept for speed.
  collectgarbage("incremental", GARBAGE_PAUSE)
  local self = setmetatable({ options = arguments, logs = {}, manager = service_manager.new(),
    tidying = tidying.new(), printable = printable.filter(STDERR) }, Up)
  self.writer = writer.new(STDERR)
  local ok, err = task.run(self.main, self)
  self.writer:flush()
  if not ok then return report.failure(err, arguments) end
  return exit_codes.OK
end

return up
