-- SPDX-License-Identifier: Apache-2.0
--
--- plugin/groups.lua: the groups of a plugin's process: the one that it shares its socket by, and those of the policy's
--- `group_add`, among them the caller's own.

local core = require "gantry.core"

local groups = {}

-- The word for all supplementary groups of whoever launches: under a host, of the host's user.
local CALLER <const> = "caller"

---Why the caller's groups mean nothing inside, where they do not.
---@param plugin gantry.Plugin
---@return string? reason with the remedy
local function unmapped(plugin)
  local about, engine = plugin.engine:describe(), plugin.engine.endpoint.name
  if about and about.rootless then
    return ("the rootless engine at %s knows no group of this machine but your own (%d); what the plugin reads by "
      .. "another, give to yourself: setfacl -m u:%d:r FILE"):format(engine, core.group.effective(), core.system.euid())
  elseif about and about.remapped and plugin.config.userns_mode ~= "host" then
    return ("the engine at %s gives its containers other group numbers than this machine has (userns-remap); what the "
      .. "plugin reads by its groups, make readable for others: chmod o+r FILE"):format(engine)
  end
end

---@param plugin gantry.Plugin
---@return integer[] gids
local function of_caller(plugin)
  local reason = unmapped(plugin)
  if not reason then return core.group.supplementary() end
  plugin:event("warning", { text = 'group_add = "caller": ' .. reason })
  return {}
end

---@param plugin gantry.Plugin
---@param named integer|string
---@return integer[]? gids, gantry.Error? err
local function resolve(plugin, named)
  if named == CALLER then return of_caller(plugin) end
  local gid, err = core.group.resolve(tostring(named))
  if not gid then return nil, err:wrap("group_add") end
  return { gid }
end

---@param plugin gantry.Plugin whose group_inside is settled
---@return integer[]? gids each once, gantry.Error? err
function groups.of(plugin)
  local gids, seen = { plugin.group_inside }, { [plugin.group_inside] = true }
  for _, named in ipairs(plugin.config.group_add or {}) do
    local found, err = resolve(plugin, named)
    if not found then return nil, err end
    for _, gid in ipairs(found) do
      if not seen[gid] then gids[#gids + 1] = gid end
      seen[gid] = true
    end
  end
  return gids
end

return groups
