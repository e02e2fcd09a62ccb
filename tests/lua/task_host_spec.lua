-- SPDX-License-Identifier: Apache-2.0
--
--- Awaits in the coroutines of a host that steps the loop itself.

local errors = require "gantry.base.errors"
local scheduler = require "gantry.task.scheduler"
local task = require "gantry.task"

describe("a host with coroutines of its own", function()
  local remove, woken

  ---Coroutines that yield "host" are this host's.
  local function host()
    local thread, main = coroutine.running()
    if main then return nil end
    return function() coroutine.yield "host" end, function() woken[#woken + 1] = thread end
  end

  before_each(function()
    woken = {}
    remove = task.add_host(host)
  end)

  after_each(function() remove() end)

  ---The host's loop: steps gantry, then resumes who was woken, until all is done.
  local function run(...)
    local threads = {}
    for index, fn in ipairs { ... } do
      threads[index] = coroutine.create(fn)
      assert(coroutine.resume(threads[index]))
    end
    local function done()
      for _, thread in ipairs(threads) do
        if coroutine.status(thread) ~= "dead" then return false end
      end
      return true
    end
    while not done() do
      assert(scheduler.loop():step())
      while #woken > 0 do assert(coroutine.resume(table.remove(woken, 1))) end
    end
  end

  it("has its coroutines suspended, several at a time", function()
    local log = {}
    run(function()
      task.sleep(0.02)
      log[#log + 1] = "second"
    end, function()
      task.sleep(0.001)
      log[#log + 1] = "first"
    end)
    assert.are.same({ "first", "second" }, log)
  end)

  it("gets results, failures and tasks as everybody does", function()
    run(function()
      assert.are.equal(3, task.run(function() return 3 end))
      local ok, err = pcall(task.run, function() error(errors.new("CODE", "message"), 0) end)
      assert.is_false(ok)
      assert.is_true(errors.is(err, "CODE"))
      local results = table.pack(task.all(function() task.sleep(0.001) return 1 end, function() return 2 end))
      assert.are.same({ 1, 2 }, { results[1][1], results[2][1] })
      local nothing, late = task.deadline(0.001, function() task.sleep(60) end)
      assert.is_nil(nothing)
      assert.is_true(errors.is(late, "DEADLINE_EXCEEDED"))
    end)
  end)

  it("lets events pass between its coroutines and gantry's tasks", function()
    local event, got = task.event(), nil
    run(function() got = event:wait() end, function()
      task.sleep(0.001)
      event:set "value"
    end)
    assert.are.equal("value", got)
  end)

  it("may resume too early", function()
    local done
    local thread = coroutine.create(function()
      task.sleep(0.01)
      done = true
    end)
    coroutine.resume(thread)
    coroutine.resume(thread)
    coroutine.resume(thread)
    assert.is_nil(done)
    while #woken == 0 do assert(scheduler.loop():step()) end
    coroutine.resume(woken[1])
    assert.is_true(done)
  end)

  it("may throw a coroutine away, which takes back what it waits for", function()
    local taken_back = false
    local thread = coroutine.create(function()
      task.await(function() return function() taken_back = true end end)
    end)
    coroutine.resume(thread)
    assert.is_true(coroutine.close(thread))
    assert.is_true(taken_back)
  end)

  it("is told where a coroutine cannot be suspended", function()
    local _, err = coroutine.resume(coroutine.create(function()
      table.sort({ 2, 1 }, function() task.sleep(0) end)
    end))
    assert.is_truthy(tostring(err):find("await inside a C function", 1, true), err)
  end)

  it("is asked no more once it is removed", function()
    remove()
    local thread = coroutine.create(function() task.sleep(0.001) return "driven" end)
    assert.are.same({ true, "driven" }, { coroutine.resume(thread) })
  end)
end)
