-- SPDX-License-Identifier: Apache-2.0
--
--- exec/launch.lua: the steps of a launch for a go-plugin host: makes and starts the container, and hands its
--- connections to the process that the host holds (gantry.face). Before it makes anything it writes down its name, so
--- that a guardian can take it away; what it made in vain it takes away itself.

local callbacks = require "gantry.handover.callbacks"
local connections = require "gantry.handover.connections"
local container = require "gantry.engine.container"
local core = require "gantry.core"
local credentials = require "gantry.plugin.credentials"
local errors = require "gantry.base.errors"
local face = require "gantry.face"
local for_host = require "gantry.plugin.for_host"
local host_environment = require "gantry.handover.host_environment"
local host_side = require "gantry.exec.host_side"
local later = require "gantry.base.later"
local launches = require "gantry.place.launches"
local messages = require "gantry.handover.messages"
local refusal = require "gantry.plugin.refusal"
local resident = later "gantry.exec.resident"
local removal = later "gantry.plugin.removal"
local runtime_dir = require "gantry.place.runtime_dir"
local say = require("gantry.exec.host_log").say
local scratch = require "gantry.plugin.scratch"
local sockets_in_tmp = require "gantry.place.sockets_in_tmp"
local steps = require("gantry.plugin.launch").steps
local task = require "gantry.task"
local words = require "gantry.base.words"

local launch = {}

-- Leaves room for the longest name that a plugin gives its socket: 24 bytes, of Packer's.
local LONGEST_DIRECTORY_NAME <const> = 32

---@class gantry.ExecLaunch what a plugin is to the steps of gantry.plugin.launch
---@field name string
---@field config gantry.Config
---@field engine gantry.EngineClient
---@field remembered gantry.RememberedEngine
---@field options { policy: string } with what the steps add
---@field start_by number by the loop's clock
---@field has_started boolean? its guardians take it away, who know how the host went
---@field is_released boolean? nothing is left of it
local Launch = {}
Launch.__index = Launch

---@param fields { name: string, config: gantry.Config, engine: gantry.EngineClient,
--- remembered: gantry.RememberedEngine, options: table, start_by: number }
---@return gantry.ExecLaunch
function launch.new(fields) return setmetatable(fields, Launch) end

---@param kind string
---@param fields table
function Launch:event(kind, fields)
  if kind == "pulling" then
    self.doing = { "pull image " .. fields.reference, "pull it before (" .. self.engine:by_hand("pull",
      fields.reference) .. ")" }
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

---What differs from a launch for ourselves: who the plugin runs as, and what it is started with.
---@param self gantry.ExecLaunch
local function adapt(self, arguments)
  local config = self.config
  self.as_caller = for_host.adapt(config, self.engine)
  -- A policy may know better what go-plugin's plugin is to start with; elsewhere arguments are the host's question.
  if #arguments > 0 and (face.host ~= "go-plugin" or not config.args) then config.args = arguments end
  -- Who is asked something listens nowhere; Packer's SDK, which is older than go-plugin, where TMPDIR says.
  if face.host ~= "go-plugin" then self.sockets_in_tmp = face.host == "packer" end
  -- What answers and ends leaves no orphans, and an init would answer in its place where it cannot be started.
  if face.host == "asks" then config.init = config.init or false end
  return true
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
  local found, err = host_side.environment(self.config)
  if not found then return nil, err end
  self.host = found
  if not self.as_caller then warn_of_user(self) end
  if (found.socket_group or "") ~= "" then self.config.socket_group = found.socket_group end
  self.shared_group = for_host.shares_by_group(self.config, self.as_caller)
  self.options.directory_mode = for_host.directory_mode(self.shared_group)
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
  self.container_name = launches.container_name(self.name, unique)
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
  host_side.tell_of_callbacks(self.host, self.name, callbacks.sees(self.config, core.system.environment()))
  return face.tell("plugin", self.name .. "\0" .. self.directory:path())
end

---What of the plugin's addresses means something to its host.
---@param self gantry.ExecLaunch
local function tell_places(self)
  self.may_start_again = face.host ~= "asks" and self.scratch.path ~= nil and not self.sockets_in_tmp
  return face.tell("places", messages.places(self.config, self.may_start_again and self.scratch.path))
end

---@param self gantry.ExecLaunch
local function confirm_engine(self) return self.remembered:confirm() end

---@param self gantry.ExecLaunch
local function hand_over_output(self)
  self.connections = connections.new(self.engine, self.container, face, resident)
  return self.connections:hand_over_output(self.directory:lock())
end

---@param self gantry.ExecLaunch
local function start(self)
  local ok, err = self.engine:start(self.container)
  if not ok then return nil, require("gantry.plugin.failure").explain(self, steps.start_error(err)) end
  ok, err = face.tell "started"
  self.has_started = ok
  return ok, err
end

---What tells of the plugin's end. Where the engine goes away meanwhile, a returner sees to that.
---@param self gantry.ExecLaunch
local function hand_over_end(self)
  local inspected = self.connections:inspect()
  if inspected then self.connections:hand_over_process(inspected) end
  self.connections:hand_over_exit()
end

local STEPS = {
  adapt, read_host, steps.find_image, steps.check_runtime, name_all, make_directory, steps.create,
  confirm_engine, tell_places, hand_over_output, start,
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
  self.has_started = nil
  local gone, err = removal.remove(self.engine, self.container)
  if not gone then return nil, err end
  launches.forget(self.container_name, self.directory:path())
  self.container_name, self.sockets_in_tmp = launches.container_name(self.name), true
  sockets_in_tmp.remember(self)
  say("warn", scratch.explain(self.name))
  for _, step in ipairs { tell_making, steps.create, tell_places, hand_over_output, start } do
    local ok, failure = step(self)
    if not ok then return nil, failure end
  end
  return true
end

---Hands over what tells of the plugin's end, and stays for as long as it may have to be started again.
---@return boolean? ok, gantry.Error? err
function Launch:see_off()
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
  local left = self.start_by - core.loop.clock()
  local ok, err = task.deadline(math.max(left, 0), self.go_through, self, arguments)
  if ok or not errors.is(err, "DEADLINE_EXCEEDED") then return ok, err end
  local doing = self.doing or { "start the container", "look at the engine's load" }
  return nil, errors.new("START_TIMEOUT", ("plugin '%s': to %s took longer than its host waits; %s"):format(
    self.name, table.unpack(doing)))
end

---Takes away what a launch made in vain.
---@return boolean clean else the guardians are to see to it
function Launch:release()
  if self.is_released then return true end
  if self.may_appear then return false end -- the engine has not answered: they look for it, for a while
  if self.container_name then
    local gone = removal.remove(self.engine, self.container or self.container_name)
    if not gone then return false end -- they wait longer
    launches.forget(self.container_name, self.directory and self.directory:path())
  end
  credentials.drop(self)
  if self.directory then self.directory:remove() end
  face.clean()
  self.is_released = true
  return true
end

return launch
