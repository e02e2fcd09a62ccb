-- SPDX-License-Identifier: Apache-2.0
--
--- engine/hardening.lua: how an administrator hardened an engine, as it says itself: whose its containers' users are,
--- and which security modules look at what they open.

local hardening = {}

---@class gantry.Hardening
---@field rootless boolean whether it runs as a user, who is root in its containers
---@field selinux boolean whether it labels its containers and what they may open
---@field apparmor boolean whether it gives its containers a profile
---@field remapped { uid: integer?, gid: integer? }? users of its containers are others outside (userns-remap): root's
---numbers there, as far as they are known

---@param info table the engine's
---@return gantry.Hardening
function hardening.read(info)
  local found = { rootless = false, selinux = false, apparmor = false }
  for _, option in ipairs(info.SecurityOptions or {}) do
    local name = option:match "name=([^,]+)" or ""
    if name == "userns" then
      -- Each mapping has a folder of its own there, named by it.
      local uid, gid = (info.DockerRootDir or ""):match "/(%d+)%.(%d+)/*$"
      found.remapped = { uid = math.tointeger(tonumber(uid)), gid = math.tointeger(tonumber(gid)) }
    elseif found[name] == false then
      found[name] = true
    end
  end
  return found
end

---@param engine gantry.Engine
---@return gantry.Hardening? found, gantry.Error? err
function hardening.of(engine)
  local info, err = engine:info()
  if info then return hardening.read(info) end
  -- A proxy that does not pass the question on: what it does not say, its refusals do.
  if err.status then return hardening.read {} end
  return nil, err
end

return hardening
