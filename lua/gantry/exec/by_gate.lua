-- SPDX-License-Identifier: Apache-2.0
--
--- exec/by_gate.lua: a plugin of a container that runs beside the host's, in the same pod or the same compose project:
--- its gate is asked for it, and no engine is. The connection to the gate is what the plugin lives by: this process
--- stays for as long as the plugin does, and with it the plugin ends, whoever kills whom.

local connections = require "gantry.handover.connections"
local core = require "gantry.core"
local env_files = require "gantry.plugin.env_files"
local errors = require "gantry.base.errors"
local exit_code = require "gantry.base.exit_code"
local face = require "gantry.face"
local gate_output = require "gantry.exec.gate_output"
local host_environment = require "gantry.handover.host_environment"
local host_side = require "gantry.exec.host_side"
local say = require("gantry.exec.host_log").say
local resident = require "gantry.exec.resident"
local retry = require "gantry.task.retry"
local task = require "gantry.task"

local by_gate = {}

-- Seconds between two attempts at a gate that is not there yet.
local FIRST <const>, LONGEST <const> = 0.01, 0.5
-- What passes by itself: the gate's container is being ended, and another comes.
local PASSING <const> = { ending = true }
-- Where a gate answers by one word why there is no plugin.
local REASONS <const> = {
  missing = "there is no such program in its container",
  interpreter = "its program is there, but not the interpreter or loader that it names",
  full = "its gate has as many plugins as it can look after",
  busy = "its gate has had its one plugin; start it with --serve",
  version = "its gate is of another version: install that of this gantry (--install)",
}

---@class gantry.GateLaunch
---@field name string the plugin's
---@field config gantry.Config
---@field folder string where the gate's socket is
---@field path string that socket
---@field gates string the folder of all gates
---@field host gantry.HostEnvironment
---@field arguments string[] the host's
---@field output gantry.GateOutput
---@field gate table? the connection
---@field ended gantry.Event set with the gate's last word
---@field started gantry.Event
local Launch = {}
Launch.__index = Launch

---Its own folder is preferred, which no other plugin sees.
---@param folder string
---@param name string
---@return string own
---@return string path
local function place_of(folder, name)
  local own = folder .. "/" .. name
  local status = core.system.stat(own)
  if status and status.type == "directory" then return own, ("%s/%s.gate"):format(own, name) end
  return folder, ("%s/%s.gate"):format(folder, name)
end

-- ---- what it is asked for ----

---@param limit { name: string, soft: integer, hard: integer }
---@return string
local function limit_text(limit)
  local function number(value) return value == -1 and "unlimited" or tostring(value) end
  return ("%s %s %s"):format(limit.name, number(limit.soft), number(limit.hard))
end

---The user that the policy names, where it is somebody else.
---@param config gantry.Config
---@return integer?
local function other_user(config)
  local uid = math.tointeger(tonumber((config.user or ""):match "^(%d+)"))
  return uid ~= core.system.euid() and uid or nil
end

---Host and plugin meet at a socket: by the user, or by the group that the shared folder gives what is made in it.
---@param self gantry.GateLaunch
---@return string[]? environment, gantry.Error? err
local function environment_of(self)
  local files, err = env_files.read(self.config)
  if not files then return nil, err end
  for _, warning in ipairs(files.warnings) do say("warn", warning) end
  local status = core.system.stat(self.folder) or {}
  return host_environment.build(self.config, self.host, { directory = self.folder, files = files.values,
    temporary = face.host == "packer" and self.folder or nil, group = self.host.socket_group or status.gid,
    shared_group = (self.host.socket_group or "") ~= "" or other_user(self.config) ~= nil,
    caller = core.system.environment() })
end

---@param self gantry.GateLaunch
---@return table? request, gantry.Error? err
local function request_of(self)
  local environment, err = environment_of(self)
  if not environment then return nil, err end
  local limits = {}
  for i, limit in ipairs(self.config.ulimits or {}) do limits[i] = limit_text(limit) end
  -- A policy may know better what go-plugin's plugin is to start with: then the gate's command has it.
  local own = face.host == "go-plugin" and self.config.args
  return { environment = environment, limits = limits, arguments = not own and self.arguments or {},
    directory = self.config.working_dir, stdout = self.output.given[1], stderr = self.output.given[2] }
end

-- ---- asking ----

---@param self gantry.GateLaunch
---@param event table
---@return gantry.Error
local function refusal(self, event)
  local reason = REASONS[event.what] or ("%s: %s"):format(event.what, event.text)
  return errors.new("START_FAILED", ("plugin '%s' was not started by its gate at %s: %s"):format(self.name, self.path,
    reason))
end

---What of an attempt may go well later: nobody listens yet, or no more.
local LATER <const> = { GATE_UNREACHABLE = true, GATE_GONE = true }

---@param err gantry.Error
---@return boolean? started nil where it may go well later, gantry.Error err
local function failed(err)
  if LATER[err.code] then return nil, err end
  return false, err
end

