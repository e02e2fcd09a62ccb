-- SPDX-License-Identifier: Apache-2.0
--
--- A plugin's name goes from the one that ended to the one that follows, or is given back.

local release = require "gantry.plugin.release"

describe("a plugin's name", function()
  ---@return table plugin
  local function holder()
    local directory = { path = function() return "/run/gantry/kv" end }
    return { name_directory = directory, held = directory }
  end

  it("is handed on once", function()
    local before = holder()
    assert.are.equal(before.held, release.name(before, "/run/gantry/kv"))
    assert.is_nil(before.name_directory)
    assert.is_nil(release.name(before, "/run/gantry/kv"))
  end)

  it("stays where another one is wanted, or there was none", function()
    local before = holder()
    assert.is_nil(release.name(before, "/run/other/kv"))
    assert.are.equal(before.held, before.name_directory)
    assert.is_nil(release.name({}, "/run/gantry/kv"))
    assert.is_nil(release.name(nil, "/run/gantry/kv"))
  end)

  it("stays with one that is kept for whoever takes it up", function()
    local before = holder()
    before.told_exit = {}
    release.all(before, false)
    assert.are.equal(before.held, before.name_directory)
  end)
end)
