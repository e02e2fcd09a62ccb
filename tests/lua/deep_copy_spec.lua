-- SPDX-License-Identifier: Apache-2.0
--
--- A deep copy of a table.

local deep_copy = require "gantry.base.deep_copy"

describe("a deep copy", function()
  it("is equal to what it was made from, and shares no table with it", function()
    local original = { 1, "two", { three = { false } }, env = { A = "1" }, empty = {} }
    local copy = deep_copy.of(original)
    assert.are.same(original, copy)
    copy[3].three[1], copy.env.A, copy.empty[1] = true, "2", "filled"
    assert.are.same({ 1, "two", { three = { false } }, env = { A = "1" }, empty = {} }, original)
  end)

  it("has no metatables", function()
    local copy = deep_copy.of { inner = setmetatable({ 1 }, { __index = { hidden = true } }) }
    assert.is_nil(getmetatable(copy.inner))
    assert.is_nil(copy.inner.hidden)
  end)

  it("of anything but a table is that itself", function()
    for _, value in ipairs { 1, 1.5, "text", true, print } do assert.are.equal(value, deep_copy.of(value)) end
    assert.is_nil(deep_copy.of(nil))
  end)
end)
