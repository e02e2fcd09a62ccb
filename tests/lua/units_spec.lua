-- SPDX-License-Identifier: Apache-2.0
--
-- units_spec.lua: durations and sizes.

local units = require "gantry.base.units"

describe("units.seconds", function()
  it("reads what policies write", function()
    local expected = {
      ["250ms"] = 0.25, ["1m30s"] = 90, ["2h"] = 7200, ["1.5s"] = 1.5, ["0s"] = 0, ["1d"] = 86400,
      ["10us"] = 10e-6, ["1h0m0.5s"] = 3600.5,
    }
    for text, seconds in pairs(expected) do assert.near(seconds, units.seconds(text), 1e-12) end
    assert.equal(3, units.seconds(3))
    assert.equal(0.5, units.seconds(0.5))
  end)

  it("refuses the rest with a reason", function()
    local wrong = { "", "10", "s", "1x", "1m 30s", "-1s", "1s!", true, {}, 0 / 0, math.huge, ("1s"):rep(100) }
    for _, value in ipairs(wrong) do
      local seconds, reason = units.seconds(value)
      assert.is_nil(seconds)
      assert.matches("^must be a duration such as", reason)
    end
    assert.matches("got '10' %(it has no unit%)$", select(2, units.seconds("10")))
    assert.equal("must not be negative, got -1", select(2, units.seconds(-1)))
  end)
end)

describe("units.bytes", function()
  it("reads what policies write, as integers", function()
    local expected = {
      ["64MiB"] = 67108864, ["64MB"] = 64000000, ["1GiB"] = 1073741824, ["1.5KiB"] = 1536, ["10B"] = 10,
      ["2 TiB"] = 2199023255552, ["64mib"] = 67108864,
    }
    for text, bytes in pairs(expected) do
      assert.equal(bytes, units.bytes(text))
      assert.equal("integer", math.type(units.bytes(text)))
    end
    assert.equal("integer", math.type(units.bytes(4096.0)))
  end)

  it("refuses the rest with a reason", function()
    for _, value in ipairs { "", "64", "64m", "MiB", "64 M iB", 1.5, false, 0 / 0, "9000000TiB", "-5MiB", -5 } do
      local bytes, reason = units.bytes(value)
      assert.is_nil(bytes)
      assert.matches("^must ", reason)
    end
    assert.matches("write 64MiB for 1024, 64MB for 1000", select(2, units.bytes("64m")))
    assert.equal("must not be negative, got '-5MiB'", select(2, units.bytes("-5MiB")))
  end)
end)

describe("units.format", function()
  it("writes sizes", function()
    assert.equal("64MiB", units.format_bytes(67108864))
    assert.equal("1.5KiB", units.format_bytes(1536))
    assert.equal("0B", units.format_bytes(0))
    assert.equal("2TiB", units.format_bytes(2 * 1024 ^ 4 // 1 | 0))
  end)

  it("writes durations in two units at most", function()
    local expected = {
      [0.25] = "250ms", [41.23] = "41.2s", [90] = "1m30s", [60] = "1m", [11520] = "3h12m", [183600] = "2d3h",
      [0] = "0ms",
    }
    for seconds, text in pairs(expected) do assert.equal(text, units.format_seconds(seconds)) end
  end)
end)
