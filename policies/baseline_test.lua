-- SPDX-License-Identifier: Apache-2.0

local t = require "gantry.test"

t.test("the baseline leaves a plugin nothing that it need not have", function()
  local text = 'return require("gantry").extend(require "baseline", { image = "x" })'
  local request = t.load("my.lua", nil, { text = text }).request
  t.equal(request.NetworkDisabled, true)
  t.has(request.HostConfig, { ReadonlyRootfs = true, Memory = 256 << 20, PidsLimit = 128, CapDrop = { "ALL" },
    SecurityOpt = { "no-new-privileges" }, Tmpfs = { ["/tmp"] = "rw,noexec,nosuid,nodev,size=16m" } })
end)

t.test("the baseline is no policy itself", function()
  t.refuses("baseline.lua", nil, "image is missing")
end)
