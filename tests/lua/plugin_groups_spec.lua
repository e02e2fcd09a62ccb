-- SPDX-License-Identifier: Apache-2.0
--
--- The groups of a plugin's process, by what the engine makes of the machine's numbers.

local core = require "gantry.core"
local groups = require "gantry.plugin.groups"

require "gantry.base.errors" -- gives errors of the core their methods

describe("a plugin's groups", function()
  local supplementary = core.group.supplementary
  local warnings

  before_each(function()
    warnings = {}
    core.group.supplementary = function() return { 7, 5, 7, 2000 } end
  end)

  after_each(function() core.group.supplementary = supplementary end)

  local function of(group_add, about, userns_mode)
    local plugin = { group_inside = 5, config = { group_add = group_add, userns_mode = userns_mode },
      engine = { endpoint = { name = "unix:///e" }, describe = function() return about or {} end },
      event = function(_, _, fields) warnings[#warnings + 1] = fields.text end }
    return groups.of(plugin)
  end

  it("are the one of its socket, the named ones and the caller's, each once", function()
    assert.are.same({ 5 }, of(nil))
    assert.are.same({ 5, 7, 2000 }, of { "caller" })
    assert.are.same({ 5, 9, 7, 2000, 0 }, of { 9, "caller", "root", "7" })
    assert.are.same({}, warnings)
  end)

  it("leave the caller's out where they are others inside, with the line that helps", function()
    assert.are.same({ 5, 9 }, of({ "caller", 9 }, { rootless = true }))
    assert.matches("^group_add = \"caller\": .*setfacl %-m u:%d+:r FILE", warnings[1])
    assert.are.same({ 5 }, of({ "caller" }, { remapped = true }))
    assert.matches("userns%-remap.*chmod o%+r FILE", warnings[2])
    assert.are.same({ 5, 7, 2000 }, of({ "caller" }, { remapped = true }, "host"))
    assert.are.equal(2, #warnings)
  end)

  it("are not made up", function()
    local found, err = of { "no-such-group-here" }
    assert.is_nil(found)
    assert.are.equal("GROUP_NOT_FOUND", err.code)
  end)
end)
