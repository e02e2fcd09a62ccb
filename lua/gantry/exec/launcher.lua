-- SPDX-License-Identifier: Apache-2.0
--
--- exec/launcher.lua: the launch for a go-plugin host, in a process of its own: loads the policy, makes and starts the
--- container, hands its connections to the process that the host holds (gantry.face), and ends. Before it makes
--- anything it writes down its name, so that a guardian can take it away; what it made in vain it takes away itself.

collectgarbage "stop" -- this process ends before it would pay
-- Not all of gantry: what is loaded here is loaded for every start of a plugin.
local callbacks = require "gantry.exec.callbacks"
local connections = require "gantry.exec.connections"
local container = require "gantry.engine.container"
local context = require "gantry.policy.context"
local core = require "gantry.core"
local credentials = require "gantry.plugin.credentials"
local engines = require "gantry.engine"
local errors = require "gantry.base.errors"
local face = require "gantry.face"
local face_watch = require "gantry.exec.face_watch"
local host_environment = require "gantry.exec.host_environment"
local launches = require "gantry.place.launches"
local messages = require "gantry.exec.messages"
local policies = require "gantry.policy"
local refusal = require "gantry.plugin.refusal"
local removal = require "gantry.plugin.removal"
local runtime_dir = require "gantry.place.runtime_dir"
local scratch = require "gantry.plugin.scratch"
local sockets_in_tmp = require "gantry.place.sockets_in_tmp"
local steps = require("gantry.plugin.launch").steps
local task = require "gantry.task"
local words = require "gantry.base.words"

local launcher = {}

-- Hosts give up without a word: the reason has to come before that.
local SHARE_OF_TIMEOUT <const> = 11 / 12
local USER_MODE <const>, GROUP_MODE <const> = tonumber("700", 8), tonumber("770", 8)
-- Leaves room for the longest name that a plugin gives its socket: 24 bytes, of Packer's.
local LONGEST_DIRECTORY_NAME <const> = 32
-- Seconds that the reason needs on its way; that an engine may be away.
local MARGIN <const>, ENGINE_TIMEOUT <const> = 0.2, 60

local BEGAN <const> = core.loop.clock()

---Says something in the host's log. Who asks the program something may read both of its streams as the answer: it hears
---of nothing but a failure.
---@param level string
---@param text string
---@param fields table?
local function say(level, text, fields)
  if face.host ~= "asks" then face.tell("log", messages.line(face.host, level, text, fields)) end
end

---@class gantry.ExecLaunch what a plugin is to the steps of gantry.plugin.launch
local Launch = {}
Launch.__index = Launch

---@param kind string
---@param fields table
function Launch:event(kind, fields)
  if kind == "pulling" then
    self.doing = { "pull image " .. fields.reference, "pull it before (docker pull " .. fields.reference .. ")" }
  elseif kind == "loading" then
    self.doing = { "load binary " .. fields.path .. " into the engine", "look at the engine's load" }
  elseif kind == "pulled" or kind == "binary" then
    self.doing = nil
  elseif kind == "warning" then
    say("warn", fields.text)
  elseif kind == "created" then
    face.made()
    say("debug", ("container created for plugin '%s'"):format(self.name),
      { container = fields.container, name = self.container_name, image = self.reference })
  end
end

---@param engine gantry.Engine
---@return boolean whether the engine is this user's own, in whose containers root is this user
local function is_rootless(engine)
  local socket = engine.endpoint.unix_socket
  local status = socket and core.system.stat(socket)
  return status ~= nil and status.uid ~= 0 and status.uid == core.system.euid()
end

---What differs from a launch for ourselves: who the plugin runs as, and what it is started with.
---@param self gantry.ExecLaunch
local function adapt(self, arguments)
  local config, system = self.config, core.system
  self.as_caller = config.user == nil and not config.rootless
  if self.as_caller then
    config.user = is_rootless(self.engine) and "0:0" or ("%d:%d"):format(system.euid(), system.egid())
  end
  -- A policy may know better what go-plugin's plugin is to start with; elsewhere arguments are the host's question.
  if #arguments > 0 and (face.host ~= "go-plugin" or not config.args) then config.args = arguments end
  -- Who is asked something listens nowhere; Packer's SDK, which is older than go-plugin, where TMPDIR says.
  if face.host ~= "go-plugin" then self.sockets_in_tmp = face.host == "packer" end
  if config.read_only == nil then config.read_only = true end -- what a host's plugin writes is to stay, or to fail
  config.auto_mtls = false -- the certificate is the host's
  -- What answers and ends leaves no orphans, and an init would answer in its place where it cannot be started.
  if face.host == "asks" then config.init = config.init or false end
  return true
