#!/usr/bin/env -S gantry exec
-- SPDX-License-Identifier: Apache-2.0
--
-- demo.lua: the key-value plugin of this source tree, confined by the baseline. Try it: gantry run policies/demo.lua

local gantry = require "gantry"
local baseline = require "baseline" -- policies/baseline.lua, beside this file

return gantry.extend(baseline, {
  image = "gantry-demo-kv",
  memory = "64MiB",

  -- The magic cookie: a plugin looks for this variable, to see that a host started it and not a person. It is no
  -- secret; the plugin's source has it (tests/plugins/kv/main.go).
  cookie = { "GANTRY_KV_COOKIE", "6f1b0f6a2d5e4c7f9a83b1d0c2e47a55" },
  protocol_versions = { 1 },
})
