-- SPDX-License-Identifier: Apache-2.0
local parsed = require "gantry.base.parsed"

describe("what a text says", function()
  local asked, of

  before_each(function()
    asked = 0
    of = parsed.once(function(text)
      asked = asked + 1
      return text ~= "" and { text } or nil
    end)
  end)

  it("is found out once", function()
    assert.are.equal("a", of("a")[1])
    assert.are.equal(of "a", of("a" .. ""))
    assert.are.equal("b", of("b")[1])
    assert.are.equal(2, asked)
  end)

  it("is asked for again where it says nothing", function()
    assert.is_nil(of "")
    assert.is_nil(of "")
    assert.are.equal(2, asked)
  end)

  it("is kept while it is asked for, and no more than so many are", function()
    local first = of "first"
    for i = 1, 2000 do
      of(tostring(i))
      assert.are.equal(first, of "first")
    end
    assert.are.equal(2001, asked)
    of "1"
    assert.are.equal(2002, asked)
  end)
end)
