-- SPDX-License-Identifier: Apache-2.0
--
--- Scopes: who is cancelled when, where an error goes, and what is built on them: all, first, deadline, run.

local errors = require "gantry.base.errors"
local virtual_loop = require "lua.virtual_loop"

local task, loop

before_each(function() task, loop = virtual_loop.task() end)
after_each(function() assert.equal(0, loop:left()) end)

local function code_of(...)
  local ok, err = pcall(...)
  return not ok and errors.is(err) and err.code or nil
end

local function fail_in(seconds, code)
  return function()
    task.sleep(seconds)
    error(errors.new(code, "failed"))
  end
end

---Runs a test in a task and outside of all tasks.
local function both(name, test)
  it(name, test)
  it(name .. ", in a task", function() task.run(test) end)
end

describe("leaving a scope", function()
  both("cancels and awaits what still runs", function()
    local ended_at, begun = nil, loop.now
    do
      local scope <close> = task.scope()
      scope:spawn(function()
        local _ <close> = setmetatable({}, { __close = function()
          task.shield(task.sleep, 5)
          ended_at = loop.now
        end })
        task.sleep(100)
      end)
      task.sleep(1)
    end
    assert.equal(begun + 6, ended_at)
  end)

  both("awaits also what its tasks have spawned", function()
    local child
    do
      local scope <close> = task.scope()
      scope:spawn(function()
        child = task.spawn(task.sleep, 100)
        task.sleep(100)
      end)
      task.sleep(1)
    end
    assert.is_true(child:is_done())
  end)

  both("keeps the values that the body returns", function()
    local function body(...)
      local scope <close> = task.scope()
      scope:spawn(task.sleep, 100)
      task.sleep(1)
      return ...
    end
    assert.same({ 1, nil, 3, n = 3 }, table.pack(body(1, nil, 3)))
  end)

  both("is done once, and ends spawning", function()
    local scope = task.scope()
    scope:spawn(task.sleep, 100)
    task.sleep(1)
    scope:close()
    scope:close()
    assert.matches("scope closed", select(2, pcall(scope.spawn, scope, print)))
    scope:wait()
  end)

  both("raises the error of a task that nobody waited for, the same object", function()
    local err = errors.new("BROKEN", "b")
    local ok, raised = pcall(function()
      local scope <close> = task.scope()
      scope:spawn(function() error(err) end)
      pcall(task.sleep, 1)
    end)
    assert.is_false(ok)
    assert.equal(err, raised)
  end)

  both("lets the body's own error go first, and notes the other", function()
    local body_error = errors.new("BODY", "b")
    local ok, raised = pcall(function()
      local scope <close> = task.scope()
      scope:spawn(fail_in(0, "CHILD"))
      pcall(task.sleep, 1)
      error(body_error)
    end)
    assert.is_false(ok)
    assert.equal(body_error, raised)
    assert.equal("CHILD", raised.suppressed[1].code)
  end)

  both("notes what fails while it is left", function()
    local ok, raised = pcall(function()
      local scope <close> = task.scope()
      for _, code in ipairs { "FIRST", "SECOND" } do
        scope:spawn(function()
          local _ <close> = setmetatable({}, { __close = function() error(errors.new(code, "c")) end })
          task.sleep(100)
        end)
      end
      task.sleep(1)
    end)
    assert.is_false(ok)
    assert.equal("FIRST", raised.code)
    assert.equal("SECOND", raised.suppressed[1].code)
  end)

  it("is not cut short by a cancellation of the owner", function()
    local child
    local t = task.spawn(function()
      local scope <close> = task.scope()
      child = scope:spawn(function()
        local _ <close> = setmetatable({}, { __close = function() task.shield(task.sleep, 10) end })
        task.sleep(100)
      end)
      task.sleep(1)
    end)
    task.sleep(2)
    t:cancel()
    pcall(t.wait, t)
    assert.is_true(child:is_done())
    assert.equal(11, loop.now)
  end)
end)

