-- SPDX-License-Identifier: Apache-2.0
--
--- oci_cgroups_spec.lua: which cgroup was given to a process.

local cgroups = require "gantry.engine.oci.cgroups"
local core = require "gantry.core"

describe("the cgroup of a process", function()
  for text, path in pairs {
    ["0::/user.slice/gantry.service\n"] = "/user.slice/gantry.service",
    ["0::/user.slice/gantry.service/gantry-supervisor\n"] = "/user.slice/gantry.service",
    ["12:pids:/a\n0::/\n"] = "",
    ["0::/gantry-supervisor\n"] = "",
    ["0::/a/gantry-supervisor/b\n"] = "/a/gantry-supervisor/b",
  } do
    it("is " .. (path == "" and "the root" or path) .. " of " .. text:gsub("\n", " "), function()
      assert.are.equal(path, cgroups.given(text))
    end)
  end

  it("is the one whose processes gantry may name, and none where containers get none", function()
    local place = cgroups.find()
    local path = cgroups.own(place)
    if not place.parent then return assert.is_nil(path) end
    local file <close> = assert(io.open(assert(path)))
    assert.is_truthy(("\n" .. file:read "a"):find("\n" .. core.system.pid() .. "\n", 1, true))
    assert.is_nil(cgroups.own { version = 1, controllers = {}, swap_accounting = false })
  end)

  it("is unknown without one of version 2, and outside of what it sees", function()
    assert.is_nil(cgroups.given "12:pids:/a\n")
    assert.is_nil(cgroups.given "0::/../../init.scope\n")
  end)
end)
