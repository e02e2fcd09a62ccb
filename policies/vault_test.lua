-- SPDX-License-Identifier: Apache-2.0

local t = require "gantry.test"

local PIN <const>, GVISOR <const> = ("ab"):rep(32), { runtimes = { "runc", "runsc" } }

local function plugin(fields)
  return { text = ('return require "vault" { image = "img", sha256 = "%s", %s }'):format(PIN, fields) }
end

t.test("a plugin gets what Vault gives it", function()
  local jwt = t.load("jwt.lua", { verb = "run", engine = GVISOR },
    plugin 'type = "auth", name = "jwt", version = "v0.16.0"')
  t.has(jwt.config, { name = "jwt", tag = "0.16.0", runtime = "runsc", pull = "never", auto_mtls = true,
    disable_network = true, cap_ipc_lock = false,
    env = { "VAULT_PLUGIN_AUTOMTLS_ENABLED=true", "VAULT_PLUGIN_METADATA_MODE=false" } })
  t.equal(jwt.request.HostConfig.Runtime, "runsc")
  t.has(jwt.request, { Image = "sha256:" .. PIN, HostConfig = { CapDrop = { "ALL" } } })
end)

t.test("under exec, Vault says itself how its plugin starts", function()
  local jwt = t.load("jwt.lua", { verb = "exec" }, plugin 'type = "auth", name = "jwt"')
  t.equal(jwt.config.pass_env, { "VAULT_PLUGIN_*", "VAULT_VERSION", "VAULT_UNWRAP_TOKEN", "BAO_PLUGIN_*",
    "BAO_VERSION", "BAO_UNWRAP_TOKEN" })
  t.equal(jwt.config.env, nil)
end)

t.test("memory is locked where that is asked for", function()
  t.has(t.load("db.lua", { engine = GVISOR }, plugin 'type = "database", mlock = true').request.HostConfig,
    { CapAdd = { "IPC_LOCK" } })
end)

t.test("what is missing or unknown is refused with its line", function()
  t.refuses("jwt.lua", nil, "jwt.lua:1: vault: sha256 is missing",
    { text = 'return require "vault" { type = "auth", image = "img" }' })
  t.refuses("jwt.lua", nil, "type must be auth, secret or database, got 'other'", plugin 'type = "other"')
  t.refuses("jwt.lua", nil, "version must be a string", plugin 'type = "auth", version = 5')
  t.refuses("vault.lua", nil, "vault.lua is a base for policies")
end)
