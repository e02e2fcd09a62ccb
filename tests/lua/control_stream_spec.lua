-- SPDX-License-Identifier: Apache-2.0
--
--- gantry.control.stream: what a client gets that reads slower than its source gives.

local json = require "gantry.json"
local stream = require "gantry.control.stream"
local task = require "gantry.task"

local MIB <const> = 1024 * 1024

---A client that reads when told to.
local function client()
  local self = { lines = {}, waiting = 0 }
  function self.stream(_, status) self.status = status end
  function self.write(_, bytes)
    if self.gone then return nil end
    self.waiting = self.waiting + #bytes
    if #bytes > 1 then self.lines[#self.lines + 1] = json.decode(bytes) end
    return self.waiting
  end
  return self
end

---A source whose values are given by hand.
local function source(first)
  local self = { first = first or {}, shown = 0 }
  function self.subscribe(take)
    self.take = take
    return function() self.stopped = true end
  end
  function self.show(value)
    self.shown = self.shown + 1
    return { value = value }
  end
  function self.lost(count) return { lost = count } end
  return self
end

describe("a stream of the control server", function()
  ---Runs a stream until `drive` returns, with the client gone then.
  local function with(one, from, drive)
    task.run(function()
      task.all(function() stream.run(one, from) end, function()
        drive()
        one.gone = true
        from.take "the last"
      end)
    end)
    assert.is_true(from.stopped)
  end

  it("gives what a client keeps up with", function()
    local one, from = client(), source { "a", "b" }
    with(one, from, function() from.take "c" end)
    assert.are.same({ { value = "a" }, { value = "b" }, { value = "c" } }, one.lines)
  end)

  it("holds no more than a bound for a client that reads nothing", function()
    local one, from = client(), source()
    local piece = ("x"):rep(1000)
    with(one, from, function()
      for _ = 1, 100000 do from.take(piece) end
      assert.is_true(one.waiting > MIB and one.waiting < MIB + 2000, one.waiting)
      assert.are.equal(#one.lines, from.shown)
    end)
  end)

  it("tells in their place how many values are left out", function()
    local one, from = client(), source()
    with(one, from, function()
      from.take(("x"):rep(MIB))
      for i = 1, 10 do from.take(i) end
      one.waiting = MIB // 2
      from.take(11)
      one.waiting = 0
      from.take(12)
    end)
    assert.are.same({ { lost = 11 }, { value = 12 } }, { one.lines[2], one.lines[3] })
  end)

  it("tells it also where nothing more comes", function()
    local one, from = client(), source()
    with(one, from, function()
      from.take(("x"):rep(MIB))
      from.take(1)
      one.waiting = 0
      task.deadline(20, function()
        while not one.lines[2] do task.sleep(0.05) end
      end)
    end)
    assert.are.same({ lost = 1 }, one.lines[2])
  end)
end)
