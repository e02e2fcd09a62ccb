-- SPDX-License-Identifier: Apache-2.0
--
--- handover/callbacks.lua: who is warned when a plugin starts that does not see its host's temporary directory.

local callbacks = require "gantry.handover.callbacks"

describe("a plugin that does not see its host's temporary directory", function()
  local function warning(cookie, handshake, added)
    return callbacks.warning({ cookie = cookie, handshake = handshake or {}, added = added or {} }, "kv")
  end

  it("is told of where its host calls back", function()
    for cookie, host in pairs { VAULT_BACKEND_PLUGIN = "Vault", TFLINT_RULESET_PLUGIN = "TFLint" } do
      assert.matches("^plugin 'kv' will not reach its host: " .. host .. " .*share_tmp = true", warning(cookie))
    end
  end)

  it("is let alone where its host never does, or over the plugin's own socket", function()
    for _, cookie in ipairs { "TF_PLUGIN_MAGIC_COOKIE", "VAULT_DATABASE_PLUGIN", "BASIC_PLUGIN" } do
      assert.is_nil(warning(cookie))
    end
    assert.is_nil(warning(nil))
    assert.is_nil(warning("VAULT_BACKEND_PLUGIN", { PLUGIN_MULTIPLEX_GRPC = "true" }))
    assert.is_nil(warning("VAULT_BACKEND_PLUGIN", nil, { VAULT_PLUGIN_METADATA_MODE = "true" }))
  end)
end)