---One attempt: connects, asks, and waits for what comes of it.
---@param self gantry.GateLaunch
---@return boolean? started nil where it may go well later
---@return gantry.Error? err
local function attempt(self)
  local heard, greeted, begun = task.event(), false, false
  self.folder, self.path = place_of(self.gates, self.name)
  local connection, err = core.gate.connect(task.loop(), self.path, { gate_user = other_user(self.config),
    on_event = function(event)
      if event.kind == "started" then begun = true end
      if begun and event.kind ~= "started" then self.ended:set(event) end
      if event.kind == "ready" then greeted = true else heard:set(event) end
    end })
  if not connection then return failed(err) end
  local request, unusable = request_of(self)
  if not request then return false, unusable end
  local asked, not_asked = connection:ask(request)
  if not asked then return failed(not_asked) end
  local event = heard:wait()
  if event.kind == "started" or begun then
    self.gate = connection
    return true
  end
  connection:close()
  if event.kind == "failed" and not PASSING[event.what] then return false, refusal(self, event) end
  return failed(errors.new("GATE_GONE", greeted and ("the gate at %s ended"):format(self.path)
    or ("the gate at %s hung up without a word: it ends, or does not listen to user %d (its own does, root, and who "
    .. "is named by --asker)"):format(self.path, core.system.euid())))
end

---Asks until there is an answer: the sidecar may be starting, or be started again.
---@param self gantry.GateLaunch
---@param seconds number
---@return boolean? ok, gantry.Error? err
local function start(self, seconds)
  local again, last = retry.new(FIRST, LONGEST), nil
  local ok, err = task.deadline(math.max(seconds, 0), function()
    while true do
      local started, failure = attempt(self)
      if started ~= nil then return started or nil, failure end
      last = failure
      again:pause()
    end
  end)
  if ok or not errors.is(err, "DEADLINE_EXCEEDED") then return ok, err end
  return nil, errors.new("GATE_UNREACHABLE", ("no gate answered for plugin '%s' at %s: %s; look at its container, "
    .. "whose first process is the gate (gantry-gate --socket %s --serve)"):format(self.name, self.path,
      last and last.message or "it is not there", self.path))
end

-- ---- the end ----

---@param self gantry.GateLaunch
---@return { exit_code: integer }? result, gantry.Error? err
local function wait_for_end(self)
  local event = self.ended:wait()
  if event.kind ~= "exit" then
    return nil, errors.new("GATE_GONE", ("plugin '%s' has ended with its container, or was killed with it: the gate at "
      .. "%s is gone"):format(self.name, self.path))
  end
  if event.memory_ran_out then
    say("error", ("plugin '%s' was killed: the memory of its container ran out; raise its limit"):format(
      self.name))
  end
  return { exit_code = exit_code.of(event) }
end

---@param self gantry.GateLaunch
---@return table as an engine's client for what of it a resident launch asks
local function in_place_of_engine(self)
  return {
    attach = function(_, _, handlers) return self.output:attach(handlers) end,
    wait = function() return wait_for_end(self) end,
  }
end

---What a later process is told that looks for this plugin: there is nothing to be found without this one.
---@param self gantry.GateLaunch
---@return boolean? ok, gantry.Error? err
local function tell_of_gate(self)
  local ok, err = face.making { engine = connections.BY_GATE, container = self.name, root = "", directory = "",
    keep = "" }
  if not ok then return nil, err end
  face.clean()
  return true
end

-- What only the plugin's container could give, whoever made that, or what cannot be here.
local OF_CONTAINER <const> = { "mounts", "cwd", "credentials", "outlive_host" }

---@param self gantry.GateLaunch
local function tell_of_fields(self)
  for _, field in ipairs(OF_CONTAINER) do
    if self.config[field] then
      say("warn", ("plugin '%s' is started by its gate, where %s of its policy does nothing"):format(
        self.name, field))
    end
  end
end

---@param self gantry.GateLaunch
---@param seconds number
---@return boolean? ok, gantry.Error? err
local function launch(self, seconds)
  local err
  tell_of_fields(self)
  self.host, err = host_side.environment(self.config)
  if self.host then self.output, err = gate_output.new() end
  if not self.output then return nil, err end
  local ok
  ok, err = start(self, seconds)
  self.output:let_go()
  if not ok then return nil, err end
  host_side.tell_of_callbacks(self.host, self.name, self.config.share_tmp and true or false)
  face.tell("plugin", self.name .. "\0" .. self.folder)
  local engine = in_place_of_engine(self)
  local descriptor
  descriptor, err = resident.hand_over_output(engine, self.name)
  if not descriptor then return nil, err end
  face.tell("output", "", descriptor)
  core.system.close(descriptor)
  face.tell "started"
  return resident.follow(engine, self.name)
end

---Starts a policy's plugin by its gate, and stays until it has ended.
---@param policy gantry.Policy
---@param gates string the folder of gates
---@param arguments string[] the host's
---@param seconds number for the start
---@return boolean? ok, gantry.Error? err
function by_gate.run(policy, gates, arguments, seconds)
  local self = setmetatable({ name = policy.name, config = policy.config, arguments = arguments, gates = gates,
    ended = task.event() }, Launch)
  local ok, err = tell_of_gate(self)
  if not ok then return nil, err end
  return launch(self, seconds)
end

return by_gate
