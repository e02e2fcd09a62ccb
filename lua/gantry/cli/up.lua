-- SPDX-License-Identifier: Apache-2.0
--
--- cli/up.lua: `gantry up`: the supervisor in the foreground. Events and the plugins' output go to standard error. A
--- signal ends it and leaves the plugins running; SIGHUP has it read the policies again.

local core = require "gantry.core"
local errors = require "gantry.base.errors"
local exit_codes = require "gantry.text.exit_codes"
local gantry = require "gantry"
local hclog = require "gantry.base.hclog"
local host_server = require("gantry.base.later") "gantry.handover.serve"
local json = require "gantry.json"
local log_text = require "gantry.text.log_text"
local memory_trim = require "gantry.cli.memory_trim"
local output_options = require "gantry.cli.output_options"
local policy_options = require "gantry.cli.policy_options"
local report = require "gantry.text.report"
local service_manager = require "gantry.cli.service_manager"
local settings = require "gantry.policy.settings"
local task = require "gantry.task"
local writer = require "gantry.text.writer"

local STDERR <const> = 2
local LAST_WORDS <const> = 5 -- seconds for a slow reader to take what it has not read in the end
local GARBAGE_PAUSE <const> = 150 -- per cent of what is in use, before the collector begins anew

local up = {
  summary = "Keep the plugins of a directory of policies running, until a signal ends it. They run on without it.",
  examples = "  gantry up /etc/gantry/policies\n  gantry up --control-group plugins --log-format json policies",
}

---An option whose value may be left out takes what comes after it.
---@param text string
---@return string? address, string? reason
local function web_address(text)
  if text:find ":%d+$" then return text end
  return nil, ("--web '%s': this is no ADDRESS:PORT; where it is the directory, put it before --web"):format(text)
end

function up.configure(parser)
  parser:argument("directory", "The directory of the policies."):argname("DIR")
  parser:option("--engine", "The engine's address (unix:///path, tcp://host:port)."):argname("URL")
  parser:option("--state", "Where it keeps what must outlive it, instead of the usual place."):argname("DIR")
  parser:option("--control", "The control socket, instead of the usual one."):argname("PATH")
  parser:option("--control-group", "A group whose members may control it."):argname("GROUP")
  parser:option("--log-format", "text or json: of events and output on standard error. Text where left out.")
    :choices { "text", "json" }
  parser:option("--log-dir", "Write the plugins' output to files in here too, a file a plugin, rotated at 10 MiB.")
    :argname("DIR")
  parser:option("--web", "Serve a page for browsers there, at 127.0.0.1:7070 where no address is given.")
    :argname("ADDRESS:PORT"):args("?"):convert(web_address)
  parser:flag("--web-readonly", "The page shows everything and changes nothing.")
  parser:option("--web-host", "One more name by which browsers reach the page; may be given again."):argname("NAME")
    :count("*")
  parser:option("--web-certificate", "The page's certificate in PEM, for an address that others reach.")
    :argname("FILE")
  parser:option("--web-key", "The key of that certificate in PEM."):argname("FILE")
  parser:flag("--serve-hosts", "Launch nothing here: containers of policies with warm wait for go-plugin hosts, whose "
    .. "gantry exec takes them.")
  output_options.timestamps(parser)
  policy_options.site(parser)
end

---@class gantry.Up
---@field text gantry.LogText of events and output
local Up = {}
Up.__index = Up

---What stands in the place of what was not taken from it: `gantry logs` and `gantry why` have the last of it.
function Up:left_out(bytes)
  local text = ("%d bytes are left out here: the reader is too slow"):format(bytes)
  if self.options.log_format == "json" then return json.line { time = os.time(), kind = "lost", message = text } end
  return self.text:event { time = os.time(), kind = "lost", text = text }
end

function Up:event(event)
  if self.options.log_format == "json" then
    return self.writer:write(json.line { time = event.time, plugin = event.plugin, kind = event.kind,
      message = event.text })
  end
  self.writer:write(self.text:event(event))
end

---@param name string
---@param stream string
---@param line string
---@return string
local function json_line(name, stream, line)
  local entry = hclog.parse(line)
  return json.line { time = os.time(), plugin = name, kind = "output", stream = stream,
    level = entry.level, module = entry.module, message = entry.message,
    fields = next(entry.fields) and entry.fields or nil }
end

