-- SPDX-License-Identifier: Apache-2.0
--
--- task.lua: structured concurrency in direct style.
---
--- Whatever waits, waits through task.await: in a task it yields to the loop, outside of all tasks it drives the loop
--- until its own answer is there. Tasks belong to scopes (see task/scope.lua) and start when whoever spawned them
--- waits. Cancelling a task has its current await, and every later one, raise an error of code CANCELLED, which unwinds
--- it; `<close>` variables run and may await inside task.shield.
---
--- An error of a root task that nobody waits for goes to task.on_error where that is set; else it is raised by the
--- outermost await that drives the loop, or by the step of a host that does. It is never lost and never printed.

local errors = require "gantry.base.errors"
local event = require "gantry.task.event"
local queue = require "gantry.task.queue"
local scheduler = require "gantry.task.scheduler"
local scopes = require "gantry.task.scope"

---@class gantry.task
---@field on_error (fun(err: any, task: gantry.Task?))? set by the host: takes what a root task has raised and nobody
--- waits for, and what handlers have raised; must not wait. What it raises itself goes the way that such errors go
--- without it: the step of the loop raises it
local task = {}

scheduler.hooks = task

task.loop = scheduler.loop

---A scope around what the current task does until it leaves it: to be held in a `<close>` variable, or left with
---scope:close(). Leaving it cancels and awaits the tasks that still run in it. Outside of tasks it stands alone.
---@return gantry.Scope
function task.scope() return scopes.open() end

---Something that happens once, and keeps its values for those who come later.
---@return gantry.Event
function task.event() return event.new() end

---Values from those who have them to those who want them: first in, first out, without a bound.
---@return gantry.Queue
function task.queue() return queue.new() end

---Runs a function with cancellation held back, as cleaning up needs that awaits; the first await after it raises what
---came meanwhile.
---@param fn function
---@param ... any
---@return any ... what fn returns
function task.shield(fn, ...) return scheduler.shield(fn, ...) end

---For a loop with coroutines of its own, as gantry.luv and gantry.cqueues do it: awaits in its coroutines suspend them.
---Whoever adds one steps gantry's loop.
---@param host fun(): (fun()?, fun()?) called where an await outside of all tasks begins: nil where the running
--- coroutine is none of the host's; else what suspends it, and what has the host go on with it. The second is called
--- from within loop:step and must only note that; the first may return too early
---@return fun() remove takes the host away
function task.add_host(host) return scheduler.add_host(host) end

---A scope that belongs to no task, for objects whose work outlives the call that made them: they close it with
---scope:close(). A failure in it goes to whoever is in scope:wait(), else the way of the root's.
task.detached_scope = scopes.detached

---Waits for something that the loop brings.
---@param start fun(resume: fun(...)): function? begins it and returns what takes it back (called at most once; must
---not wait); resume is to be called from the loop; calls after the first, or after the taking back, do nothing
---@return any ... what resume was called with
function task.await(start)
  return scheduler.await(start)
end

---Starts a task in the innermost scope of the current task. A task that has opened none has one of its own, which is
---left when its function ends: tasks that still run then are cancelled and awaited. Outside of tasks: the root scope.
---@param fn function
---@param ... any
---@return gantry.Task
function task.spawn(fn, ...)
  return scopes.innermost():spawn(fn, ...)
end

---Starts a task in the root scope, whoever asks: for work that outlives the task that began it.
---@param fn function
---@param ... any
---@return gantry.Task
function task.detach(fn, ...)
  return scopes.root():spawn(fn, ...)
end

---The task that runs.
---@return gantry.Task? task nil outside of all tasks
function task.current()
  return scheduler.current() --[[@as gantry.Task?]]
end

---Whether the current task is to end, also where a shield holds that back: for long work that never awaits.
---@return boolean
function task.cancelled()
  local current = scheduler.current()
  return current ~= nil and scheduler.is_cancelled(current)
end

---Waits for so long.
---@param seconds number
function task.sleep(seconds)
  if type(seconds) ~= "number" then error("task.sleep needs seconds, got " .. type(seconds), 2) end
  scheduler.await(function(resume)
    local timer = scheduler.timer(seconds, function() resume() end)
    return function() timer:cancel() end
  end)
end

local function run_in_scope(fn, ...)
  local scope <close> = scopes.open()
  return scope:spawn(fn, ...):wait()
end

---Runs a function as a task and waits for its end, and for all it has spawned.
---@param fn function
---@param ... any
---@return any ... what it returns; raises what it raises
function task.run(fn, ...)
  scheduler.check_can_wait(2)
  if scheduler.current() then return run_in_scope(fn, ...) end
  local results = table.pack(run_in_scope(fn, ...))
  scheduler.raise_unhandled()
  return table.unpack(results, 1, results.n)
end

---Runs functions at the same time and waits for all. The first error cancels the others and is raised.
---@param ... function
---@return table ... what each returned, packed
function task.all(...)
  if not scheduler.current() then return task.run(task.all, ...) end
  local scope <close> = scopes.open()
  local functions, results = table.pack(...), {}
  for index, fn in ipairs(functions) do
    scope:spawn(function() results[index] = table.pack(fn()) end)
  end
  scope:wait()
  return table.unpack(results, 1, functions.n)
end

---Runs functions at the same time until the first ends; cancels and awaits the others. An error of any is raised.
---@param ... function
---@return integer index which was first
---@return any ... what it returned
function task.first(...)
  if select("#", ...) == 0 then error("task.first needs a function", 2) end
  if not scheduler.current() then return task.run(task.first, ...) end
  local scope <close> = scopes.open()
  local winner = event.new()
  for index, fn in ipairs { ... } do
    scope:spawn(function() winner:set(index, fn()) end)
  end
  return winner:wait()
end

---Waits for a task that may be cancelled because of `expired`.
---@param work gantry.Task
---@param expired gantry.Error
local function settle(work, expired)
  local outcome = table.pack(pcall(work.wait, work))
  local stopped = work:is_done() and work.cancel_error and work.cancel_error.cause == expired
  local refused = not outcome[1] and outcome[2] or outcome[2] == nil and outcome[3]
  if stopped and errors.is(refused, "CANCELLED") then return nil, expired end
  if not outcome[1] then error(outcome[2], 0) end
  return table.unpack(outcome, 2, outcome.n)
end

---Runs a function for so long at most, then cancels and awaits it and all it has spawned. What has ended in spite of
---that, with a result, is not thrown away.
---@param seconds number
---@param fn function
---@param ... any
---@return any ... what it returns; nil and an error of code DEADLINE_EXCEEDED where it took too long
function task.deadline(seconds, fn, ...)
  if type(seconds) ~= "number" then error("task.deadline needs seconds, got " .. type(seconds), 2) end
  if not scheduler.current() then return task.run(task.deadline, seconds, fn, ...) end
  local scope <close> = scopes.open()
  local expired = errors.new("DEADLINE_EXCEEDED", ("not done within %g s"):format(seconds))
  local work = scope:spawn(fn, ...)
  local timer = scheduler.timer(seconds, function() work:cancel(expired) end)
  local _ <close> = setmetatable({}, { __close = function() timer:cancel() end })
  return settle(work, expired)
end

return task
