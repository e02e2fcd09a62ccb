-- SPDX-License-Identifier: Apache-2.0

local t = require "gantry.test"

t.test("a plugin of Packer has a network and the folder, and what tunes its SDK", function()
  local text = 'return require("gantry").extend(require "packer", { image = "packer-plugin-docker" })'
  local packer = t.load("my.lua", { verb = "exec" }, { text = text })
  t.has(packer.config, { cwd = "rw", disable_network = false, read_only = true })
  t.has(packer.config.pass_env, { "PACKER_RUN_UUID", "PACKER_CACHE_DIR" })
  t.equal(packer.request.HostConfig.Memory, 1 << 30)
end)

t.test("it is no policy itself", function()
  t.refuses("packer.lua", nil, "image is missing")
end)
