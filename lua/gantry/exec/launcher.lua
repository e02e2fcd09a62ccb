-- SPDX-License-Identifier: Apache-2.0
--
--- exec/launcher.lua: the launch for a go-plugin host, in a process of its own: loads the policy, makes and starts the
--- container, hands its connections to the process that the host holds (gantry.face), and ends. Before it makes
--- anything it writes down its name, so that a guardian can take it away; what it made in vain it takes away itself.

collectgarbage "stop" -- this process ends before it would pay
-- Not all of gantry: what is loaded here is loaded for every start of a plugin.
local container = require "gantry.container"
local context = require "gantry.context"
local core = require "gantry.core"
local engines = require "gantry.engine"
local errors = require "gantry.errors"
local face = require "gantry.face"
local host_environment = require "gantry.exec.host_environment"
local messages = require "gantry.exec.messages"
local policies = require "gantry.policy"
local removal = require "gantry.plugin.removal"
local runtime_dir = require "gantry.runtime_dir"
local steps = require("gantry.plugin.launch").steps
local task = require "gantry.task"

local launcher = {}

-- Hosts give up without a word: the reason has to come before that.
local SHARE_OF_PATIENCE <const> = 11 / 12
local USER_MODE <const>, GROUP_MODE <const> = tonumber("700", 8), tonumber("770", 8)
local LONGEST_DIRECTORY_NAME <const> = 40
-- Seconds that the reason needs on its way.
local MARGIN <const> = 0.2

local BEGAN <const> = core.loop.clock()

---@class gantry.ExecLaunch what a plugin is to the steps of gantry.plugin.launch
local Launch = {}
Launch.__index = Launch

---@param kind string
---@param fields table
function Launch:event(kind, fields)
  if kind == "pulling" then
    self.doing = { "pull image " .. fields.reference, "pull it before (docker pull " .. fields.reference .. ")" }
  elseif kind == "pulled" then
    self.doing = nil
  elseif kind == "warning" then
    face.tell("log", messages.line("warn", fields.text))
  elseif kind == "created" then
    face.made()
    face.tell("log", messages.line("debug", ("container created for plugin '%s'"):format(self.name),
      { container = fields.container, name = self.container_name, image = self.reference }))
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
  if not config.args and #arguments > 0 then config.args = arguments end
  config.auto_mtls = false -- the certificate is the host's
  return true
end

---@param self gantry.ExecLaunch
local function read_host(self)
  local found, err = host_environment.read(face.pid, { cookie_named = self.config.cookie ~= nil })
  if not found then return nil, err end
  self.host = found
  if (found.socket_group or "") ~= "" then self.config.socket_group = found.socket_group end
  self.shared_group = self.config.socket_group ~= nil or not self.as_caller
  self.options.directory_mode = self.shared_group and GROUP_MODE or USER_MODE
  self.options.build_environment = function(config, facts)
    facts.shared_group = self.shared_group
    return host_environment.build(config, found, facts)
  end
  return true
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
  self.options.labels = { [container.LABEL.exec] = abandonable and self.options.directory_name or nil }
  return face.making { engine = self.engine.endpoint.name, container = self.container_name, root = root,
    directory = ours and self.options.directory_name or "", keep = self.config.debug and "keep" or "" }
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
    ok, err = steps.find_group(self)
    self.directory = foreign_directory(self.host.socket_dir)
  else
    ok, err = steps.open_directory(self)
  end
  if not ok then return nil, err end
  if sees_temporary(self.config) then face.tell("shared") end
  return face.tell("plugin", self.name .. "\0" .. self.directory:path())
end

---@param self gantry.ExecLaunch
local function hand_over_output(self)
  local descriptor, err = self.engine:hand_over_output(self.container)
  if err and err.code == "HTTP_NOT_PLAIN" then
    self.resident = require "gantry.exec.resident"
    descriptor, err = self.resident.hand_over_output(self.engine, self.container)
  end
  if not descriptor then return nil, err end
  local told, lost = face.tell("output", "", descriptor, self.directory:lock())
  core.system.close(descriptor)
  return told, lost
end

---@param self gantry.ExecLaunch
local function start(self)
  local ok, err = self.engine:start(self.container)
  if ok then return true end
  return nil, err
end

---@param self gantry.ExecLaunch
local function hand_over_exit(self)
  if self.resident then return self.resident.follow(self.engine, self.container) end
  local descriptor, err, result = self.engine:hand_over_exit(self.container)
  if result then return face.tell("exit", tostring(result.StatusCode)) end
  if not descriptor then return nil, err end
  local told, lost = face.tell("exit", "", descriptor)
  core.system.close(descriptor)
  return told, lost
end

local STEPS = {
  adapt, read_host, steps.find_image, steps.check_runtime, name_all, make_directory, steps.create, hand_over_output,
  start,
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

---All up to the start, in time for the host to hear why, where it takes too long.
---@param arguments string[]
---@return boolean? ok, gantry.Error? err
function Launch:start_in_time(arguments)
  local left = self.patience - (core.loop.clock() - BEGAN)
  local ok, err = task.deadline(math.max(left, 0), self.go_through, self, arguments)
  if ok or not errors.is(err, "DEADLINE_EXCEEDED") then return ok, err end
  local doing = self.doing or { "start the container", "look at the engine's load" }
  return nil, errors.new("START_TIMEOUT", ("plugin '%s': to %s took longer than its host's patience; %s"):format(
    self.name, table.unpack(doing)))
end

---Takes away what a launch made in vain.
function Launch:release()
  if self.may_appear then return end -- the engine has not answered: the guardians look for it, for a while
  if self.container_name then
    local gone = removal.remove(self.engine, self.container_name)
    if not gone then return end -- the guardians have more patience
  end
  if self.directory then self.directory:remove() end
  face.clean()
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
  local policy, err = policies.load(path, context.provider({ args = arguments, verb = "exec" }, connect))
  if not policy then return nil, err end
  face.tell("plugin", policy.name)
  local patience = policy.config.start_timeout * SHARE_OF_PATIENCE
  face.tell("patience", ("%.0f"):format(patience * 1000))
  local connected, unreachable = connect()
  if not connected then return nil, unreachable end
  return setmetatable({ name = policy.name, config = policy.config, engine = engine, options = {},
    patience = patience - MARGIN }, Launch)
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
  local ok, failure = self:start_in_time(arguments)
  if ok then ok, failure = hand_over_exit(self) end
  if not ok then
    face.tell("failed", messages.reason(failure))
    return nil, failure
  end
  done = true
  return true
end

---@param path string the policy
---@param ... string the host's arguments for its plugin
---@return integer exit_code
function launcher.main(path, ...)
  local arguments = { ... }
  local ended = task.event()
  local watch = task.loop():watch(face.descriptor, "r", function() ended:set() end)
  local which, ok, err = task.first(
    function() return launcher.run(path, arguments) end,
    function() return ended:wait() end)
  watch:close()
  if which == 1 and ok then return 0 end
  if which == 1 then face.tell("failed", messages.reason(err or errors.new("FAILED", "the launch failed"))) end
  return 1
end

return launcher