end

---@param config gantry.Config
---@return gantry.HostEnvironment? found, gantry.Error? err
local function environment_of_host(config)
  if face.host == "asks" then return host_environment.none() end
  if face.host == "packer" then return host_environment.packer(core.system.environment()) end
  return host_environment.read(face.pid, { cookie_named = config.cookie ~= nil })
end

---Packer's SDK knows no groups: its socket is for its own user, and for root.
---@param self gantry.ExecLaunch
local function warn_of_user(self)
  local user, uid = self.config.user, core.system.euid()
  if face.host ~= "packer" or uid == 0 or not user or user:match("^%d+") == tostring(uid) then return end
  say("warn", ("plugin '%s' runs as user '%s', which alone may connect to the socket of a plugin for Packer: leave "
    .. "user out of the policy, and the plugin runs as Packer's own, %d"):format(self.name, user, uid))
end

---@param self gantry.ExecLaunch
local function read_host(self)
  local found, err = environment_of_host(self.config)
  if not found then return nil, err end
  self.host = found
  local left_out = host_environment.left_out(found, self.config)
  if left_out then say("warn", left_out) end
  if not self.as_caller then warn_of_user(self) end
  if (found.socket_group or "") ~= "" then self.config.socket_group = found.socket_group end
  self.shared_group = self.config.socket_group ~= nil or not self.as_caller
  self.options.directory_mode = self.shared_group and GROUP_MODE or USER_MODE
  self.options.build_environment = function(config, facts)
    facts.shared_group = self.shared_group
    return host_environment.build(config, found, facts)
  end
  return true
end

---Writes down what is about to be made.
---@param self gantry.ExecLaunch
local function tell_making(self)
  return face.making { engine = self.engine.endpoint.name, container = self.container_name, root = self.named_root,
    directory = self.named_root ~= "" and self.options.directory_name or "", keep = self.config.debug and "keep" or "" }
end

---Names, before anything is made.
---@param self gantry.ExecLaunch
local function name_all(self)
  local unique = core.system.random(5)
  local ours = (self.host.socket_dir or "") == ""
  self.container_name = ("gantry-%s-%s"):format(self.name, unique)
  local root = ""
  if ours then
    local named = self.config.temp_dir or runtime_dir.path()
    local made, unsafe = core.socket_dir.root(named)
    if not made then return nil, unsafe end
    root = assert(core.system.real_path(named))
  end
  self.options.directory_name = ("%s-%s"):format(self.name:sub(1, LONGEST_DIRECTORY_NAME), unique)
  -- By this label others take away what nobody looks after: not what is kept for inspection.
  local abandonable = ours and not self.config.debug
  self.options.labels = { [container.LABEL.unique] = abandonable and self.options.directory_name or nil }
  self.named_root = root
  return tell_making(self)
end

-- A socket's path has at most 107 bytes; go-plugin's own name for one takes up to 16 of them, beside a slash.
local LONGEST_CHOSEN <const> = 107 - 16 - 1

