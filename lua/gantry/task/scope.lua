-- SPDX-License-Identifier: Apache-2.0
--
--- task/scope.lua: tasks, and the scopes that own them.
---
--- A scope is left only when its tasks have ended: leaving cancels and awaits them. A task that fails while somebody
--- waits for it gives its error to them. One that nobody waits for fails its scope: the siblings are cancelled, so is
--- the body of the scope (its awaits raise CANCELLED), and leaving the scope, or waiting for it, raises the error.
--- Two kinds of scope have no body to tell: the root, whose tasks end in task.on_error, and a detached one, which
--- cancels its tasks as others do and then takes the root's way, unless somebody waits for it.

local errors = require "gantry.base.errors"
local scheduler = require "gantry.task.scheduler"
local waiters = require "gantry.task.waiters"

local scopes = {}

---@class gantry.Task: gantry.Strand
---@field scope gantry.Scope? nil once ended
---@field call table? function and arguments, until it runs
---@field outcome gantry.Outcome? once ended
---@field joining gantry.Waiters? who waits for it
---@field previous gantry.Task? in its scope
---@field next gantry.Task?
local Task = {}
Task.__index = Task

---@class gantry.Scope: gantry.Region
---@field kind "owned"|"detached"|"root"
---@field owner gantry.Task? whose body it is a part of
---@field first gantry.Task? the eldest of those that run
---@field last gantry.Task?
---@field count integer
---@field joining gantry.Waiters who waits for it to be empty
---@field cancel_error gantry.Error? what its tasks are cancelled with, later ones too
---@field failure any the first error, until it has been raised
---@field closed boolean
---@field anchored table<gantry.Scope, true>? of the root: scopes without an owner that have tasks
local Scope = {}
Scope.__index = Scope

---@param kind "owned"|"detached"|"root"
---@param owner gantry.Task?
---@return gantry.Scope
local function new_scope(kind, owner)
  return setmetatable({ kind = kind, owner = owner, count = 0, joining = waiters.new(), closed = false }, Scope)
end

-- Holds scopes that have no owner: nobody else holds what their tasks wait for.
local root = new_scope("root")
root.anchored = {}

---@param scope gantry.Scope
---@param task gantry.Task
local function link(scope, task)
  task.previous = scope.last
  if scope.last then scope.last.next = task else scope.first = task end
  scope.last = task
  scope.count = scope.count + 1
  if not scope.owner then root.anchored[scope] = true end
end

---@param scope gantry.Scope
---@param task gantry.Task
local function unlink(scope, task)
  if task.previous then task.previous.next = task.next else scope.first = task.next end
  if task.next then task.next.previous = task.previous else scope.last = task.previous end
  task.previous, task.next, task.scope = nil, nil, nil
  scope.count = scope.count - 1
  if scope.count == 0 then root.anchored[scope] = nil end
end

-- ---- cancelling ----

---@param reason any text, an error, or nil
---@return gantry.Error
local function cancelled(reason)
  local message = reason == nil and "cancelled" or "cancelled: " .. tostring(reason):match("^[^\n]*")
  return errors.new("CANCELLED", message, { cause = errors.is(reason) and reason or nil })
end

---@param task gantry.Task
---@param err gantry.Error
local function stop(task, err)
  if task.outcome or task.cancel_error then return end
  task.cancel_error = err
  scheduler.interrupt(task)
end

