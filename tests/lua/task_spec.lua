-- SPDX-License-Identifier: Apache-2.0
--
--- Tasks: waiting, in a task and outside; cancelling; shields; errors that nobody waits for.

local errors = require "gantry.base.errors"
local virtual_loop = require "lua.virtual_loop"

local task, loop

before_each(function() task, loop = virtual_loop.task() end)

---Something to wait for that a test resumes by hand, from the loop, and that counts how it was treated.
local function operation()
  local self = { begun = 0, taken_back = 0 }
  function self.wait()
    return task.await(function(resume)
      self.begun = self.begun + 1
      self.resume = resume
      return function() self.taken_back = self.taken_back + 1 end
    end)
  end
  return self
end

local function code_of(...)
  local ok, err = pcall(...)
  return not ok and errors.is(err) and err.code or nil
end

describe("await", function()
  it("drives the loop outside of tasks and returns all values", function()
    local begun = loop.now
    local values = table.pack(task.await(function(resume)
      loop:timer(3, function() resume(1, nil, "c", nil) end)
    end))
    assert.same({ 1, nil, "c", nil, n = 4 }, values)
    assert.equal(3, loop.now - begun)
  end)

  it("yields in a task, so that others run", function()
    local seen = {}
    task.all(
      function() seen[#seen + 1] = "a1" task.sleep(2) seen[#seen + 1] = "a2" end,
      function() seen[#seen + 1] = "b1" task.sleep(1) seen[#seen + 1] = "b2" end)
    assert.same({ "a1", "b1", "b2", "a2" }, seen)
    assert.equal(2, loop.now)
  end)

  it("drives the loop in a coroutine that is no task", function()
    local values = table.pack(coroutine.wrap(function()
      task.sleep(5)
      return "awake", loop.now
    end)())
    assert.same({ "awake", 5, n = 2 }, values)
  end)

  it("takes a resume that comes before it has begun to wait", function()
    local function at_once(resume) resume("now") return error end
    assert.equal("now", task.await(at_once))
    assert.equal("now", task.run(task.await, at_once))
  end)

  it("ignores every resume but the first", function()
    local op = operation()
    local first, second = task.run(function()
      loop:timer(1, function() op.resume("first") op.resume("second") end)
      local one = op.wait()
      op.resume("late")
      task.sleep(1)
      return one, "slept"
    end)
    assert.equal("first", first)
    assert.equal("slept", second)
  end)

  it("raises what its start raises", function()
    local err = errors.new("A", "a")
    for _, run in ipairs { pcall, function(...) return pcall(task.run, ...) end } do
      local _, raised = run(task.await, function() error(err) end)
      assert.equal(err, raised)
    end
  end)

  it("refuses to wait in a callback outside of tasks", function()
    local raised
    loop:timer(1, function() raised = select(2, pcall(task.sleep, 1)) end)
    task.sleep(2)
    assert.matches("await in a callback of the loop, outside of all tasks", raised)
  end)

  it("refuses to wait in a coroutine that a task has made, and inside C functions", function()
    task.run(function()
      local ok, err = coroutine.resume(coroutine.create(function() task.sleep(1) end))
      assert.is_false(ok)
      assert.matches("a coroutine that a task has made for itself", err)
      ok, err = pcall(table.sort, { 2, 1 }, function() task.sleep(1) end)
      assert.is_false(ok)
      assert.matches("await inside a C function", err)
    end)
    assert.equal(0, loop:left())
  end)

  it("fails a task that yields by itself", function()
    local child_ended
    local ok, err = pcall(task.run, function()
      task.spawn(function()
        local _ <close> = setmetatable({}, { __close = function() child_ended = true end })
        task.sleep(100)
      end)
      task.sleep(1)
      coroutine.yield()
    end)
    assert.is_false(ok)
    assert.matches("coroutine.yield called in a task", err)
    task.sleep(0)
    assert.is_true(child_ended)
  end)

  it("takes the operation back when a callback raises while it drives", function()
    local op = operation()
    loop:timer(1, function() error("from a callback", 0) end)
    local ok, err = pcall(op.wait)
    assert.is_false(ok)
    assert.equal("from a callback", err)
    assert.equal(1, op.taken_back)
    op.resume("late")
    task.sleep(1)
    assert.equal(2, loop.now)
  end)
end)

describe("a task", function()
  it("starts once whoever spawned it waits, in order", function()
    local seen = {}
    for index = 1, 5 do task.spawn(function() seen[index] = #seen + 1 end) end
    assert.same({}, seen)
    task.sleep(0)
    assert.same({ 1, 2, 3, 4, 5 }, seen)
  end)

  it("gives its values to all who wait, also later", function()
    local t = task.spawn(function(...) task.sleep(1) return ... end, 1, nil, 3)
    local other = task.spawn(function() return select("#", t:wait()) end)
    assert.same({ 1, nil, 3, n = 3 }, table.pack(t:wait()))
    assert.equal(3, other:wait())
    assert.same({ 1, nil, 3, n = 3 }, table.pack(t:wait()))
    assert.is_true(t:is_done())
  end)

  it("gives its error to all who wait, the same object", function()
    local err = errors.new("BROKEN", "it broke")
    local function raised_by_wait(t) return select(2, pcall(t.wait, t)) end
    local t = task.spawn(function() task.sleep(1) error(err) end)
    local other = task.spawn(raised_by_wait, t)
    assert.equal(err, raised_by_wait(t))
    assert.equal(err, other:wait())
    assert.equal(err, raised_by_wait(t))
    assert.is_nil(err.suppressed)
  end)

  it("traces a text that it raised once, however far it goes", function()
    local function fail() error("boom") end
    local _, err = pcall(task.run, function() task.run(function() task.spawn(fail):wait() end) end)
    assert.matches("task_spec.lua:%d+: boom\nstack traceback:", err)
    assert.equal(1, select(2, err:gsub("stack traceback:", "")))
  end)

  it("knows itself", function()
    assert.is_nil(task.current())
    local t
    t = task.spawn(function() task.sleep(1) return task.current() == t end)
    assert.is_true(t:wait())
    assert.is_nil(task.current())
  end)

  it("cannot wait for itself", function()
    assert.matches("cannot wait for itself", select(2, pcall(task.run, function() task.current():wait() end)))
  end)

  it("leaves what it has spawned when it ends", function()
    local child
    task.run(function()
      child = task.spawn(function() task.sleep(100) end)
      task.sleep(1)
    end)
    assert.is_true(child:is_done())
    assert.equal("CANCELLED", code_of(child.wait, child))
    assert.equal(1, loop.now)
    assert.equal(0, loop:left())
  end)

  it("raises on wrong arguments", function()
    assert.matches("spawn needs a function, got nil", select(2, pcall(task.spawn)))
    assert.matches("task.sleep needs seconds", select(2, pcall(task.sleep, "1")))
  end)
end)

describe("cancelling", function()
  it("takes the current await back, once, and raises CANCELLED in it", function()
    local op = operation()
    local t = task.spawn(op.wait)
    task.sleep(1)
    t:cancel("not wanted")
    t:cancel("again")
    assert.equal(1, op.taken_back)
    op.resume("late")
    local ok, err = pcall(t.wait, t)
    assert.is_false(ok)
    assert.equal("CANCELLED", err.code)
    assert.equal("cancelled: not wanted", err.message)
    assert.equal(1, op.taken_back)
  end)

  it("raises at the next await where the task does not wait", function()
    local op, reached = operation(), nil
    local t = task.spawn(function()
      task.current():cancel()
      reached = task.cancelled()
      op.wait()
    end)
    assert.equal("CANCELLED", code_of(t.wait, t))
    assert.is_true(reached)
    assert.equal(0, op.begun)
  end)

  it("takes back what a task has begun where beginning it cancelled the task", function()
    local taken_back = 0
    local t = task.spawn(task.await, function()
      task.current():cancel()
      return function() taken_back = taken_back + 1 end
    end)
    assert.equal("CANCELLED", code_of(t.wait, t))
    assert.equal(1, taken_back)
  end)

  it("goes on at every await", function()
    local caught = 0
    local t = task.spawn(function()
      for _ = 1, 3 do
        if code_of(task.sleep, 10) == "CANCELLED" then caught = caught + 1 end
      end
      return "ended by itself"
    end)
    task.sleep(1)
    t:cancel()
    assert.equal("ended by itself", t:wait())
    assert.equal(3, caught)
    assert.equal(1, loop.now)
  end)

  it("lets a task begin that has not yet, up to its first await", function()
    local begun, done = false, false
    local t = task.spawn(function() begun = true task.sleep(1) done = true end)
    t:cancel()
    assert.equal("CANCELLED", code_of(t.wait, t))
    assert.is_true(begun)
    assert.is_false(done)
  end)

  it("does not take away what a task has been resumed with", function()
    local op = operation()
    local t = task.spawn(function()
      local got = op.wait()
      return got, code_of(task.sleep, 1)
    end)
    task.spawn(function()
      task.sleep(1)
      op.resume("a connection")
      t:cancel()
    end)
    assert.same({ "a connection", "CANCELLED" }, { t:wait() })
    assert.equal(0, op.taken_back)
  end)

  it("does nothing to a task that has ended", function()
    local t = task.spawn(function() return 1 end)
    t:wait()
    t:cancel()
    assert.equal(1, t:wait())
  end)

  it("raises what the taking back raised", function()
    local t = task.spawn(task.await, function() return function() error("cannot stop", 0) end end)
    task.sleep(1)
    t:cancel()
    assert.matches("^cannot stop\n", select(2, pcall(t.wait, t)))
  end)

  it("runs <close> variables, which may await under a shield", function()
    local seen = {}
    local t = task.spawn(function()
      local _ <close> = setmetatable({}, { __close = function(_, err)
        seen[1] = code_of(task.sleep, 1)
        task.shield(task.sleep, 5)
        seen[2], seen[3] = err.code, loop.now
      end })
      task.sleep(100)
    end)
    task.sleep(1)
    t:cancel()
    assert.equal("CANCELLED", code_of(t.wait, t))
    assert.same({ "CANCELLED", "CANCELLED", 6 }, seen)
  end)

  it("takes another error raised on the way out as a failure", function()
    local t = task.spawn(function()
      local _ <close> = setmetatable({}, { __close = function() error(errors.new("CLEANUP", "c")) end })
      task.sleep(100)
    end)
    task.sleep(1)
    t:cancel()
    assert.equal("CLEANUP", code_of(task.sleep, 1))
  end)
end)

describe("a shield", function()
  it("holds cancellation back until it ends", function()
    local seen = {}
    local t = task.spawn(function()
      seen.inside = { task.shield(function(...) task.sleep(5) return task.cancelled(), ... end, "a", "b") }
      seen.at = loop.now
      task.sleep(1)
    end)
    task.sleep(1)
    t:cancel()
    assert.equal("CANCELLED", code_of(t.wait, t))
    assert.same({ inside = { true, "a", "b" }, at = 5 }, seen)
  end)

  it("nests, and ends by an error too", function()
    local t = task.spawn(function()
      task.shield(function()
        pcall(task.shield, error, "inner")
        task.sleep(5)
      end)
      return code_of(task.sleep, 1)
    end)
    task.sleep(1)
    t:cancel()
    assert.equal("CANCELLED", t:wait())
    assert.equal(5, loop.now)
  end)

  it("does not hold back what begins inside of it", function()
    local t = task.spawn(task.shield, function()
      return select(2, task.deadline(2, task.sleep, 100)).code
    end)
    task.sleep(1)
    t:cancel()
    assert.equal("DEADLINE_EXCEEDED", t:wait())
    assert.equal(2, loop.now)
  end)

  it("is only a call outside of tasks", function()
    assert.same({ 1, 2 }, { task.shield(function(...) task.sleep(1) return ... end, 1, 2) })
  end)
end)

describe("an error that nobody waits for", function()
  local function fail_in(seconds, code)
    return task.spawn(function() task.sleep(seconds) error(errors.new(code, "unseen")) end)
  end

  it("is raised by whoever drives the loop, whose operation is taken back", function()
    local op = operation()
    fail_in(1, "UNSEEN")
    assert.equal("UNSEEN", code_of(op.wait))
    assert.equal(1, op.taken_back)
    task.sleep(1)
  end)

  it("has task.run cancel and await its task, then raise it", function()
    local ended
    fail_in(1, "UNSEEN")
    assert.equal("UNSEEN", code_of(task.run, function()
      local _ <close> = setmetatable({}, { __close = function() task.shield(task.sleep, 5) ended = loop.now end })
      task.sleep(100)
    end))
    assert.equal(6, ended)
  end)

  it("is raised by task.run also when that has its result", function()
    fail_in(0, "UNSEEN")
    assert.equal("UNSEEN", code_of(task.run, function() task.sleep(0) end))
    task.sleep(1)
  end)

  it("is stored, one after the other, until somebody drives", function()
    fail_in(1, "FIRST")
    fail_in(1, "SECOND")
    assert.equal("FIRST", code_of(task.sleep, 3))
    assert.equal("SECOND", code_of(task.sleep, 3))
    task.sleep(3)
  end)

  it("is not raised again once somebody has waited for it", function()
    local t = fail_in(0, "SEEN")
    task.sleep(0) -- the task ends in the step that ends this sleep
    assert.is_true(t:is_done())
    assert.equal("SEEN", code_of(t.wait, t))
    task.sleep(1)
  end)

  it("goes to the hook where there is one", function()
    local seen = {}
    task.on_error = function(err, t) seen[#seen + 1] = { err.code, t } end
    local t = fail_in(1, "UNSEEN")
    task.sleep(5)
    assert.same({ { "UNSEEN", t } }, seen)
  end)

  it("is raised with what the hook raised", function()
    task.on_error = function() error("hook", 0) end
    fail_in(1, "UNSEEN")
    local _, err = pcall(task.sleep, 5)
    assert.equal("UNSEEN", err.code)
    assert.matches("^hook\n", err.suppressed[1])
  end)
end)
