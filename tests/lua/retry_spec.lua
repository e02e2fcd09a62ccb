-- SPDX-License-Identifier: Apache-2.0
--
--- gantry.task.retry: pauses that grow to a bound, and what is called until it gives a result.

local retry = require "gantry.task.retry"
local task = require "gantry.task"

describe("a retry", function()
  it("waits twice as long each time, up to its longest, and anew once it went well", function()
    local again, seconds = retry.new(1, 5), {}
    for i = 1, 5 do seconds[i] = again:next() end
    assert.are.same({ 1, 2, 4, 5, 5 }, seconds)
    again:reset()
    assert.are.equal(1, again:next())
  end)

  it("calls until there is a result", function()
    local calls = 0
    assert.are.equal("third", task.run(retry.until_result, 60, function()
      calls = calls + 1
      return calls == 3 and "third" or nil
    end))
  end)

  it("gives up when its time is over, after one call at least", function()
    local calls = 0
    assert.is_nil(task.run(retry.until_result, -1, function() calls = calls + 1 end))
    assert.are.equal(1, calls)
  end)
end)
