-- SPDX-License-Identifier: Apache-2.0
--
--- exec/host_side.lua: what a launch has to do with its host, whoever starts the plugin: what it handed over, and
--- whether the plugin sees its temporary directory.

local callbacks = require "gantry.handover.callbacks"
local core = require "gantry.core"
local face = require "gantry.face"
local host_environment = require "gantry.handover.host_environment"
local say = require("gantry.exec.host_log").say

local host_side = {}

---@param config gantry.Config
---@return gantry.HostEnvironment? found, gantry.Error? err
local function read_environment(config)
  if face.host == "asks" then return host_environment.none() end
  if face.host == "packer" then return host_environment.packer(core.system.environment()) end
  return host_environment.read(face.pid, { cookie_named = config.cookie ~= nil })
end

---What the host handed over for its plugin; what may be the plugin's and is left out, it is told.
---@param config gantry.Config
---@return gantry.HostEnvironment? found, gantry.Error? err
function host_side.environment(config)
  local found, err = read_environment(config)
  if not found then return nil, err end
  local left_out = host_environment.left_out(found, config)
  if left_out then say("warn", left_out) end
  return found
end

---Tells of a plugin that does not see what its host will serve it, or has the face look no more for that.
---@param found gantry.HostEnvironment
---@param name string the plugin's
---@param sees boolean whether the plugin sees the host's temporary directory
function host_side.tell_of_callbacks(found, name, sees)
  if sees then return face.tell "shared" end
  local unheard = callbacks.warning(found, name)
  if unheard then say("warn", unheard) end
end

return host_side
