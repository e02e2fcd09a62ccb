-- SPDX-License-Identifier: Apache-2.0
--
--- engine/hardening.lua: how an administrator hardened an engine, as it says itself: whose its containers' users are,
--- and which security modules look at what they open.

local interface = require "gantry.engine.interface"

local hardening = {}

-- Of an engine that does not tell: what it does not say, its refusals do.
local UNTOLD <const> = { runtimes = {}, rootless = false, selinux = false, apparmor = false, cgroup_version = 1 }

---@param engine gantry.EngineClient
---@return gantry.EngineInfo? found, gantry.Error? err
function hardening.of(engine)
  local info, err = engine:info()
  if info then return info end
  -- A proxy that does not pass the question on.
  if interface.answered(err) then return UNTOLD end
  return nil, err
end

return hardening