describe("a failure in a scope", function()
  both("cancels the siblings and is raised by wait, once they have ended", function()
    local begun = loop.now
    local scope <close> = task.scope()
    scope:spawn(fail_in(1, "BROKEN"))
    local sibling = scope:spawn(function()
      local _ <close> = setmetatable({}, { __close = function() task.shield(task.sleep, 5) end })
      task.sleep(100)
    end)
    assert.equal("BROKEN", code_of(scope.wait, scope))
    assert.is_true(sibling:is_done())
    assert.equal(begun + 6, loop.now)
    local _, err = pcall(sibling.wait, sibling)
    assert.equal("CANCELLED", err.code)
    assert.equal("BROKEN", err.cause.code)
  end)

  it("interrupts the body of the scope, and nothing outside of it", function()
    local seen
    task.run(function()
      local ok, err = pcall(function()
        local scope <close> = task.scope()
        scope:spawn(fail_in(1, "BROKEN"))
        seen = code_of(task.sleep, 100)
        task.sleep(100)
      end)
      assert.is_false(ok)
      assert.equal("BROKEN", err.code)
      assert.is_false(task.cancelled())
      task.sleep(1)
    end)
    assert.equal("CANCELLED", seen)
    assert.equal(2, loop.now)
  end)

  it("interrupts scopes inside of it too", function()
    local inner_task
    local ok, err = pcall(task.run, function()
      local outer <close> = task.scope()
      outer:spawn(fail_in(1, "BROKEN"))
      local inner <close> = task.scope()
      inner_task = inner:spawn(task.sleep, 100)
      inner:wait()
    end)
    assert.is_false(ok)
    assert.equal("BROKEN", err.code)
    assert.is_true(inner_task:is_done())
    assert.equal(1, loop.now)
  end)

  it("goes up through task.spawn's own scopes to whoever runs it all", function()
    assert.equal("BROKEN", code_of(task.run, function()
      task.spawn(function() task.spawn(fail_in(1, "BROKEN")) task.sleep(50) end)
      task.sleep(100)
    end))
    assert.equal(1, loop.now)
  end)

  both("is no failure where somebody waits for the task", function()
    local scope <close> = task.scope()
    local sibling = scope:spawn(task.sleep, 5)
    local t = scope:spawn(fail_in(1, "BROKEN"))
    assert.equal("BROKEN", code_of(t.wait, t))
    assert.is_false(sibling:is_done())
    scope:wait()
  end)

  both("reaches whoever waits, and fails the scope where that is a sibling", function()
    local scope <close> = task.scope()
    local t = scope:spawn(fail_in(1, "BROKEN"))
    scope:spawn(function() t:wait() end)
    local sibling = scope:spawn(task.sleep, 100)
    assert.equal("BROKEN", code_of(scope.wait, scope))
    assert.equal("CANCELLED", code_of(sibling.wait, sibling))
  end)

  both("comes from waiting for a task that somebody else has cancelled", function()
    local scope <close> = task.scope()
    local t = scope:spawn(task.sleep, 100)
    scope:spawn(function() t:wait() end)
    task.sleep(1)
    t:cancel()
    assert.equal("CANCELLED", code_of(scope.wait, scope))
  end)
end)

describe("cancelling a scope", function()
  both("cancels its tasks, present and future, not the body", function()
    local scope <close> = task.scope()
    local first = scope:spawn(task.sleep, 100)
    task.sleep(1)
    scope:cancel("enough")
    local second = scope:spawn(task.sleep, 100)
    scope:wait()
    local _, err = pcall(first.wait, first)
    assert.equal("cancelled: enough", err.message)
    assert.equal("CANCELLED", code_of(second.wait, second))
    task.sleep(1)
  end)
end)

describe("task.spawn", function()
  it("uses the innermost scope", function()
    task.run(function()
      local outer <close> = task.scope()
      local in_outer = task.spawn(task.sleep, 100)
      do
        local inner <close> = task.scope()
        local in_inner = task.shield(task.spawn, task.sleep, 100)
        task.sleep(1)
        inner:close()
        assert.is_true(in_inner:is_done())
        assert.is_false(in_outer:is_done())
      end
      outer:cancel()
    end)
  end)

  it("is not led astray by a scope that outlives the call that made it", function()
    local function make() return task.detached_scope() end
    local object
    task.run(function()
      object = make()
      object:spawn(task.sleep, 10)
      local own = task.spawn(task.sleep, 100)
      assert.equal(1, object.count)
      own:cancel()
    end)
    assert.equal(1, object.count)
    object:wait()
    assert.equal(10, loop.now)
  end)
end)

describe("a detached scope", function()
  it("gives its errors to whoever waits for it", function()
    local scope = task.detached_scope()
    scope:spawn(fail_in(1, "BROKEN"))
    local sibling = scope:spawn(task.sleep, 100)
    assert.equal("BROKEN", code_of(scope.wait, scope))
    assert.is_true(sibling:is_done())
    scope:close()
  end)

  it("else to the hook, having cancelled its tasks", function()
    local seen
    task.on_error = function(err) seen = err.code end
    local scope = task.detached_scope()
    scope:spawn(fail_in(1, "BROKEN"))
    local sibling = scope:spawn(task.sleep, 100)
    task.sleep(2)
    assert.equal("BROKEN", seen)
    assert.equal("CANCELLED", code_of(sibling.wait, sibling))
    scope:close()
  end)

  it("keeps its tasks although nobody holds it", function()
    local weak, reached = setmetatable({}, { __mode = "v" }), false
    local function wait(event)
      event:wait()
      reached = true
    end
    weak.event = task.event()
    task.detached_scope():spawn(wait, weak.event)
    task.sleep(1)
    collectgarbage()
    assert.is_table(weak.event)
    weak.event:set()
    task.sleep(1)
    assert.is_true(reached)
  end)
end)