---@param scope gantry.Scope
---@param err gantry.Error
local function stop_all(scope, err)
  scope.cancel_error = scope.cancel_error or err
  local running, task = {}, scope.first
  while task do
    running[#running + 1] = task
    task = task.next
  end
  for _, each in ipairs(running) do stop(each, scope.cancel_error) end
end

-- ---- failing ----

---Two errors as one. A cancellation gives way to any other error: it only says that something else has happened. What
---finds no room goes the way of errors that nobody waits for.
local function also(kept, err, task)
  if errors.is(err, "CANCELLED") then return kept end
  if errors.is(kept, "CANCELLED") then return err end
  local joined, noted = errors.join(kept, err)
  if not noted then scheduler.report(err, task) end
  return joined
end

---A task has failed and nobody waited for it.
---@param scope gantry.Scope
---@param err any
---@param task gantry.Task
local function fail(scope, err, task)
  if scope.kind == "root" then return scheduler.report(err, task) end
  local reason = cancelled(err)
  stop_all(scope, reason)
  if scope.kind == "detached" and scope.joining.count == 0 then return scheduler.report(err, task) end
  if scope.failure ~= nil then
    scope.failure = also(scope.failure, err, task)
    return
  end
  scope.failure = err
  if scope.owner then
    scope.interruption = reason
    scheduler.interrupt(scope.owner)
  end
end

-- ---- a task's life ----

---@return function fn
---@return function handler
---@return any ... arguments
local function take_call(task)
  local call = task.call
  task.call = nil
  return call[1], errors.traced, table.unpack(call, 2, call.n)
end

local leave

---Runs a task's function, then leaves the scopes that it has not left itself: mostly the one made by task.spawn.
---@param task gantry.Task
---@return gantry.Outcome
local function body(task)
  local outcome = table.pack(xpcall(take_call(task)))
  while task.region do
    local ok, err = xpcall(leave, errors.traced, task.region, not outcome[1] and outcome[2] or nil)
    if not ok then outcome = { false, err, n = 2 } end
  end
  return outcome
end

---A task's coroutine was broken off: what its body would have awaited is cancelled at least.
local function drop_regions(task)
  while task.region do
    local region = task.region
    if not region.shield then stop_all(region, cancelled "the task that owned the scope broke off") end
    scheduler.leave(task, region)
  end
end

---Called by the scheduler once the coroutine has ended.
---@param outcome gantry.Outcome
function Task:finish(outcome)
  local scope, joining = self.scope, self.joining
  drop_regions(self)
  self.outcome, self.joining = outcome, nil
  local awaited = joining and joining.count > 0
  local failed = not outcome[1] and not (self.cancel_error and errors.is(outcome[2], "CANCELLED"))
  if failed and not awaited then fail(scope, outcome[2], self) end
  unlink(scope, self)
  if joining then joining:wake_all() end
  if scope.count == 0 then scope.joining:wake_all() end
end

---Waits until the task has ended.
---@return any ... what its function returned; raises what that raised
function Task:wait()
  if self == scheduler.current() then error("a task cannot wait for itself", 2) end
  if not self.outcome then
    self.joining = self.joining or waiters.new()
    self.joining:wait()
  end
  local outcome = self.outcome
  if outcome[1] then return table.unpack(outcome, 2, outcome.n) end
  scheduler.forgive(self)
  error(outcome[2], 0)
end

---Has the task's current or next await raise CANCELLED, and all that follow it. Does not wait for the task to end.
---@param reason string|gantry.Error|nil
function Task:cancel(reason)
  stop(self, cancelled(reason))
end

---@return boolean
function Task:is_done()
  return self.outcome ~= nil
end

function Task:__tostring()
  local state = not self.outcome and "running" or self.outcome[1] and "done" or "failed"
  return ("task (%s)"):format(state)
end

-- ---- a scope's life ----

---Starts a task in this scope. It runs as soon as whoever is running now waits. In a scope that has been cancelled it
---is cancelled from the start.
---@param fn function
---@param ... any
---@return gantry.Task
function Scope:spawn(fn, ...)
  if self.closed then error("scope closed", 2) end
  if type(fn) ~= "function" then error("spawn needs a function, got " .. type(fn), 2) end
  local task = setmetatable({ scope = self, call = table.pack(fn, ...), cancel_error = self.cancel_error }, Task)
  link(self, task)
  scheduler.start(task, body)
  return task
end

---Cancels all tasks of the scope; not its body.
---@param reason string|gantry.Error|nil
function Scope:cancel(reason)
  stop_all(self, cancelled(reason))
end

---@param scope gantry.Scope
local function join(scope)
  while scope.count > 0 do scope.joining:wait() end
end

---Waits until all tasks of the scope have ended; raises the error of the first that failed.
function Scope:wait()
  local ok, err = pcall(join, self)
  if not ok then
    if self.interruption == nil or err ~= self.interruption then error(err, 0) end
    scheduler.shield(join, self) -- a task has failed, the others are on their way out
  end
  local failure = self.failure
  self.failure, self.interruption = nil, nil
  if failure ~= nil then error(failure, 0) end
end

---Cancels and awaits what still runs; raises the scope's failure where the body has no error of its own.
---@param scope gantry.Scope
---@param body_error any
function leave(scope, body_error)
  if scope.closed then return end
  stop_all(scope, cancelled "its scope was left")
  scheduler.shield(join, scope)
  scope.closed = true
  if scope.owner then scheduler.leave(scope.owner, scope) end
  local failure = scope.failure
  scope.failure = nil
  if failure == nil then return end
  if body_error == nil or rawequal(body_error, scope.interruption) then error(failure, 0) end
  local joined = also(body_error, failure)
  if not rawequal(joined, body_error) then error(joined, 0) end
end

Scope.__close = leave

---Leaves the scope by hand, where no `<close>` variable does.
function Scope:close()
  leave(self)
end

function Scope:__tostring()
  return ("scope (%d running)"):format(self.count)
end

-- ---- where tasks go ----

---A scope around what the current task does until it leaves it; outside of tasks it stands alone.
---@return gantry.Scope
function scopes.open()
  local owner = scheduler.current()
  local scope = new_scope("owned", owner)
  if owner then scheduler.enter(owner, scope) end
  return scope
end

---The scope of tasks that belong to nobody: they end by themselves, or with the Lua state.
---@return gantry.Scope
function scopes.root()
  return root
end

---A scope that is a part of no task.
---@return gantry.Scope
function scopes.detached()
  return new_scope("detached")
end

---The innermost scope that the current task is in: one it has opened, else one of its own that is left when it ends.
---Outside of tasks: the root.
---@return gantry.Scope
function scopes.innermost()
  local task = scheduler.current()
  if not task then return root end
  local region, outermost = task.region, nil
  while region do
    if not region.shield then return region end
    region, outermost = region.outer, region
  end
  local scope = new_scope("owned", task)
  if outermost then outermost.outer = scope else task.region = scope end
  return scope
end

return scopes
