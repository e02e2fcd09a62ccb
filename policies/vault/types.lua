-- SPDX-License-Identifier: Apache-2.0
--
-- vault/types.lua: what vault.lua knows of the types of plugins. OpenBao's cookies are those of Vault; its plugins take
-- variables that begin with BAO_, and those of Vault's where these are missing.

local gantry = require "gantry"

local vault = {}

-- What Vault sets for its plugins. Not all that begins with VAULT_: tokens of Vault's own environment do as well.
vault.PASSED = { "VAULT_PLUGIN_*", "VAULT_VERSION", "VAULT_UNWRAP_TOKEN", "BAO_PLUGIN_*", "BAO_VERSION",
  "BAO_UNWRAP_TOKEN" }
-- Of Vault's SDK: take the certificates of AutoMTLS, and start for good, not to be asked what it is.
vault.ENV = { VAULT_PLUGIN_AUTOMTLS_ENABLED = "true", VAULT_PLUGIN_METADATA_MODE = "false" }
-- What `vault plugin register` is told that no policy has.
vault.NO_FIELDS = { type = gantry.without, version = gantry.without, mlock = gantry.without }

-- The magic cookies, and the protocol versions that today's Vault offers. They are no secret.
local BACKEND = { calls_back = true, versions = { 4, 5 },
  cookie = { "VAULT_BACKEND_PLUGIN", "6669da05-b1c8-4f49-97d9-c8e5bed98e20" } }
local DATABASE = { cookie = { "VAULT_DATABASE_PLUGIN", "926a0820-aea2-be28-51d6-83cdf00e8edb" }, versions = { 5, 6 } }
local TYPES = { auth = BACKEND, secret = BACKEND, database = DATABASE }

function vault.type_of(plugin)
  if type(plugin) ~= "table" or plugin.verb then
    error('vault.lua is a base for policies: return require "vault" { type =, name =, image =, sha256 = }', 3)
  end
  local function check(holds, field, message) if not holds then gantry.refuse(field, "vault: " .. message) end end
  local kind, version = TYPES[plugin.type], plugin.version
  check(kind, "type", ("type must be auth, secret or database, got '%s'"):format(plugin.type))
  check(version == nil or type(version) == "string", "version",
    ('version must be a string such as "v0.16.0", got %s'):format(version))
  check(plugin.sha256, "sha256",
    "sha256 is missing: Vault pins each plugin (docker images --no-trunc --format '{{.ID}}' IMAGE)")
  return kind
end

return vault
