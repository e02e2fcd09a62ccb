-- SPDX-License-Identifier: Apache-2.0
--
--- library/supervise.lua: gantry.supervise: a supervisor in a program's own loop, with its control socket and the files
--- of its plugins' output. `gantry up` is this, with a terminal and a service manager.

local control = require "gantry.control"
local core = require "gantry.core"
local engines = require "gantry.engine"
local errors = require "gantry.base.errors"
local given = require "gantry.library.options"
local log_files = require "gantry.supervisor.log_files"
local paths = require "gantry.supervisor.paths"
local supervisor = require "gantry.supervisor"
local task = require "gantry.task"
local view = require "gantry.supervisor.view"
local words = require "gantry.base.words"

local supervise = {}

---Handlers must not wait. What one of them raises changes nothing: where it is about one plugin it stands in that one's
---journal (`why`); else it is noted in supervised.faults, and given to task.on_error, where that is set.
---@class gantry.SuperviseOptions
---@field directory string of the policies: one file, one plugin
---@field engine gantry.EngineClient|string|nil client or address; the default engine where nil. It may come later
---@field control string|false|nil path of the control socket, for gantry's other verbs; false for none; the usual one
--- where nil
---@field control_group string? a group whose members may control it
---@field control_descriptor integer? a socket that listens already, instead of the path
---@field web gantry.WebOptions? serves the page, for browsers
---@field state_dir string? where it keeps what must outlive it, instead of the usual place; one supervisor has it
---@field runtime_dir string? where the plugins' socket directories are made, instead of the usual place
---@field log_dir string? where the plugins' output is written too: a file a plugin, rotated at 10 MiB
---@field policy_process string[]? the command of the process that evaluates policies, where gantry finds none
---@field on_event fun(event: gantry.SupervisorEvent)? is told what happens
---@field on_lines fun(plugin: string, stream: "stdout"|"stderr", lines: string[])? takes the plugins' output
---@field on_state fun(states: table<string, string>)? the policies are read, or some plugin's state changed: the states
--- of all, by name
---@field on_started fun()? the policies are read and the plugins on their way
---@field on_waiting fun(err: gantry.Error)? the engine is not there yet; again and again

---@class gantry.Supervision
---@field directory string of the policies, as an absolute path
---@field control string? path of the control socket
---@field web string? the link to the page: whoever has it may do what the page does
---@field faults table<string, integer>? what handlers raised: the first line of each error, and how often it came
---@field supervisor gantry.Supervisor
---@field servers gantry.ControlServer[]
---@field task gantry.Task which supervises
---@field begun gantry.Event the policies are read, or never will be
local Supervision = {}
Supervision.__index = Supervision

-- States in which a plugin stays until somebody does something.
local RESTS <const> = { stopped = true, ended = true, failed = true }

---@param options gantry.SuperviseOptions
---@return gantry.LogFiles? files, gantry.Error? err
function Supervision:open_files(options)
  if not options.log_dir then return nil end
  return log_files.open(options.log_dir, { on_failure = function(text) self:tell("warning", text) end })
end

---@param options gantry.SuperviseOptions
---@param files gantry.LogFiles?
---@return fun(name: string, stream: "stdout"|"stderr", lines: string[])?
local function taker_of_lines(options, files)
  local on_lines = options.on_lines
  if not files then return on_lines end
  return function(name, stream, lines)
    files:add(name, stream, lines)
    if on_lines then on_lines(name, stream, lines) end
  end
end

---@param units table<string, gantry.Unit>
---@return table<string, string>
local function states_of(units)
  local states = {}
  for name, one in pairs(units) do states[name] = one.state end
  return states
end

