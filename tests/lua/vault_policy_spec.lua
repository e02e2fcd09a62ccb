-- SPDX-License-Identifier: Apache-2.0
--
--- The shipped base for Vault's plugins.

local core = require "gantry.core"
local gantry = require "gantry"

describe("policies/vault.lua", function()
  local PIN = ("ab"):rep(32)
  local folder

  before_each(function()
    folder = ("%s/gantry-test-%s"):format(os.getenv("TMPDIR") or "/tmp", core.system.random(4))
    assert(core.files.make_directory(folder))
    local source = os.getenv("GANTRY_SOURCE") or "."
    assert(os.execute(("cp %s/policies/vault.lua %s/"):format(source, folder)))
  end)

  after_each(function() assert(os.execute("rm -rf " .. folder)) end)

  ---@param text string the argument of vault
  local function load_policy(text)
    local path = folder .. "/jwt.lua"
    local file <close> = assert(io.open(path, "w"))
    file:write('return require "vault" ', text)
    file:close()
    return gantry.load(path)
  end

  it("leaves to Vault, under exec, how its plugin is to start", function()
    local text = ('{ type = "auth", name = "jwt", image = "img", sha256 = "%s" }'):format(PIN)
    assert(load_policy(text))
    local config = assert(gantry.load(folder .. "/jwt.lua", { verb = "exec" })).config
    assert.is_nil(config.env)
    assert.are.same({ "VAULT_PLUGIN_*", "VAULT_VERSION", "VAULT_UNWRAP_TOKEN", "BAO_PLUGIN_*", "BAO_VERSION",
      "BAO_UNWRAP_TOKEN" }, config.pass_env)
    config = assert(gantry.load(folder .. "/jwt.lua", { verb = "run" })).config
    assert.is_nil(config.pass_env)
    assert.are.same({ "VAULT_PLUGIN_AUTOMTLS_ENABLED=true", "VAULT_PLUGIN_METADATA_MODE=false" }, config.env)
  end)

  it("shares Vault's TMPDIR, under exec, with what is served Vault's storage", function()
    for kind, shared in pairs { auth = true, secret = true, database = false } do
      assert(load_policy(('{ type = "%s", name = "jwt", image = "img", sha256 = "%s" }'):format(kind, PIN)))
      assert.are.equal(shared, assert(gantry.load(folder .. "/jwt.lua", { verb = "exec" })).config.share_tmp)
      assert.is_false(assert(gantry.load(folder .. "/jwt.lua", { verb = "run" })).config.share_tmp)
    end
  end)

  it("does what Vault does", function()
    local config = assert(load_policy(([[{ type = "auth", name = "jwt", version = "v0.16.0", image = "img",
      sha256 = "%s", memory = "64MiB", labels = { team = "x" } }]]):format(PIN))).config
    assert.are.same({ "img", "0.16.0", PIN, "runsc", "never", "jwt" }, { config.image, config.tag, config.sha256,
      config.runtime, config.pull, config.name })
    assert.are.same({ true, true, false, 67108864 }, { config.disable_network, config.auto_mtls, config.cap_ipc_lock,
      config.memory })
    assert.are.same({ key = "VAULT_BACKEND_PLUGIN", value = "6669da05-b1c8-4f49-97d9-c8e5bed98e20" }, config.cookie)
    assert.are.same({ ["com.hashicorp.vault.plugin.type"] = "auth", ["com.hashicorp.vault.plugin.name"] = "jwt",
      ["com.hashicorp.vault.plugin.version"] = "v0.16.0", team = "x" }, config.labels)
  end)

  it("lets each setting be changed, and grants IPC_LOCK where asked", function()
    local config = assert(load_policy(([[{ type = "database", image = "img:1", sha256 = "%s", mlock = true,
      runtime = "runc", protocol_versions = { 6 } }]]):format(PIN))).config
    assert.are.same({ "runc", true, { 6 }, "VAULT_DATABASE_PLUGIN" }, { config.runtime, config.cap_ipc_lock,
      config.protocol_versions, config.cookie.key })
  end)

  it("wants a pin and a type, and says so of the policy", function()
    for text, wanted in pairs {
      ['{ type = "auth", image = "img" }'] = "sha256 is missing",
      ['{ image = "img", sha256 = "x" }'] = "type must be auth, secret or database",
    } do
      local policy, err = load_policy(text)
      assert.is_nil(policy)
      assert.is_truthy(err.message:find(wanted, 1, true), err.message)
      assert.is_truthy(err.message:find("jwt.lua", 1, true), err.message)
    end
  end)

  it("keeps its own variables beside those of a policy, whichever way these are written", function()
    for _, env in ipairs { '{ "LOG=debug" }', '{ LOG = "debug" }' } do
      local config = assert(load_policy(([[{ type = "auth", image = "img:1", sha256 = "%s", env = %s }]]):format(PIN,
        env))).config
      assert.are.same({ "LOG=debug", "VAULT_PLUGIN_AUTOMTLS_ENABLED=true", "VAULT_PLUGIN_METADATA_MODE=false" },
        config.env)
    end
  end)

  it("names the line of what it cannot take", function()
    for line, text in pairs { [2] = '{\n  type = "atuh", image = "x", sha256 = "%s" }',
      [3] = '{\n  type = "auth", image = "x", sha256 = "%s",\n  version = 16 }' } do
      local _, err = load_policy(text:format(PIN))
      assert.are.equal(line, err.line, err.message)
      assert.is_truthy(err.message:find(("jwt.lua:%d: vault: "):format(line), 1, true), err.message)
    end
  end)
end)
