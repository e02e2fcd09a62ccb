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
--
-- As the plugin's binary under a Vault that knows nothing of gantry (docs/exec.md), a secrets or auth plugin reaches
-- the storage that Vault serves it by sockets in Vault's TMPDIR: give Vault one of its own, or run it by
-- `gantry host -- vault server ...`.

local gantry = require "gantry"

-- The magic cookies of Vault's plugins, and the protocol versions that today's Vault offers them. They are no secret.
local BACKEND = { calls_back = true, versions = { 4, 5 },
  cookie = { "VAULT_BACKEND_PLUGIN", "6669da05-b1c8-4f49-97d9-c8e5bed98e20" } }
local DATABASE = { cookie = { "VAULT_DATABASE_PLUGIN", "926a0820-aea2-be28-51d6-83cdf00e8edb" }, versions = { 5, 6 } }
local TYPES = { auth = BACKEND, secret = BACKEND, database = DATABASE }

-- Of Vault's SDK: take the certificates of AutoMTLS, and start for good, not to be asked what it is.
local ENV = { VAULT_PLUGIN_AUTOMTLS_ENABLED = "true", VAULT_PLUGIN_METADATA_MODE = "false" }

-- What Vault sets for its plugins. Not all that begins with VAULT_: tokens of Vault's own environment do as well.
local OF_VAULT = { "VAULT_PLUGIN_*", "VAULT_VERSION", "VAULT_UNWRAP_TOKEN" }

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
  if not kind then
    gantry.refuse("type", ("vault: type must be auth, secret or database, got '%s'"):format(plugin.type))
  end
  if plugin.version ~= nil and type(plugin.version) ~= "string" then
    gantry.refuse("version", ('vault: version must be a string such as "v0.16.0", got %s'):format(plugin.version))
  end
  if not plugin.sha256 then
    gantry.refuse("sha256",
      "vault: sha256 is missing: Vault pins each plugin (docker images --no-trunc --format '{{.ID}}' IMAGE)")
  end
  return kind
end

---@param plugin table
---@return fun(ctx: gantry.Context): table policy
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
    labels = { [LABEL .. "type"] = plugin.type, [LABEL .. "name"] = plugin.name,
      [LABEL .. "version"] = plugin.version },
  }
  local changes = {}
  for field, value in pairs(plugin) do
    if not OWN[field] then changes[field] = value end
  end
  return function(ctx)
    if ctx.verb == "exec" then
      config.pass_env = OF_VAULT -- Vault says itself how its plugin is to start
      config.share_tmp = kind.calls_back
    else
      config.env = ENV
    end
    return gantry.extend(config, changes)
  end
end