---@param options gantry.SuperviseOptions
---@param files gantry.LogFiles?
---@return gantry.SupervisorOptions
function Supervision:options_of_supervisor(options, files)
  local on_state = options.on_state and function(units) options.on_state(states_of(units)) end
  return {
    directory = options.directory, state_dir = options.state_dir, runtime_dir = options.runtime_dir,
    policy_process = options.policy_process, fault_point = options.fault_point, serve_hosts = options.serve_hosts,
    connect = function() return engines.of(options.engine) end,
    on_event = options.on_event, on_lines = taker_of_lines(options, files), on_waiting = options.on_waiting,
    on_started = function()
      self.begun:set()
      if on_state then on_state(self.supervisor.units) end
      if options.on_started then options.on_started() end
    end,
    on_state = on_state,
  }
end

---@param options gantry.SuperviseOptions
---@return boolean? ok, gantry.Error? err
function Supervision:serve_page(options)
  if not options.web then return true end
  local server, err = control.serve_web(self.supervisor, options.web)
  if not server then return nil, err end
  table.insert(self.servers, server)
  self.web = server.link
  return true
end

---@param options gantry.SuperviseOptions
---@return boolean? ok, gantry.Error? err
function Supervision:serve_socket(options)
  if options.control == false then return true end
  local group, unknown
  if options.control_group then
    group, unknown = core.group.resolve(options.control_group)
    if not group then return nil, unknown:wrap "control_group" end
  end
  local server, err = control.serve(self.supervisor, { path = options.control or paths.control(), group = group,
    descriptor = options.control_descriptor })
  if not server then return nil, err end
  table.insert(self.servers, server)
  self.control = server.path
  local noted, unnoted = true, nil
  if server.path then noted, unnoted = self.supervisor.store:save_control(server.path) end
  if not noted then self:tell("warning", "the control socket's path cannot be kept: " .. unnoted.message) end
  return true
end

---Gives back what it holds, however it ends.
function Supervision:release()
  self.begun:set()
  for _, server in ipairs(self.servers) do server:close() end
  self.supervisor:close()
end

---@return boolean? ok, gantry.Error? err
function Supervision:run()
  local _ <close> = setmetatable({}, { __close = function() self:release() end })
  return self.supervisor:run()
end

---@param options gantry.SuperviseOptions
---@return gantry.Supervision? supervised, gantry.Error? err
function supervise.start(options)
  local self = setmetatable({ begun = task.event(), servers = {} }, Supervision)
  local files, unwritable = self:open_files(options)
  if unwritable then return nil, unwritable end
  local made, err = supervisor.new(self:options_of_supervisor(options, files))
  if not made then return nil, err end
  self.supervisor, self.directory = made, made.directory
  made.faults = {}
  self.faults = made.faults
  local serves, refused = self:serve_socket(options)
  if serves then serves, refused = self:serve_page(options) end
  if not serves then
    self:release()
    return nil, refused
  end
  self.task = task.detached_scope():spawn(self.run, self)
  return self
end

---Waits until it has ended, by leave, down or close, or because it cannot go on.
---@return boolean? ok, gantry.Error? err
function Supervision:wait()
  return self.task:wait()
end

---Ends it and leaves the plugins running: the next supervisor takes them over. Does not wait.
function Supervision:leave()
  self.supervisor:leave()
end

---Ends it, leaves the plugins running, and waits until it has ended. Closing twice is allowed.
---@return boolean? ok, gantry.Error? err
function Supervision:close()
  self:leave()
  return self:wait()
end

Supervision.__close = Supervision.close

---Stops all plugins, those first that need others, and ends it. The next supervisor starts them again.
---@return string[]? stopped names
---@return gantry.Error? err STOP_FAILED where the engine did not let one be stopped: it goes on then
function Supervision:down()
  local names, err = self.supervisor:stop_all()
  if err then return nil, err end
  self:close()
  return names
end

---Reads the policies again; changed files are seen without that.
---@return gantry.Error[]? findings what is wrong with policies; the last good one of each is in force
---@return gantry.Error? err
function Supervision:reload()
  local ok, err = self.supervisor:reload()
  if not ok then return nil, err end
  return self.supervisor.policies:findings()
