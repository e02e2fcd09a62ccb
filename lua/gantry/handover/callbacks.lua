-- SPDX-License-Identifier: Apache-2.0
--
--- handover/callbacks.lua: whether a host will serve its plugin something on a socket of its own, as far as that can be
--- known when the plugin starts. Others are found out when they make such a socket (src/face/broker_watch.c).

local callbacks = {}

-- Hosts that do, by the names of their cookies. OpenTofu, Grafana and Vault's databases have others, and do not.
local HOSTS <const> = { VAULT_BACKEND_PLUGIN = "Vault", TFLINT_RULESET_PLUGIN = "TFLint", WAYPOINT_PLUGIN = "Waypoint" }

---@param found gantry.HostEnvironment
---@return boolean whether this run is over before the host is called
local function only_described(found)
  return found.added.VAULT_PLUGIN_METADATA_MODE == "true"
end

---Whether the plugin sees the host's temporary directory, by share_tmp or another mount of the same path.
---@param config gantry.Config
---@param caller table<string, string> the host's environment
---@return boolean
function callbacks.sees(config, caller)
  local temporary = caller.TMPDIR
  temporary = (temporary or "") ~= "" and temporary or "/tmp"
  for _, mount in ipairs(config.mounts or {}) do
    local inside = temporary == mount.target or temporary:sub(1, #mount.target + 1) == mount.target .. "/"
    if inside and mount.source == mount.target then return true end
  end
  return config.share_tmp and true or false
end

---What is told of a plugin that does not see its host's temporary directory.
---@param found gantry.HostEnvironment
---@param name string the plugin's
---@return string? warning nil where the host is none that calls back, or does so over the plugin's own socket
function callbacks.warning(found, name)
  local host = HOSTS[found.cookie or ""]
  if not host or found.handshake.PLUGIN_MULTIPLEX_GRPC == "true" or only_described(found) then return nil end
  return ("plugin '%s' will not reach its host: %s serves its plugins on sockets in its temporary directory, which is "
    .. "not shared; set share_tmp = true in the policy, and run the host with a TMPDIR of its own, as `gantry host -- "
    .. "COMMAND` does"):format(name, host)
end

return callbacks
