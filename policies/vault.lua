-- SPDX-License-Identifier: Apache-2.0
--
-- vault.lua: what Vault and OpenBao do for a containerized plugin, as a function of what `vault plugin register` is
-- told:
--
--   return require "vault" {
--     type = "auth", name = "jwt", version = "v0.16.0", -- type: auth, secret or database
--     image = "registry.example/vault-plugin-auth-jwt", sha256 = "9f2c...",
--     mlock = true, -- where the plugin locks its memory
--     memory = "256MiB", runtime = "runc", -- and any other field of a policy
--   }
--
-- As Vault: the image is pinned and never pulled, its tag is the version without the v, the runtime is gVisor, there is
-- no network, all capabilities are dropped but IPC_LOCK where mlock is asked for, the labels say whose it is, and the
-- connection is AutoMTLS. As the binary of a plugin (docs/exec.md), it reaches the storage that Vault serves it by
-- sockets in Vault's TMPDIR: give Vault one of its own, or run it by `gantry host -- vault server ...`.

local gantry, vault = require "gantry", require "vault.types"

local LABEL <const> = "com.hashicorp.vault.plugin."

return function(plugin)
  local kind = vault.type_of(plugin)
  local config = { runtime = "runsc", disable_network = true, pull = "never", auto_mtls = true, cookie = kind.cookie,
    protocol_versions = kind.versions, cap_ipc_lock = plugin.mlock or false,
    tag = plugin.image and plugin.version and plugin.version:gsub("^v", "") or nil,
    labels = { [LABEL .. "type"] = plugin.type, [LABEL .. "name"] = plugin.name,
      [LABEL .. "version"] = plugin.version } }
  return function(ctx)
    if ctx.verb == "exec" then
      config.pass_env, config.share_tmp = vault.PASSED, kind.calls_back -- Vault says itself how its plugin is to start
    else
      config.env = vault.ENV
    end
    return gantry.extend(gantry.extend(config, plugin), vault.NO_FIELDS)
  end
end
