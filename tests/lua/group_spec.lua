-- SPDX-License-Identifier: Apache-2.0
--
--- gantry.core.group: names and numbers of groups.

local core = require "gantry.core"
local group = core.group

describe("a group", function()
  it("is resolved from its name or number", function()
    assert.are.equal(0, group.resolve("root"))
    assert.are.equal(3999999999, group.resolve("3999999999"))
    assert.are.equal("integer", math.type(group.resolve("7")))
  end)

  it("that is not known is an error that names it", function()
    local gid, err = group.resolve("no-such-group-here")
    assert.is_nil(gid)
    assert.are.equal("GROUP_NOT_FOUND", err.code)
    assert.is_truthy(err.message:find("'no-such-group-here'", 1, true))
  end)

  it("has a name or none", function()
    assert.are.equal("root", group.name(0))
    assert.are.equal(1, select("#", group.name(3999999999)))
    assert.is_nil(group.name(3999999999))
  end)

  it("of one's own may be assigned", function()
    assert.are.equal(core.system.egid(), group.effective())
    assert.is_true(group.may_assign(group.effective()))
    assert.are.equal(core.system.euid() == 0, group.may_assign(3999999999))
  end)

  it("raises on wrong arguments", function()
    assert.has_error(function() group.resolve() end)
    assert.has_error(function() group.resolve("root\0x") end)
    for _, bad in ipairs { -1, 4294967295, 1 << 32, 0.5, "x" } do
      assert.has_error(function() group.may_assign(bad) end)
      assert.has_error(function() group.name(bad) end)
    end
  end)
end)
