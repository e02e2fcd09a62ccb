-- SPDX-License-Identifier: Apache-2.0
--
-- packer.lua: a plugin for Packer. It names no image, so it is not launched itself; a policy builds on it, and is what
-- Packer takes for the plugin's binary (docs/exec.md):
--
--   #!/usr/bin/env -S gantry exec
--   return require("gantry").extend(require "packer", { image = "packer-plugin-docker" })

local gantry = require "gantry"
local baseline = require "baseline"

return gantry.extend(baseline, {
  -- Plugins talk to the API of whoever runs their machines. One that only handles files can do without.
  disable_network = false,
  -- Builders leave their files where `packer` was started, provisioners read scripts from there.
  cwd = "rw",
  -- Of Packer's own environment: which run this is, and what tunes its SDK. A plugin's credentials (AWS_PROFILE, ...)
  -- are for its own policy to name, with these.
  pass_env = { "PACKER_RUN_UUID", "PACKER_CACHE_DIR", "PACKER_GETTER_READ_TIMEOUT", "PACKER_KEY_INTERVAL" },
  memory = "1GiB",
})
