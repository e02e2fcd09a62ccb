-- SPDX-License-Identifier: Apache-2.0
--
--- engine/oci/info.lua: what this engine is, on this machine and for this user.

local core = require "gantry.core"
local identity = require "gantry.engine.oci.identity"
local image_user = require "gantry.engine.oci.image_user"
local interface = require "gantry.engine.interface"
local runtimes = require "gantry.engine.oci.runtimes"
local task = require "gantry.task"

---@class gantry.OciClient
local Info = {}

---@return gantry.EngineInfo info
function Info:info()
  if self.known_info then return self.known_info end
  local chosen = self.choice.runtime
  local version = runtimes.version(chosen, self.layout)
  self.known_info = {
    kind = "oci", version = version and chosen.name .. " " .. version or chosen.name,
    runtimes = runtimes.described(self.runtimes), default_runtime = chosen.name,
    rootless = core.system.euid() ~= 0, selinux = false, apparmor = false, cgroup_version = self.places.version,
    cgroup_driver = self.places.parent and "cgroupfs" or "none", memory = core.system.memory(),
  }
  return self.known_info
end

---@return gantry.Event answer
function Info:ask()
  local answer = task.event()
  if self.known_info then answer:set(self.known_info) else task.detach(function() answer:set(self:info()) end) end
  return answer
end

Info.describe = interface.describe

---@param name string?
---@return boolean? ok, gantry.Error? err RUNTIME_UNKNOWN, RUNTIME_MISSING
function Info:check_runtime(name)
  local err = runtimes.check(name, self.runtimes)
  if err then return nil, err end
  return true
end

---An ordinary user's container has one user: the caller.
---@param options { image: string, user: string?, runtime: string? }
---@return { uid: integer, gid: integer }? inside nil for root, whose containers' users are this machine's
---@return gantry.Error? err
function Info:caller_inside(options)
  if core.system.euid() == 0 then return nil end
  local image, err = self:known_image(options.image)
  if not image then return nil, err end
  local user
  user, err = image_user.resolve(options.user or image.user, image.rootfs)
  if not user then return nil, err end
  return identity.of({ groups = {} }, { rootless = true, runtime = options.runtime or self.choice.runtime.name,
    uid = core.system.euid(), gid = core.system.egid(), user = user })
end

return { methods = Info }