end

---Tells whoever follows the events.
---@param kind string
---@param text string
function Supervision:tell(kind, text)
  self.supervisor:tell(kind, text)
end

---All plugins, as `gantry ps --json` shows them, by name.
---@param options { stats: boolean? }? stats: also what they use, for which an engine may have to be waited for
---@return gantry.PluginView[]
function Supervision:plugins(options)
  return view.all(self.supervisor, given.check(options, given.PLUGINS, "supervised:plugins").stats)
end

---@param self gantry.Supervision
---@param name string
---@return gantry.Unit? one, gantry.Error? err
local function find(self, name)
  if type(name) ~= "string" then error("this needs the name of a plugin, got " .. words.show(name), 3) end
  return self.supervisor:find(name)
end

---@param one gantry.Unit
---@return gantry.Error
local function not_ready(one)
  local detail = view.of(one).detail
  return errors.new("PLUGIN_NOT_READY", ("plugin '%s' is %s%s"):format(one.name, one.state,
    detail and ": " .. detail or ""))
end

---What happened to a plugin, what was decided, and why; also to one whose policy is gone.
---@param name string
---@return gantry.JournalEntry[]? entries
---@return gantry.Error? err PLUGIN_UNKNOWN
function Supervision:why(name)
  local journal = self.supervisor:journal_of(name)
  if journal then return journal.entries end
  return nil, select(2, find(self, name))
end

---The plugin as it runs now, to call it. Each generation is another one: ask again once it has ended.
---@param name string
---@return gantry.Plugin? plugin
---@return gantry.Error? err PLUGIN_UNKNOWN; PLUGIN_NOT_READY: there is none at the moment
function Supervision:plugin(name)
  local one, err = find(self, name)
  if not one then return nil, err end
  if one.state == "ready" then return one.plugin end
  return nil, not_ready(one)
end

---The same, once it is ready: waits for the engine, the policies, and a plugin that is on its way.
---@param name string
---@return gantry.Plugin? plugin
---@return gantry.Error? err PLUGIN_UNKNOWN; PLUGIN_NOT_READY: it stays down; ENDING
function Supervision:await(name)
  self.begun:wait()
  local ended = self.supervisor.ended
  while not ended:is_set() do
    local one, unknown = find(self, name)
    if not one then return nil, unknown end
    if one.state == "ready" then return one.plugin end
    if RESTS[one.state] and not one:should_run() then return nil, not_ready(one) end
    local turned = one.turned
    task.first(function() turned:wait() end, function() ended:wait() end)
  end
  local ok, err = self:wait()
  return nil, not ok and err or errors.new("ENDING", "the supervisor has ended")
end

---@param self gantry.Supervision
---@param name string
---@param verb "start"|"stop"|"restart"
---@return gantry.PluginView? plugin, gantry.Error? err
local function ask(self, name, verb)
  local one, unknown = find(self, name)
  if not one then return nil, unknown end
  local settled, err = one:ask(verb)
  if not settled then return nil, err end
  return view.of(one)
end

---Starts a plugin, and waits until it is ready, a start has failed, or it waits for something.
---@param name string
---@return gantry.PluginView? plugin
---@return gantry.Error? err PLUGIN_UNKNOWN, SUPERSEDED, ENDING
function Supervision:start(name) return ask(self, name, "start") end

---Stops a plugin, which stays down until somebody starts it, and waits for that.
---@param name string
---@return gantry.PluginView? plugin
---@return gantry.Error? err PLUGIN_UNKNOWN, SUPERSEDED, STOP_FAILED, ENDING
function Supervision:stop(name) return ask(self, name, "stop") end

---Stops a plugin and starts it again.
---@param name string
---@return gantry.PluginView? plugin
---@return gantry.Error? err PLUGIN_UNKNOWN, SUPERSEDED, STOP_FAILED, ENDING
function Supervision:restart(name) return ask(self, name, "restart") end

return supervise
