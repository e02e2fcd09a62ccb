-- SPDX-License-Identifier: Apache-2.0
--
--- gantry.config.variables and what gantry's own client hands in: pass_env by name and by pattern.

local environment = require "gantry.plugin.environment"
local variables = require "gantry.config.variables"

local CALLER <const> = { VAULT_ADDR = "a", VAULT_TOKEN = "t", ["VAULT.X-Y"] = "odd", VAULTS = "no", HOME = "/root",
  TMPDIR = "/private", PLUGIN_MIN_PORT = "1", PLUGIN_X = "x" }

describe("pass_env", function()
  it("selects by name, and by patterns in which nothing but * is special", function()
    assert.are.same({ HOME = "/root" }, variables.select({ "HOME", "NOT_SET" }, CALLER))
    assert.are.same({ VAULT_ADDR = "a", VAULT_TOKEN = "t" }, variables.select({ "VAULT_*" }, CALLER))
    assert.are.same({ VAULT_TOKEN = "t" }, variables.select({ "V*N" }, CALLER))
    assert.are.same({ ["VAULT.X-Y"] = "odd" }, variables.select({ "VAULT.*" }, CALLER))
    assert.are.same({}, variables.select(nil, CALLER))
  end)

  it("never selects go-plugin's own by a pattern", function()
    assert.are.same({ PLUGIN_X = "x" }, variables.select({ "PLUGIN_*" }, CALLER))
  end)

  it("takes the caller's TMPDIR by its name alone", function()
    assert.is_nil(variables.select({ "TMP*", "*DIR" }, CALLER).TMPDIR)
    assert.are.equal("/private", variables.select({ "TMPDIR" }, CALLER).TMPDIR)
  end)

  it("gives way to what the policy sets itself, and sets no variable twice", function()
    local built = environment.build({ pass_env = { "VAULT_*", "TMPDIR" }, env = { "VAULT_TOKEN=policy's" },
      cookie = { key = "VAULT_ADDR", value = "cookie" }, protocol_versions = { 1 } },
      { directory = "/d", group = 7, caller = CALLER })
    local values, count = {}, 0
    for _, entry in ipairs(built) do
      local name, value = entry:match "^([^=]*)=(.*)$"
      assert.is_nil(values[name], name)
      values[name], count = value, count + 1
    end
    assert.are.equal("policy's", values.VAULT_TOKEN)
    assert.are.equal("cookie", values.VAULT_ADDR)
    assert.are.equal("/private", values.TMPDIR)
    assert.are.equal(8, count)
  end)
end)