describe("task.run", function()
  both("returns and raises what the function does", function()
    assert.same({ 1, nil, 3, n = 3 }, table.pack(task.run(function(...) task.sleep(1) return ... end, 1, nil, 3)))
    assert.equal("BROKEN", code_of(task.run, fail_in(1, "BROKEN")))
  end)

  it("refuses to run in a callback, and starts nothing", function()
    local begun, raised = false, nil
    loop:timer(0, function() raised = select(2, pcall(task.run, function() begun = true end)) end)
    task.sleep(1)
    assert.matches("await in a callback", raised)
    assert.is_false(begun)
  end)
end)

describe("task.all", function()
  both("runs at the same time and packs what each returned", function()
    local begun = loop.now
    local first, second, third = task.all(
      function() task.sleep(2) return 1, nil end, function() task.sleep(3) end, function() return "c" end)
    assert.same({ 1, nil, n = 2 }, first)
    assert.same({ n = 0 }, second)
    assert.same({ "c", n = 1 }, third)
    assert.equal(begun + 3, loop.now)
    assert.equal(0, select("#", task.all()))
  end)

  both("raises the first error and has cancelled the others", function()
    local begun, other = loop.now, nil
    assert.equal("BROKEN", code_of(task.all, fail_in(1, "BROKEN"), function()
      other = task.current()
      task.sleep(100)
    end, fail_in(2, "LATER")))
    assert.equal("CANCELLED", code_of(other.wait, other))
    assert.equal(begun + 1, loop.now)
  end)
end)

describe("task.first", function()
  both("returns the index and values of the first, having cancelled and awaited the others", function()
    local begun, loser = loop.now, nil
    local results = table.pack(task.first(
      function()
        loser = task.current()
        local _ <close> = setmetatable({}, { __close = function() task.shield(task.sleep, 5) end })
        task.sleep(100)
      end,
      function() task.sleep(1) return "b", nil end))
    assert.same({ 2, "b", nil, n = 3 }, results)
    assert.is_true(loser:is_done())
    assert.equal(begun + 6, loop.now)
  end)

  both("takes the one that was given first where two end together", function()
    assert.equal(1, (task.first(function() task.sleep(1) end, function() task.sleep(1) end)))
  end)

  both("raises the error of one that fails first", function()
    assert.equal("BROKEN", code_of(task.first, function() task.sleep(5) end, fail_in(1, "BROKEN")))
    assert.matches("needs a function", select(2, pcall(task.first)))
  end)
end)

describe("task.deadline", function()
  both("returns what the function does in time", function()
    assert.same({ 1, nil, n = 2 }, table.pack(task.deadline(5, function() task.sleep(1) return 1, nil end)))
    assert.equal("BROKEN", code_of(task.deadline, 5, fail_in(1, "BROKEN")))
  end)

  both("unwinds the work, and all it has spawned, and says what happened", function()
    local begun, child = loop.now, nil
    local result, err = task.deadline(2.5, function()
      child = task.spawn(task.sleep, 100)
      task.sleep(100)
    end)
    assert.is_nil(result)
    assert.equal("DEADLINE_EXCEEDED", err.code)
    assert.equal("not done within 2.5 s", err.message)
    assert.is_true(child:is_done())
    assert.equal(begun + 2.5, loop.now)
  end)

  both("reports the right one of two", function()
    local begun = loop.now
    local inner_result, inner_err, outer_err
    inner_result, outer_err = task.deadline(10, function()
      inner_result, inner_err = task.deadline(1, task.sleep, 100)
      return "outer"
    end)
    assert.equal("outer", inner_result)
    assert.is_nil(outer_err)
    assert.equal("not done within 1 s", inner_err.message)

    local inner_returned = false
    local _, err = task.deadline(3, function()
      task.deadline(10, task.sleep, 100)
      inner_returned = true
    end)
    assert.equal("not done within 3 s", err.message)
    assert.is_false(inner_returned)
    assert.equal(begun + 4, loop.now)
  end)

  both("reports itself where the cancellation was caught and returned", function()
    local _, err = task.deadline(1, function()
      local ok, failure = pcall(task.sleep, 100)
      if not ok then return nil, failure:wrap("pull image") end
    end)
    assert.equal("DEADLINE_EXCEEDED", err.code)
  end)

  both("does not throw away a result that came in spite of it", function()
    assert.equal("a container", task.deadline(1, task.shield, function() task.sleep(5) return "a container" end))
  end)

  both("raises what goes wrong while the work unwinds", function()
    assert.equal("CLEANUP", code_of(task.deadline, 1, function()
      local _ <close> = setmetatable({}, { __close = function() error(errors.new("CLEANUP", "c")) end })
      task.sleep(100)
    end))
  end)

  it("leaves a cancellation from outside to whoever cancelled", function()
    local t = task.spawn(function() return task.deadline(50, task.sleep, 100) end)
    task.sleep(1)
    t:cancel("by hand")
    local _, err = pcall(t.wait, t)
    assert.equal("cancelled: by hand", err.message)
  end)

  it("raises on wrong arguments", function()
    assert.matches("task.deadline needs seconds", select(2, pcall(task.deadline, nil, print)))
  end)
end)
