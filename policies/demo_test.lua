-- SPDX-License-Identifier: Apache-2.0

local t = require "gantry.test"

t.test("the demo is confined as the baseline says, with less memory", function()
  local demo = t.load "demo.lua"
  t.equal(demo.config.memory, 64 << 20)
  t.has(demo.request.HostConfig, { Memory = 64 << 20, ReadonlyRootfs = true, PidsLimit = 128, CapDrop = { "ALL" } })
  t.equal(demo.request.NetworkDisabled, true)
end)