---@param path string that the host chose for the sockets of this plugin
---@return boolean? ok, gantry.Error? err SOCKET_DIR_CHOSEN
local function check_chosen(path)
  local status = path:sub(1, 1) == "/" and core.system.stat(path) or nil
  local wrong
  if path:sub(1, 1) ~= "/" then
    wrong = "is not an absolute path"
  elseif #path > LONGEST_CHOSEN then
    wrong = ("is %d bytes long; a socket below it needs it to have %d at most"):format(#path, LONGEST_CHOSEN)
  elseif not status then
    wrong = "does not exist"
  elseif status.type ~= "directory" then
    wrong = "is no directory"
  elseif not core.system.accessible(path, "w") then
    wrong = "is not writable for this user"
  else
    return true
  end
  return nil, errors.new("SOCKET_DIR_CHOSEN", ("the host's directory for this plugin's sockets, "
    .. "PLUGIN_UNIX_SOCKET_DIR=%s, %s; set it right in the host, or leave it out: gantry makes one"):format(
      words.show(path), wrong))
end

---The host's own directory, where it names one: nothing in it is ours to remove.
local function foreign_directory(path)
  return { path = function() return path end, lock = function() return -1 end, remove = function() return true end }
end

---Whether the plugin sees the host's temporary directory, by share_tmp or another mount of the same path.
---@param config gantry.Config
---@return boolean
local function sees_temporary(config)
  local temporary = core.system.environment().TMPDIR
  temporary = (temporary or "") ~= "" and temporary or "/tmp"
  for _, mount in ipairs(config.mounts or {}) do
    local inside = temporary == mount.target or temporary:sub(1, #mount.target + 1) == mount.target .. "/"
    if inside and mount.source == mount.target then return true end
  end
  return config.share_tmp and true or false
end

---@param self gantry.ExecLaunch
local function make_directory(self)
  local ok, err
  if (self.host.socket_dir or "") ~= "" then
    ok, err = check_chosen(self.host.socket_dir)
    if ok then ok, err = refusal.check_visible(self, self.host.socket_dir) end
    if ok then ok, err = steps.find_group(self) end
    self.directory, self.foreign_directory = foreign_directory(self.host.socket_dir), true
  else
    ok, err = steps.open_directory(self)
  end
  if not ok then return nil, err end
  if sees_temporary(self.config) then
    face.tell("shared")
  else
    local unheard = callbacks.warning(self.host, self.name)
    if unheard then say("warn", unheard) end
  end
  return face.tell("plugin", self.name .. "\0" .. self.directory:path())
end

---What of the plugin's addresses means something to its host.
---@param self gantry.ExecLaunch
local function tell_places(self)
  self.may_start_again = face.host ~= "asks" and self.scratch.path ~= nil and not self.sockets_in_tmp
  return face.tell("places", ("%s\0%s"):format(self.may_start_again and self.scratch.path or "",
    container.has_host_network(self.config) and "host" or ""))
end

---@param self gantry.ExecLaunch
local function hand_over_output(self)
  self.connections = connections.new(self.engine, self.container)
  return self.connections:hand_over_output(self.directory:lock())
end

---@param self gantry.ExecLaunch
local function start(self)
  local ok, err = self.engine:start(self.container)
  if not ok then return nil, require("gantry.plugin.failure").explain(self, steps.start_error(err)) end
  return face.tell "started"
end

---What tells of the plugin's end. Where the engine goes away meanwhile, a returner sees to that.
---@param self gantry.ExecLaunch
local function hand_over_end(self)
  local inspected = self.connections:inspect()
  if inspected then connections.hand_over_process(inspected) end
  self.connections:hand_over_exit()
end

local STEPS = {
  adapt, read_host, steps.find_image, steps.check_runtime, name_all, make_directory, steps.create, tell_places,
  hand_over_output, start,
}

---@param arguments string[]
---@return boolean? ok, gantry.Error? err
function Launch:go_through(arguments)
  for i, step in ipairs(STEPS) do
    local ok, err = step(self, i == 1 and arguments or nil)
    if not ok then return nil, err end
  end
  return true
end

---Starts a plugin once more whose sockets are to be where TMPDIR says, with its socket directory there.
---@param self gantry.ExecLaunch
---@return boolean? ok, gantry.Error? err
local function start_again(self)
  local gone, err = removal.remove(self.engine, self.container)
  if not gone then return nil, err end
  launches.forget(self.container_name, self.directory:path())
  self.container_name, self.sockets_in_tmp = ("gantry-%s-%s"):format(self.name, core.system.random(5)), true
  sockets_in_tmp.remember(self)
  say("warn", scratch.explain(self.name))
  for _, step in ipairs { tell_making, steps.create, tell_places, hand_over_output, start } do
    local ok, failure = step(self)
    if not ok then return nil, failure end
  end
  return true
end

---Hands over what tells of the plugin's end, and stays for as long as it may have to be started again.
---@param self gantry.ExecLaunch
---@return boolean? ok, gantry.Error? err
local function see_off(self)
  if not self.may_start_again then
    hand_over_end(self)
    return true
  end
  local heard = task.event()
  local _ <close> = task.loop():watch(face.channel, "r", function()
    local again = face.hear()
    if again ~= nil then heard:set(again) end
  end)
  local which = task.first(
    function() return heard:wait() or task.event():wait() end,
    function() hand_over_end(self) end)
  if which == 2 and self.connections.resident or not heard:wait() then return true end
  local ok, err = start_again(self)
  if not ok then return nil, err end
  hand_over_end(self)
  return true
end

---All up to the start, in time for the host to hear why, where it takes too long.
---@param arguments string[]
---@return boolean? ok, gantry.Error? err
function Launch:start_in_time(arguments)
  local left = self.timeout - (core.loop.clock() - BEGAN)
  local ok, err = task.deadline(math.max(left, 0), self.go_through, self, arguments)
  if ok or not errors.is(err, "DEADLINE_EXCEEDED") then return ok, err end
  local doing = self.doing or { "start the container", "look at the engine's load" }
  return nil, errors.new("START_TIMEOUT", ("plugin '%s': to %s took longer than its host waits; %s"):format(
    self.name, table.unpack(doing)))
end

---Takes away what a launch made in vain.
function Launch:release()
  if self.may_appear then return end -- the engine has not answered: the guardians look for it, for a while
  if self.container_name then
    local gone = removal.remove(self.engine, self.container or self.container_name)
    if not gone then return end -- the guardians wait longer
    launches.forget(self.container_name, self.directory and self.directory:path())
  end
  credentials.drop(self)
  if self.directory then self.directory:remove() end
  face.clean()
end

-- How the last container went that nobody closed: of use to the next host alone, so in its log.
local WENT <const> = {
  left = "the last container of plugin '%s', %s, went with its host, which ended at %s without closing it; if the "
    .. "plugin is to outlive its host, set outlive_host = true",
  killed = "the last container of plugin '%s', %s, was to outlive its host, but went at %s, when the process that the "
    .. "host had started was killed; if systemd did that with the host's unit, set KillMode=process there",
}

---@param policy gantry.Policy
local function tell_of_host(policy)
  if policy.config.outlive_host then face.tell "outlive" end
  local left = face.host ~= "asks" and launches.take_left(policy.name)
  if not left then return end
  say("info", WENT[left.how]:format(policy.name, left.container, os.date("!%Y-%m-%dT%H:%M:%SZ", left.at)))
end

---@param path string
---@param arguments string[]
---@return gantry.ExecLaunch? launch, gantry.Error|gantry.Error[]|nil err
local function prepare(path, arguments)
  local engine
  local function connect()
    local err
    if not engine then engine, err = engines.connect() end
    return engine, err
  end
  local policy, err = policies.load(path, context.of({ args = arguments, verb = "exec" }, connect),
    { print = function(text, from) say("info", ("%s: %s"):format(from, text)) end })
  if not policy then return nil, err end
  face.tell("plugin", policy.name)
  local timeout = policy.config.start_timeout * SHARE_OF_TIMEOUT
  face.tell("timeout", ("%.0f %.0f"):format(timeout * 1000, (policy.config.engine_timeout or ENGINE_TIMEOUT) * 1000))
  tell_of_host(policy)
  local connected, unreachable = connect()
  if not connected then return nil, unreachable end
  connected:ask()
  return setmetatable({ name = policy.name, config = policy.config, engine = engine,
    options = { policy = policy.path },
    timeout = timeout - MARGIN }, Launch)
end

---@param path string
---@param arguments string[]
---@return boolean? ok, gantry.Error|gantry.Error[]|nil err
function launcher.run(path, arguments)
  local self, err = prepare(path, arguments)
  if not self then return nil, err end
  local done = false
  -- Also where the host has ended meanwhile, and the launch is cancelled.
  local _ <close> = setmetatable({}, { __close = function()
    if not done then task.shield(self.release, self) end
  end })
  local ok, problem = self:start_in_time(arguments)
  if ok then ok, problem = see_off(self) end
  if not ok then
    face.tell("failed", messages.reason(problem))
    return nil, problem
  end
  done = true
  -- The plugin runs: now there is time for what was left when the machine's power went.
  if #launches.of_other_boots() > 0 then require("gantry.plugin.leftovers").remove_earlier_boots(self.engine) end
  return true
end

---@param path string the policy
---@param ... string the host's arguments for its plugin
---@return integer exit_code
function launcher.main(path, ...)
  local arguments = { ... }
  local lives, ok, err = face_watch.run(function() return launcher.run(path, arguments) end)
  if lives and ok then return 0 end
  if lives then face.tell("failed", messages.reason(err or errors.new("FAILED", "the launch failed"))) end
  return 1
end

return launcher
