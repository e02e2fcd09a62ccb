-- SPDX-License-Identifier: Apache-2.0
--
--- gantry.grpc.stream, whose call is a table here: what a peer may send before it is held back.

local stream = require "gantry.grpc.stream"

describe("stream", function()
  ---@return gantry.Stream stream, gantry.StreamHandlers handlers, table call
  local function open()
    local handlers
    local call = { pauses = 0, resumes = 0 }
    function call:pause() self.pauses = self.pauses + 1 end
    function call:resume() self.resumes = self.resumes + 1 end
    function call:cancel() self.cancelled = true end
    local self = stream.open(function(given)
      handlers = given
      return call
    end)
    return self, handlers, call
  end

  it("holds back a peer that sends empty messages", function()
    local self <close>, handlers, call = open()
    local sent = 0
    while call.pauses == 0 do
      assert.is_true(sent < 10000)
      handlers.on_message ""
      sent = sent + 1
    end
    for _ = 1, sent do assert.are.equal("", (self:next())) end
    assert.are.equal(1, call.pauses)
    assert.are.equal(1, call.resumes)
    assert.are.equal(0, self.state.held)
  end)
end)
