-- SPDX-License-Identifier: Apache-2.0
--
--- handover/serve.lua: the socket at which `gantry exec` asks a resident of its user, before it makes a launch itself,
--- for one of the containers that wait. It is refused whenever what waits might be another than it would launch.

local core = require "gantry.core"
local endpoint = require "gantry.engine.endpoint"
local errors = require "gantry.base.errors"
local face = require "gantry.handover.face"
local for_host = require "gantry.plugin.for_host"
local giving = require "gantry.handover.giving"
local host_environment = require "gantry.handover.host_environment"
local settings = require "gantry.policy.settings"
local task = require "gantry.task"
local version = require "gantry.base.version"
local warm = require "gantry.supervisor.warm"

local serve = {}

---The socket's name in the runtime directory; src/face/resident.c has it too.
local SOCKET <const> = ".hosts.sock"
-- Seconds for a face to say what it wants.
local ASKS_WITHIN <const> = 2
local REQUEST <const> = "Q"
-- What of the settings decides on a launch.
local SETTINGS <const> = { "engine", "site", "state_dir", "image_dir", "gates" }

---@class gantry.HostServer
---@field supervisor gantry.Supervisor
---@field descriptor integer
---@field path string
---@field scope gantry.Scope
local Server = {}
Server.__index = Server

---@param text string?
---@return string? version, string? path, integer? arguments
local function read_request(text)
  local of_version, path, arguments = (text or ""):match "^([^%z]*)%z(/[^%z]*)%z(%d+)$"
  return of_version, path, math.tointeger(arguments)
end

---@param self gantry.HostServer
---@param path string of the policy, without links
---@return gantry.Unit?
local function find_unit(self, path)
  for _, one in pairs(self.supervisor.units) do
    if core.system.real_path(one.policy.path) == path then return one end
  end
end

---Whether a process with this environment would use our engine, and what else its settings decide on.
---@param self gantry.HostServer
---@param environment table<string, string>
---@return boolean
local function is_at_home(self, environment)
  for _, name in ipairs(SETTINGS) do
    if settings.get(name, environment) ~= settings.get(name) then return false end
  end
  for _, one in ipairs(endpoint.candidates(nil, environment) or {}) do
    if one.name == self.supervisor.engine.endpoint.name then return true end
  end
  return false
end

---@param unit gantry.Unit
---@param arguments integer of the host's
---@return string? reason
local function unfit(unit, arguments)
  if not unit.pool then return "nothing waits for it" end
  if arguments > 0 and not unit.config.args then return "its host gives it arguments" end
  if not unit.supervisor.policies:is_current(unit.policy.path) then return "its policy was changed" end
  return for_host.unfit(unit.policy)
end

---@param found gantry.HostEnvironment
---@return boolean whether the host says itself where its plugin's sockets are
local function places_sockets(found)
  return (found.socket_dir or "") ~= "" or (found.socket_group or "") ~= ""
end

---Finds what a face asks for.
---@param self gantry.HostServer
---@param asker gantry.Face
---@return gantry.Giving? one, string? reason, gantry.Unit? unit
local function accept(self, asker)
  local kind, text = task.deadline(ASKS_WITHIN, asker.hear, asker)
  local of_version, path, arguments = read_request(text)
  if kind ~= REQUEST or not path or #asker.given ~= 2 then return nil, "it asks for nothing" end
  if of_version ~= version then return nil, ("it is gantry %s"):format(of_version) end
  local unit = find_unit(self, path)
  if not unit then return nil, "no such policy" end
  local reason = unfit(unit, arguments)
  if reason then return nil, reason, unit end
  local environment = host_environment.of_process(asker.pid)
  if not environment or not is_at_home(self, environment.values) then return nil, "it has another engine", unit end
  local found = host_environment.read(asker.pid, { cookie_named = unit.config.cookie ~= nil })
  if not found or places_sockets(found) then return nil, "its environment", unit end
  local plugin = unit.pool:take(warm.config(unit))
  if not plugin then return nil, "none waits", unit end
  return giving.new { face = asker, plugin = plugin, caller = environment.values, host = found }, nil, unit
end

---@param self gantry.HostServer
---@param asker gantry.Face
local function handle(self, asker)
  local one, reason, unit = accept(self, asker)
  if not one then
    if unit then unit:note("state", ("a host (process %d) launches it itself: %s"):format(asker.pid, reason)) end
    return asker.tell "refused"
  end
  unit:note("start", ("for a host (process %d), in container %s, which waited for it"):format(asker.pid,
    one.plugin.container:sub(1, 12)))
  local given, err = one:run(function() unit.pool:poke() end)
  if given then return end
  if err.code == "SOCKETS_IN_TMP" then unit.pool:outdate() end
  unit:note("warning", ("container %s could not be given to a host, which launches it itself: %s"):format(
    one.plugin.container:sub(1, 12), err.message))
  asker.tell "refused"
end

---@param self gantry.HostServer
---@param descriptor integer
local function admit(self, descriptor, pid, uid, gid)
  local asker <close> = face.new(descriptor, pid)
  -- pid 0: it is in another view of processes, where its environment cannot be seen.
  if uid ~= core.system.euid() or gid ~= core.system.egid() or pid == 0 then return end
  local ok, err = xpcall(handle, errors.traced, self, asker)
  if ok or errors.is(err, "CANCELLED") then return end
  self.supervisor:tell("fault", "a fault of gantry: " .. errors.text(err))
end

---Begins to serve. Ends with close.
---@param supervisor gantry.Supervisor
---@return gantry.HostServer? server, gantry.Error? err
function serve.open(supervisor)
  local path = supervisor.runtime_dir .. "/" .. SOCKET
  local descriptor, err = core.channel.listen(path)
  if not descriptor then return nil, err end
  local self = setmetatable({ supervisor = supervisor, descriptor = descriptor, path = path,
    scope = task.detached_scope() }, Server)
  self.watch = task.loop():watch(descriptor, "r", function()
    local fd, pid, uid, gid = core.channel.accept(descriptor)
    if fd then self.scope:spawn(admit, self, fd, pid, uid, gid) end
  end)
  return self
end

---Ends what is under way: what is not given yet is taken away.
function Server:close()
  self.watch:close()
  self.scope:close()
  core.system.close(self.descriptor)
  os.remove(self.path)
end

Server.__close = Server.close

return serve
