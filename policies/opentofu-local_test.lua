-- SPDX-License-Identifier: Apache-2.0

local t = require "gantry.test"

t.test("the provider sees the configuration's folder and nothing else", function()
  local config = t.load("opentofu-local.lua", { verb = "exec" }).config
  t.has(config, { image = "terraform-provider-local", cwd = "rw", disable_network = true, read_only = true })
  t.equal(config.mounts, nil)
end)
