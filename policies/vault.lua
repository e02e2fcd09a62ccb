-- SPDX-License-Identifier: Apache-2.0
--
-- vault.lua: what Vault does for a containerized plugin, as a function of what `vault plugin register` is told:
--
--   local vault = require "vault"
--   return vault {
--     type = "auth", name = "jwt", version = "v0.16.0", -- type: auth, secret or database
--     image = "registry.example/vault-plugin-auth-jwt", sha256 = "9f2c...",
--     mlock = true, -- where the plugin locks its memory
--     memory = "256MiB", runtime = "runc", -- and any other field of a policy
--   }
--
-- As Vault: the image is pinned and never pulled, its tag is the version without the v, the runtime is gVisor, there is
-- no network, all capabilities are dropped but IPC_LOCK where mlock is asked for, the labels say whose it is, and the
-- connection is AutoMTLS. The baseline's stricter settings may be added, such as read_only = true.

local gantry = require "gantry"

-- The magic cookies of Vault's plugins, and the protocol versions that today's Vault offers them. They are no secret.
local BACKEND = { cookie = { "VAULT_BACKEND_PLUGIN", "6669da05-b1c8-4f49-97d9-c8e5bed98e20" }, versions = { 4, 5 } }
local DATABASE = { cookie = { "VAULT_DATABASE_PLUGIN", "926a0820-aea2-be28-51d6-83cdf00e8edb" }, versions = { 5, 6 } }
local TYPES = { auth = BACKEND, secret = BACKEND, database = DATABASE }

-- Of the plugin, not of the policy.
local OWN = { type = true, version = true, mlock = true }

local LABEL <const> = "com.hashicorp.vault.plugin."

---@param plugin table
---@return table kind
local function check(plugin)
  if type(plugin) ~= "table" or plugin.verb then
    error('vault.lua is a base for policies: return require "vault" { type =, name =, image =, sha256 = }', 3)
  end
  local kind = TYPES[plugin.type]
  if not kind then error(("vault: type must be auth, secret or database, got '%s'"):format(plugin.type), 3) end
  if not plugin.sha256 then
    error("vault: sha256 is missing: Vault pins each plugin (docker images --no-trunc --format '{{.ID}}' IMAGE)", 3)
  end
  return kind
end

---@param plugin table
---@return table config
return function(plugin)
  local kind = check(plugin)
  local config = {
    runtime = "runsc",
    disable_network = true,
    pull = "never",
    cap_ipc_lock = plugin.mlock or false,
    auto_mtls = true,
    cookie = kind.cookie,
    protocol_versions = kind.versions,
    tag = plugin.version and plugin.version:gsub("^v", "") or nil,
    -- Of Vault's SDK: take the certificates of AutoMTLS, and start for good, not to be asked what it is.
    env = { VAULT_PLUGIN_AUTOMTLS_ENABLED = "true", VAULT_PLUGIN_METADATA_MODE = "false" },
    labels = { [LABEL .. "type"] = plugin.type, [LABEL .. "name"] = plugin.name,
      [LABEL .. "version"] = plugin.version },
  }
  local changes = {}
  for field, value in pairs(plugin) do
    if not OWN[field] then changes[field] = value end
  end
  return gantry.extend(config, changes)
end
