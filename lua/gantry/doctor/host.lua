-- SPDX-License-Identifier: Apache-2.0
--
--- doctor/host.lua: this machine: runtime directory, its path's length, its file system, whether the engine sees it,
--- groups, state directory, libraries, and what killed gantries left.

local c_module = require "gantry.base.c_module"
local core = require "gantry.core"
local corpses = require "gantry.supervisor.corpses"
local garbage = require "gantry.plugin.garbage"
local state_dir = require "gantry.place.state_dir"
local view = require "gantry.engine.view"

local host_checks = {}

-- A socket's path has at most 107 bytes; the plugin's own name and its slash take 17 of them, one is a slash more.
local ROOM <const> = 107 - 17 - 1
local COMFORTABLE_NAME <const> = 16
local PROBE <const> = "gantry-doctor"
local MODE <const> = tonumber("700", 8)

---@param self gantry.Examination
---@return string
local function root_of(self)
  return self.policy and self.policy.config.temp_dir or self.runtime_dir
end

---@param self gantry.Examination
---@return boolean usable
local function check_runtime_dir(self)
  local root = root_of(self)
  local ok, err = core.socket_dir.root(root)
  if not ok then
    self:problem("runtime directory", err)
    return false
  end
  self:ok("runtime directory", root)
  local longest = ROOM - #root
  if longest < 1 then
    self:problem("path length", ("%s leaves no room for a plugin's socket (107 bytes in all)"):format(root),
      "set GANTRY_RUNTIME_DIR to a shorter path")
    return false
  elseif longest < COMFORTABLE_NAME then
    self:warn("path length", ("%s leaves %d bytes for a plugin's name"):format(root, longest),
      "set GANTRY_RUNTIME_DIR to a shorter path")
  else
    self:ok("path length", ("plugins' names may have %d bytes"):format(math.min(longest, 64)))
  end
  return true
end

---A /tmp of this service's own: the runtime directory must not be in it, and a host's temporary files are.
---@param self gantry.Examination
local function check_private_tmp(self)
  if not self.engine then return end
  local root = root_of(self)
  local folder = view.hidden(self.engine, root)
  if folder then
    self:problem("PrivateTmp", ("%s: %s"):format(root, view.describe(folder)), view.REMEDY)
  elseif view.hidden(self.engine, "/tmp") then
    self:warn("PrivateTmp", view.describe "/tmp", "where plugins need share_tmp, run the host as `gantry host -- "
      .. "COMMAND`")
  end
end

---Whether the engine sees the directory.
---@param self gantry.Examination
---@param directory string
local function check_visible(self, directory)
  if not self.engine then return end
  local sees, err = self.engine:sees_folder(directory)
  if sees then return self:ok("visibility", "the engine sees the runtime directory") end
  if not err then return end
  self:problem("visibility", err.message, ("the engine must run on this machine and see %s; where it has folders of "
    .. "its own, %s"):format(root_of(self), view.REMEDY))
end

---@param self gantry.Examination
---@param directory table
local function check_acl(self, directory)
  local ok, err = directory:default_acl(core.system.euid())
  if ok then return self:ok("ACLs", "the file system of the runtime directory has them") end
  local found = self.description or {}
  if found.remapped and not (self.policy and self.policy.config.userns_mode == "host") then
    self:problem("ACLs", err)
  elseif found.rootless then
    self:warn("ACLs", err.message, "where a plugin is not root inside, rootless engines may need them: use another "
      .. "file system for GANTRY_RUNTIME_DIR")
  else
    self:ok("ACLs", "the file system of the runtime directory has none; only rootless engines, and those that map "
      .. "users, need them")
  end
end

---@param self gantry.Examination
local function probe(self)
  local directory, err = core.socket_dir.make(root_of(self), PROBE, { mode = MODE })
  if not directory then return self:problem("runtime directory", err) end
  check_acl(self, directory)
  check_visible(self, directory:path())
  directory:remove()
end

---The group that plugins share their sockets by; a policy's own is looked at with its launch.
---@param self gantry.Examination
local function check_group(self)
  local gid = core.group.effective()
  self:ok("group", ("sockets are shared by your group %s (%d), unless a policy names another"):format(
    core.group.name(gid) or "without a name", gid))
end

---@param self gantry.Examination
local function check_state_dir(self)
  local path = state_dir.path(self.environment)
  local made, err = core.files.make_directory(path, MODE)
  if not made then
    self:warn("state directory", err.message, "set GANTRY_STATE_DIR to a folder of yours")
  elseif not core.system.accessible(path, "w") then
    self:warn("state directory", path .. " is not writable", "set GANTRY_STATE_DIR to a folder of yours")
  else
    self:ok("state directory", path)
  end
end

---@param self gantry.Examination
local function check_libraries(self)
  local certificate, err = c_module.load "certificate"
  local pair
  if certificate then pair, err = certificate.generate() end
  if pair then return self:ok("AutoMTLS", "certificates can be made") end
  self:warn("AutoMTLS", err.message, "install libssl3, or leave auto_mtls out of policies")
end

---@param self gantry.Examination
local function check_leftovers(self)
  if not self.engine then return end
  local list, err = garbage.find(self.engine, { runtime_dir = self.runtime_dir, environment = self.environment })
  if not list then return self:warn("leftovers", err.message) end
  local stuck = corpses.recorded(self.environment)
  for _, one in ipairs(stuck) do
    self:warn("leftovers", corpses.describe(one), "look at the engine's log; gantry up tries again")
  end
  if #list + #stuck == 0 then return self:ok("leftovers", "none") end
  for _, item in ipairs(list) do
    self:warn("leftovers", garbage.describe(item) .. (item.image and "" or ", whose gantry is dead"),
      "gantry gc removes it")
  end
end

---@param self gantry.Examination
function host_checks.run(self)
  if check_runtime_dir(self) then probe(self) end
  check_private_tmp(self)
  check_group(self)
  check_state_dir(self)
  check_libraries(self)
  check_leftovers(self)
end

return host_checks