---@param name string the plugin's
---@param stream "stdout"|"stderr"
---@param lines string[]
function Up:show(name, stream, lines)
  if self.options.log_format ~= "json" then return self.writer:write(self.text:output(name, lines)) end
  local out = {}
  for i, line in ipairs(lines) do out[i] = json_line(name, stream, line) end
  self.writer:write(table.concat(out))
end

function Up:on_signal(name)
  if name == "PIPE" then return end
  if name == "HUP" then return task.detach(self.reload, self) end
  self.manager:tell "STOPPING=1"
  self.supervised:leave()
end

function Up:reload()
  if not self.started then return end -- they are read as soon as the engine is there
  self.manager:tell("RELOADING=1", ("MONOTONIC_USEC=%d"):format(core.loop.clock() * 1000000 // 1 | 0))
  local read, err = self.supervised:reload()
  if not read then self.supervised:tell("warning", "the policies cannot be read again: " .. err.message) end
  self.manager:tell "READY=1"
end

---@return gantry.WebOptions?
function Up:web_options()
  local given = self.options
  if not given.web then return nil end
  return { address = given.web[1], readonly = given.web_readonly, names = given.web_host,
    certificate = given.web_certificate, key = given.web_key }
end

---@return gantry.SuperviseOptions
function Up:supervise_options()
  local given = self.options
  return {
    directory = given.directory, state_dir = given.state, engine = given.engine, log_dir = given.log_dir,
    control = given.control, control_group = given.control_group, control_descriptor = self.manager:descriptor(),
    web = self:web_options(), serve_hosts = given.serve_hosts,
    fault_point = os.getenv "GANTRY_FAULT_POINT",
    on_waiting = function(failure) self.manager:waiting("an engine: " .. failure.message) end,
    on_started = function()
      self.started = true
      self.manager:tell "READY=1"
    end,
    on_state = function(states)
      self.manager:status(states)
      self.memory_trim:note()
    end,
    on_event = function(event) self:event(event) end,
    on_lines = function(name, stream, lines) self:show(name, stream, lines) end,
  }
end

---@return gantry.HostServer? server, gantry.Error? err
function Up:serve_hosts()
  if not self.options.serve_hosts then return nil end
  return host_server.open(self.supervised.supervisor)
end

---@return boolean? ok, gantry.Error? err
function Up:main()
  local supervised, err = gantry.supervise(self:supervise_options())
  if not supervised then return nil, err end
  local _ <close> = supervised
  self.supervised = supervised
  task.on_error = function(failure) supervised:tell("fault", "a fault of gantry: " .. errors.text(failure)) end
  supervised:tell("state", ("supervises %s, control socket %s"):format(supervised.directory,
    supervised.control or "handed over"))
  -- Whoever starts it is to have the link, not whoever follows its events.
  local _ <close>, unserved = self:serve_hosts()
  if unserved then return nil, unserved end
  if supervised.web then self:event { time = os.time(), kind = "web", text = supervised.web } end
  local signals <close>, deaf = core.signals.open(task.loop(), { "INT", "TERM", "HUP", "PIPE" },
    function(name) self:on_signal(name) end)
  if not signals then return nil, deaf end
  local scope <close> = task.scope()
  scope:spawn(self.manager.keep_alive, self.manager)
  scope:spawn(self.memory_trim.run, self.memory_trim)
  return supervised:wait()
end

---Options that are left out are settings, but for those of which others know.
local OF_SETTINGS = { "control_group", "log_format", "log_dir" }

function up.run(arguments)
  local about_page = arguments.web_readonly or arguments.web_certificate or arguments.web_key
    or #arguments.web_host > 0
  if about_page and not arguments.web then
    return report.failure(errors.new("USAGE", "--web-… is about the page, which is there with --web"), arguments)
  end
  for _, name in ipairs(OF_SETTINGS) do arguments[name] = arguments[name] or settings.get(name) end
  -- It lives long and mostly rests: garbage is better given back than kept for speed.
  collectgarbage("incremental", GARBAGE_PAUSE)
  local self = setmetatable({ options = arguments, manager = service_manager.new(),
    memory_trim = memory_trim.new(),
    text = log_text.new(STDERR, output_options.wants_timestamps(arguments)) }, Up)
  self.writer = writer.new(STDERR, { left_out = function(bytes) return self:left_out(bytes) end })
  local ok, err = task.run(function()
    local ended, failure = self:main()
    self.writer:settle(LAST_WORDS)
    return ended, failure
  end)
  task.on_error = nil
  if not ok then return report.failure(err, arguments) end
  return exit_codes.OK
end

return up
