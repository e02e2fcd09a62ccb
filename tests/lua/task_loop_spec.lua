-- SPDX-License-Identifier: Apache-2.0
--
--- Tasks and the loop: a host that steps it, the order in which tasks run, events and queues, the real loop.

local core = require "gantry.core"
local errors = require "gantry.base.errors"
local virtual_loop = require "lua.virtual_loop"

local task, loop

before_each(function() task, loop = virtual_loop.task() end)

local function code_of(...)
  local ok, err = pcall(...)
  return not ok and errors.is(err) and err.code or nil
end

describe("a host that steps the loop itself", function()
  local function step_until(condition, most)
    for _ = 1, most do
      if condition() then return end
      loop:step(1000)
    end
    error("the condition never came true", 2)
  end

  it("has tasks begin and end without anybody awaiting", function()
    local t = task.spawn(function() task.sleep(1) task.sleep(1) return "done" end)
    step_until(function() return t:is_done() end, 5)
    assert.equal("done", t:wait())
    assert.equal(2, loop.now)
    assert.equal(0, loop:left())
  end)

  it("gets errors that nobody waits for from a step", function()
    task.spawn(function() task.sleep(1) error(errors.new("UNSEEN", "u")) end)
    assert.equal("UNSEEN", code_of(step_until, function() return false end, 10))
  end)

  it("runs tasks later that it wakes by hand, never inside that call", function()
    local event, queue, seen = task.event(), task.queue(), {}
    task.spawn(function() seen[1] = event:wait() end)
    task.spawn(function() seen[2] = queue:take() end)
    loop:step(0)
    event:set("event")
    queue:put("value")
    assert.same({}, seen)
    loop:step(0)
    assert.same({ "event", "value" }, seen)
  end)

  it("has tasks run in the step that wakes them, after all its callbacks", function()
    local event, seen = task.event(), {}
    task.spawn(function() table.insert(seen, (event:wait())) end)
    loop:step(0)
    loop:timer(1, function() event:set "task" end)
    loop:timer(1, function() seen[#seen + 1] = "callback" end)
    loop:step(1)
    assert.same({ "callback", "task" }, seen)
  end)

  it("goes on where an await that drove has left off", function()
    local count = 0
    local t = task.spawn(function() for _ = 1, 2500 do count = count + 1 task.run(function() end) end end)
    task.sleep(0)
    step_until(function() return t:is_done() end, 100)
    assert.equal(2500, count)
  end)
end)

describe("the run queue", function()
  it("lets the loop have its turn among tasks that wake each other for ever", function()
    local ping, pong, turns = task.queue(), task.queue(), 0
    local function player(mine, other)
      while true do
        other:put(mine:take())
        turns = turns + 1
      end
    end
    task.run(function()
      task.spawn(player, ping, pong)
      task.spawn(player, pong, ping)
      ping:put("ball")
      task.sleep(0)
    end)
    assert.is_true(turns > 100 and turns < 10000)
  end)

  it("is fair", function()
    local counts = { 0, 0, 0 }
    local function worker(index)
      return function()
        for _ = 1, 100 do
          task.sleep(0)
          counts[index] = counts[index] + 1
          for _, count in ipairs(counts) do assert(math.abs(count - counts[index]) <= 1) end
        end
      end
    end
    task.all(worker(1), worker(2), worker(3))
    assert.same({ 100, 100, 100 }, counts)
  end)
end)

describe("an event", function()
  it("happens once and keeps its values", function()
    local event = task.event()
    local waiting = task.spawn(function() return event:wait() end)
    loop:timer(1, function()
      assert(event:set("a", nil))
      assert(not event:set("b"))
    end)
    assert.is_false(event:is_set())
    assert.same({ "a", nil, n = 2 }, table.pack(event:wait()))
    assert.same({ "a", nil, n = 2 }, table.pack(waiting:wait()))
    assert.same({ "a", nil, n = 2 }, table.pack(event:wait()))
    assert.is_true(event:is_set())
  end)

  it("forgets who has given up", function()
    local event = task.event()
    assert.equal("DEADLINE_EXCEEDED", select(2, task.deadline(1, event.wait, event)).code)
    assert.equal(0, event.waiting.count)
    event:set(1)
    assert.equal(1, event:wait())
  end)
end)

describe("a queue", function()
  it("gives values to takers in order", function()
    local queue, seen = task.queue(), {}
    queue:put(1)
    queue:put(false)
    assert.equal(2, #queue)
    local function taker(index) return function() seen[index] = queue:take() end end
    loop:timer(1, function() queue:put("three") queue:put("four") queue:put("five") end)
    task.all(taker(1), taker(2), taker(3), taker(4))
    assert.same({ 1, false, "three", "four" }, seen)
    assert.equal("five", queue:take())
  end)

  it("passes over a taker that has given up", function()
    local queue = task.queue()
    local first = task.spawn(queue.take, queue)
    local second = task.spawn(queue.take, queue)
    task.sleep(0)
    first:cancel()
    queue:put("value")
    assert.equal("value", second:wait())
    assert.equal("CANCELLED", code_of(first.wait, first))
  end)

  it("ends when closed, once it is empty", function()
    local queue = task.queue()
    queue:put(1)
    queue:close()
    queue:close()
    assert.equal(1, queue:take())
    assert.is_nil(queue:take())
    assert.matches("queue closed", select(2, pcall(queue.put, queue, 2)))
    local other = task.queue()
    loop:timer(1, function() other:close() end)
    assert.is_nil(other:take())
    assert.matches("needs a value", select(2, pcall(other.put, task.queue(), nil)))
  end)
end)

describe("on the real loop", function()
  local real = require "gantry.task"

  it("sleeps, in tasks and outside", function()
    local begun = core.loop.clock()
    real.all(function() real.sleep(0.05) end, function() real.sleep(0.05) end)
    real.sleep(0.05)
    local taken = core.loop.clock() - begun
    assert.is_true(taken >= 0.1 and taken < 5)
  end)

  it("raises in a step of the host what a task failed with", function()
    real.spawn(function() error(errors.new("UNSEEN", "u")) end)
    local ok, err = pcall(function() for _ = 1, 10 do real.loop():step(1) end end)
    assert.is_false(ok)
    assert.equal("UNSEEN", err.code)
  end)

  it("refuses an await in a callback of a host's step", function()
    local raised
    real.loop():timer(0, function() raised = select(2, pcall(real.sleep, 1)) end)
    while not raised do real.loop():step(1) end
    assert.matches("await in a callback of the loop", raised)
    real.sleep(0)
  end)

  it("is one and the same", function()
    assert.equal(real.loop(), real.loop())
    assert.is_number(real.loop():fd())
  end)
end)
