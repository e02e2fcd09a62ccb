-- SPDX-License-Identifier: Apache-2.0
--
--- A plugin's standard output whose beginning comes by two ways, its gate and the engine's stream: whichever is first,
--- all of it is there once and in order.

local output = require "gantry.plugin.output"

describe("output by two ways", function()
  local TEXT <const> = "1|1|unix|/s|grpc\nafter the handshake\nmore\n"
  local LINE <const> = TEXT:match "^[^\n]*\n"

  ---@param order fun(give: fun(way: "stream"|"gate", size: integer)) in what order pieces come
  local function read(order)
    local handshakes, rest, at = 0, {}, { stream = 0, gate = 0 }
    local taken
    taken = output.new {
      on_handshake = function() handshakes = handshakes + 1 end,
      on_output = function(stream, bytes)
        assert.are.equal("stdout", stream)
        rest[#rest + 1] = bytes
      end,
    }
    order(function(way, size)
      local bytes = TEXT:sub(at[way] + 1, at[way] + size)
      at[way] = at[way] + #bytes
      if way == "gate" then taken:from_gate(bytes) else taken:feed("stdout", bytes) end
    end)
    assert.are.equal(1, handshakes)
    assert.are.equal(LINE, taken.handshake_line .. "\n")
    assert.are.equal(TEXT:sub(#LINE + 1), table.concat(rest))
    assert.are.equal(#TEXT - #LINE, taken.bytes)
  end

  it("is taken once, whichever is first", function()
    read(function(give) give("gate", #LINE) give("stream", #TEXT) end)
    read(function(give) give("stream", #TEXT) give("gate", #LINE) end)
    read(function(give) give("stream", 5) give("gate", #LINE) give("stream", #TEXT) end)
    read(function(give) give("gate", 5) give("stream", #LINE + 5) give("gate", #LINE - 5) give("stream", #TEXT) end)
    read(function(give) give("stream", #TEXT) end)
  end)

  it("is taken once in any pieces", function()
    for size = 1, #LINE do
      read(function(give)
        for told = 0, #LINE - 1, size do
          give("gate", math.min(size, #LINE - told))
          give("stream", size // 2)
        end
        give("stream", #TEXT)
      end)
    end
  end)

  it("goes on with another stream, which begins later", function()
    local rest = {}
    local taken = output.new { on_handshake = function() end,
      on_output = function(_, bytes) rest[#rest + 1] = bytes end }
    taken:from_gate(LINE)
    taken:begin_stream()
    taken:feed("stdout", "what it says from here on\n")
    assert.are.same({ "what it says from here on\n" }, rest)
  end)
end)
