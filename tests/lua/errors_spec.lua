-- SPDX-License-Identifier: Apache-2.0
--
--- The failure shape of gantry: made in Lua as in C, wrapped, joined, traced once.

local core = require "gantry.core"
local errors = require "gantry.base.errors"

describe("an error", function()
  it("has a code, a message, its fields, and is its message as text", function()
    local err = errors.new("IMAGE_NOT_FOUND", "look up image kv: not there; pull it", { status = 404 })
    assert.equal("IMAGE_NOT_FOUND", err.code)
    assert.equal(404, err.status)
    assert.equal("look up image kv: not there; pull it", tostring(err))
  end)

  it("keeps code and message whatever the fields say, and leaves the fields alone", function()
    local fields = { code = "OTHER", message = "other", status = 1 }
    local err = errors.new("CODE", "text", fields)
    assert.equal("CODE", err.code)
    assert.equal("text", err.message)
    assert.is_nil(getmetatable(fields))
  end)

  it("is of the same kind as those made in C", function()
    local made_in_c = setmetatable({ code = "LOOP_FAILED", message = "m" }, core.error_metatable)
    assert.is_true(errors.is(made_in_c))
    assert.equal("outer: m", made_in_c:wrap("outer").message)
  end)

  it("is told from other values, and by its code", function()
    local err = errors.new("A", "a")
    assert.is_true(errors.is(err))
    assert.is_true(errors.is(err, "A"))
    assert.is_false(errors.is(err, "B"))
    for _, other in ipairs { "A", 1, true, {}, setmetatable({}, {}), print } do assert.is_false(errors.is(other)) end
    assert.is_false(errors.is(nil))
  end)

  it("raises on wrong arguments", function()
    assert.has_error(function() errors.new("A") end, "errors.new needs a code and a message, both strings")
    assert.has_error(function() errors.new(nil, "a") end)
  end)
end)

describe("wrapping", function()
  it("puts the context before the message and keeps the rest, with the error as cause", function()
    local inner = errors.new("HTTP_CONNECT_FAILED", "connect to engine: refused", { os_error = 111, status = 7 })
    local outer = inner:wrap("create container kv")
    assert.equal("create container kv: connect to engine: refused", outer.message)
    assert.equal("HTTP_CONNECT_FAILED", outer.code)
    assert.equal(111, outer.os_error)
    assert.equal(7, outer.status)
    assert.equal(inner, outer.cause)
    assert.equal("connect to engine: refused", inner.message)
    assert.is_nil(inner.cause)
  end)

  it("nests", function()
    local err = errors.new("A", "a"):wrap("b"):wrap("c")
    assert.equal("c: b: a", tostring(err))
    assert.equal("a", err.cause.cause.message)
  end)
end)

describe("joining", function()
  it("keeps the first and notes the second in it", function()
    local first, second = errors.new("A", "a"), errors.new("B", "b")
    local kept, noted = errors.join(first, second)
    assert.equal(first, kept)
    assert.is_true(noted)
    assert.equal(second, first.suppressed[1])
  end)

  it("does not note an error in itself", function()
    local err = errors.new("A", "a")
    assert.equal(err, (errors.join(err, err)))
    assert.is_nil(err.suppressed)
  end)

  it("makes one text of two, and says where it cannot note", function()
    assert.equal("one\nand then: two", (errors.join("one", errors.new("B", "two"))))
    local strange = {}
    local kept, noted = errors.join(strange, "two")
    assert.equal(strange, kept)
    assert.is_false(noted)
  end)
end)

describe("tracing", function()
  local function deep() error("boom") end

  it("gives a text its traceback once", function()
    local _, once = xpcall(deep, errors.traced)
    assert.matches("errors_spec.lua:%d+: boom\nstack traceback:\n", once)
    local _, twice = xpcall(error, errors.traced, once, 0)
    assert.equal(once, twice)
  end)

  it("leaves error objects as they are", function()
    local err = errors.new("A", "a")
    local _, raised = xpcall(error, errors.traced, err)
    assert.equal(err, raised)
  end)

  it("makes something of nothing", function()
    local _, raised = xpcall(error, errors.traced, nil)
    assert.matches("raised with the value nil", raised)
  end)
end)
