#!/usr/bin/env -S gantry exec
-- SPDX-License-Identifier: Apache-2.0
--
-- opentofu-local.lua: a provider of OpenTofu or Terraform that reads and writes files of the configuration's directory,
-- such as `local`. Copied to where OpenTofu looks for the provider, it is what OpenTofu executes (docs/exec.md).

local gantry = require "gantry"
local baseline = require "baseline" -- no network, nothing writable but what is named here

return gantry.extend(baseline, {
  image = "terraform-provider-local",
  -- Relative paths in a configuration mean the directory where `tofu` was started. The provider sees that at its own
  -- path, runs there, and as the user who started `tofu`: what it writes stands where it would without a container.
  cwd = "rw",
})
