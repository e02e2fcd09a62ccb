-- SPDX-License-Identifier: Apache-2.0
--
--- engine/oci/identity.lua: whose process it is, inside and outside. Root's containers have this machine's numbers. An
--- ordinary user has one number to give: the image's user is the caller, so that the plugin's socket is the caller's
--- own, and no subordinate ids, helpers or access lists are needed.

local refusal = require "gantry.engine.oci.refusal"
local json = require "gantry.json"

local identity = {}

local CAPABILITY <const> = "^CAP_[%u_]+$"

---@class gantry.Identity
---@field uid integer inside
---@field gid integer inside
---@field groups integer[] supplementary ones, inside
---@field note string? what a person should know of it

---@param list integer[]
---@param gid integer
local function has(list, gid)
  for _, one in ipairs(list) do
    if one == gid then return true end
  end
  return false
end

---Groups of an ordinary user's container: there is one, which is the caller's.
---@param spec gantry.ContainerSpec
---@param facts gantry.RuntimeFacts
---@param own integer the group inside
---@return boolean? ok, gantry.Error? err
local function check_groups(spec, facts, own)
  for _, gid in ipairs(spec.groups) do
    if gid ~= own and gid ~= facts.gid then
      return refusal.unsupported("group_add", "an ordinary user's container knows no group but that user's own (%d), "
        .. "and not %d; what the plugin reads by that group, give to yourself: setfacl -m u:%d:r FILE", facts.gid, gid,
        facts.uid)
    end
  end
  return true
end

---@param spec gantry.ContainerSpec
---@param facts gantry.RuntimeFacts
---@return gantry.Identity? identity, gantry.Error? err
function identity.of(spec, facts)
  local user = facts.user
  if not facts.rootless then
    local groups = { table.unpack(user.groups) }
    for _, gid in ipairs(spec.groups) do
      if not has(groups, gid) then groups[#groups + 1] = gid end
    end
    return { uid = user.uid, gid = user.gid, groups = groups }
  end
  local found = { uid = user.uid, gid = user.gid, groups = {} }
  if facts.runtime ~= "crun" and (user.uid ~= 0 or user.gid ~= 0) then
    found.uid, found.gid = 0, 0
    found.note = ("user: %s runs an ordinary user's container as root of its own user namespace alone: the plugin sees "
      .. "itself as 0:0, not as %d:%d, and has no capability; crun has no such bound"):format(facts.runtime, user.uid,
      user.gid)
  end
  local ok, err = check_groups(spec, facts, found.gid)
  if not ok then return nil, err end
  return found
end

---One number inside is the caller's outside; there is no other.
---@param found gantry.Identity
---@param facts gantry.RuntimeFacts
---@return table? uids linux.uidMappings, table? gids linux.gidMappings
function identity.mappings(found, facts)
  if not facts.rootless or facts.runtime == "runsc" then return nil end -- gVisor makes its own
  return json.array { { containerID = found.uid, hostID = facts.uid, size = 1 } },
    json.array { { containerID = found.gid, hostID = facts.gid, size = 1 } }
end

---Kept capabilities. One that is not root gets them as ambient ones: no file has to bring them.
---@param spec gantry.ContainerSpec
---@param facts gantry.RuntimeFacts
---@param found gantry.Identity
---@return table? capabilities process.capabilities, gantry.Error? err
function identity.capabilities(spec, facts, found)
  local kept = json.array {}
  for _, name in ipairs(spec.capabilities) do
    local full = name:find "^CAP_" and name or "CAP_" .. name
    if not full:find(CAPABILITY) then return refusal.wrong("capabilities", "%s is no capability's name", name) end
    kept[#kept + 1] = full
  end
  if facts.rootless and facts.runtime ~= "runsc" and #kept > 0 then
    return refusal.unsupported("cap_ipc_lock", "a user namespace gives no right to lock memory; leave it out (the "
      .. "plugin may lock what RLIMIT_MEMLOCK allows: ulimits), or run gantry as root, or with oci:runsc")
  end
  local ambient = found.uid ~= 0 and kept or json.array {}
  return { bounding = kept, effective = kept, permitted = kept, inheritable = ambient, ambient = ambient }
end

---@param spec gantry.ContainerSpec
---@param facts gantry.RuntimeFacts
---@return boolean? ok, gantry.Error? err
function identity.check_userns(spec, facts)
  local mode = spec.userns_mode
  if not mode or mode == "host" and not facts.rootless then return true end
  if facts.rootless then
    return refusal.unsupported("userns_mode", "an ordinary user's container is always in a user namespace of its own, "
      .. "where the image's user is the caller; leave '%s' out of the policy", mode)
  end
  return refusal.unsupported("userns_mode", "root's containers are in no user namespace of their own; leave '%s' out "
    .. "of the policy, or run gantry as an ordinary user", mode)
end

return identity
