-- SPDX-License-Identifier: Apache-2.0
--
--- task/scheduler.lua: lets coroutines wait for the loop: run queue, await, and who drives.
---
--- Tasks run from one run queue, first in, first out, which is drained once in each step of the loop, when all its
--- callbacks have run: what tasks send goes out with that step. Neither a callback nor a task that wakes another ever
--- runs it, so chains of any length need no C stack.
---
--- A host with coroutines of its own (luv, cqueues) may have an await in one of them suspend it there (see add_host).
---
--- A strand is what the scheduler knows of a task (gantry.task.scope makes them): its coroutine, what it waits for, and
--- its regions, the innermost first: scopes, which may interrupt their body, and shields, which hold that back.

local core = require "gantry.core"
local errors = require "gantry.base.errors"

---@class gantry.Region
---@field outer gantry.Region? the next one
---@field shield boolean?
---@field interruption gantry.Error? what every await inside of it raises

---@class gantry.Strand
---@field thread thread? nil once it has ended
---@field region gantry.Region? the innermost
---@field waiting gantry.Wait? nil while it runs
---@field cancel_error gantry.Error? what every await raises, once cancelled
---@field finish fun(self: gantry.Strand, outcome: gantry.Outcome) called when it has ended

---@alias gantry.Outcome table packed: true and values, or false and an error

---@class gantry.Wait one await
---@field strand gantry.Strand? nil until it is suspended, and outside of tasks
---@field cancel function? takes back what was started
---@field wake function? has the host go on with its coroutine
---@field done boolean
---@field values table? packed, what it was resumed with
---@field failure any what it raises instead

local scheduler = {}

---The module that users see, for its hook on_error; gantry.task puts itself here.
scheduler.hooks = {}

local function core_step(one, seconds) return one:step(seconds) end

-- So many tasks run before the loop gets its turn again.
local BURST <const> = 1000

-- What a task yields when it waits, and never else.
local AWAIT <const> = {}

local loop -- made on first use
local ready, first_ready, last_ready = {}, 1, 0
local unhandled = {} -- { error =, strand = }, in order
local current -- the strand whose code runs now
local draining, driving = false, false
local wake_timer -- set while nobody drives and there is something to do
local shields_outside = 0 -- shields entered outside of all tasks
local hosts = {} ---@type gantry.Host[]

local end_step

---The loop of this Lua state.
function scheduler.loop()
  if not loop then
    local err
    loop, err = core.loop.new()
    if not loop then error(err, 0) end
    loop:on_turn(function() end_step() end)
  end
  return loop
end

---Sets a one-shot timer.
---@param seconds number
---@param fn function
---@return table timer :cancel()
function scheduler.timer(seconds, fn)
  local timer, err = scheduler.loop():timer(seconds, fn)
  if not timer then error(err, 0) end
  return timer
end

---@return gantry.Strand?
function scheduler.current()
  return current
end

-- ---- errors that nobody waits for ----

---Raises the first of the errors that nobody came for.
function scheduler.raise_unhandled()
  local first = table.remove(unhandled, 1)
  if first then error(first.error, 0) end
end

---Sees to it that there is a next step, which has its turn: a host takes one only where there is something to do.
local function wake()
  if wake_timer or driving then return end
  wake_timer = scheduler.timer(0, function() wake_timer = nil end)
end

---Takes an error that reaches nobody: to the hook where there is one, else stored until somebody drives or steps.
---@param err any
---@param strand gantry.Strand?
function scheduler.report(err, strand)
  local hook = scheduler.hooks.on_error
  if hook then
    local ok, failure = xpcall(hook, errors.traced, err, strand)
    if ok then return end
    err = errors.join(err, failure)
  end
  unhandled[#unhandled + 1] = { error = err, strand = strand }
  wake()
end

---Takes an error that is dealt with where it came up: for the hook, and nobody else.
---@param err gantry.Error
function scheduler.tell(err)
  if scheduler.hooks.on_error then scheduler.report(err) end
end

---Somebody came for the error of this strand after all.
---@param strand gantry.Strand
function scheduler.forgive(strand)
  for index, entry in ipairs(unhandled) do
    if entry.strand == strand then return table.remove(unhandled, index) end
  end
end

-- ---- the run queue ----

---@param strand gantry.Strand
local function schedule(strand)
  last_ready = last_ready + 1
  ready[last_ready] = strand
  if not draining and not scheduler.loop():is_stepping() then wake() end
end

---Runs a strand until it waits or ends.
local function run(strand)
  current = strand
  local ok, result = coroutine.resume(strand.thread)
  current = nil
  if coroutine.status(strand.thread) == "suspended" then
    if result == AWAIT then return end
    ok, result = false, debug.traceback(strand.thread, "coroutine.yield called in a task; only task.await waits there")
    coroutine.close(strand.thread)
  end
  strand.thread = nil
  strand:finish(ok and result or { false, result, n = 2 })
end

local draining_ends = setmetatable({}, { __close = function()
  draining, current = false, nil
  if last_ready >= first_ready then wake() end
end })

---Runs what is ready, up to a burst. Never inside of itself.
local function drain()
  if draining or last_ready < first_ready then return end
  draining = true
  local _ <close> = draining_ends
  local budget = BURST
  while first_ready <= last_ready and budget > 0 do
    local strand = ready[first_ready]
    ready[first_ready] = nil
    first_ready = first_ready + 1
    budget = budget - 1
    run(strand)
  end
  if first_ready > last_ready then first_ready, last_ready = 1, 0 end
end

---The loop's turn: runs tasks, and raises in a host's step what nobody came for.
function end_step()
  drain()
  if not driving then scheduler.raise_unhandled() end
end

---Makes a strand's coroutine. It runs as soon as whoever is running now waits.
---@param strand gantry.Strand
---@param body fun(strand: gantry.Strand): gantry.Outcome
function scheduler.start(strand, body)
  strand.thread = coroutine.create(function()
    return body(strand)
  end)
  schedule(strand)
end

-- ---- cancellation ----

---What the next await of a strand would raise.
---@param strand gantry.Strand
---@param despite_shields boolean? what it would raise if there were none
---@return gantry.Error?
local function pending(strand, despite_shields)
  local region = strand.region
  while region do
    if region.shield and not despite_shields then return nil end
    if region.interruption then return region.interruption end
    region = region.outer
  end
  return strand.cancel_error
end

---Whether a strand is to end, also where a shield holds that back.
---@param strand gantry.Strand
---@return boolean
function scheduler.is_cancelled(strand)
  return pending(strand, true) ~= nil
end

---Tells a strand that it, or one of its regions, has been cancelled: an await under way is taken back and raises.
---@param strand gantry.Strand
function scheduler.interrupt(strand)
  local wait = strand.waiting
  local reason = wait and not wait.done and pending(strand)
  if not reason then return end
  wait.done, wait.failure = true, reason
  if wait.cancel then
    local ok, err = xpcall(wait.cancel, errors.traced)
    if not ok then wait.failure = err end
  end
  schedule(strand)
end

---Puts a region around what the strand does from now on.
---@param strand gantry.Strand
---@param region gantry.Region
function scheduler.enter(strand, region)
  region.outer = strand.region
  strand.region = region
end

---Takes a region away, wherever it is.
---@param strand gantry.Strand
---@param region gantry.Region
function scheduler.leave(strand, region)
  local inner, at = nil, strand.region
  while at and at ~= region do inner, at = at, at.outer end
  if not at then return end
  if inner then inner.outer = region.outer else strand.region = region.outer end
  region.outer = nil
end

local Shield = {}
Shield.__index = Shield

function Shield:__close()
  if self.strand then
    scheduler.leave(self.strand, self)
  else
    shields_outside = shields_outside - 1
  end
end

---Runs a function with cancellation held back; the first await after it raises what came meanwhile.
---@param fn function
---@param ... any
---@return any ... what fn returns
function scheduler.shield(fn, ...)
  local shield <close> = setmetatable({ shield = true, strand = current }, Shield)
  if current then
    scheduler.enter(current, shield)
  else
    shields_outside = shields_outside + 1
  end
  return fn(...)
end

-- ---- await ----

---@param wait gantry.Wait
local function result(wait)
  if wait.failure ~= nil then error(wait.failure, 0) end
  return table.unpack(wait.values, 1, wait.values.n)
end

---Starts what is waited for.
---@param wait gantry.Wait
---@param start fun(resume: fun(...)): function?
local function begin(wait, start)
  wait.cancel = start(function(...)
    if wait.done then return end
    wait.done, wait.values = true, table.pack(...)
    if wait.wake then return wait.wake() end
    if wait.strand then schedule(wait.strand) end
  end)
end

---Takes back what was started, where it has not come to its end.
local function abandon(wait)
  if wait.done then return end
  wait.done = true
  if wait.cancel then wait.cancel() end
end

---@param strand gantry.Strand
---@param start fun(resume: fun(...)): function?
local function await_in_task(strand, start)
  local reason = pending(strand)
  if reason then error(reason, 0) end
  local wait = { done = false }
  begin(wait, start)
  if not wait.done then
    reason = pending(strand) -- starting may have cancelled the one who starts
    if reason then
      abandon(wait)
      error(reason, 0)
    end
    wait.strand, strand.waiting = strand, wait
    coroutine.yield(AWAIT)
    strand.waiting = nil
  end
  return result(wait)
end

---One step of the loop. What a callback raises is nobody's who waits here: it is reported, and the loop goes on.
local function step()
  local called, count, err = pcall(core_step, scheduler.loop(), first_ready <= last_ready and 0 or nil)
  if not called then return scheduler.report(count) end
  if not count then error(err, 0) end
end

---Ends driving, also by an error.
local Driven = {}
Driven.__index = Driven

function Driven:__close()
  driving = false
  abandon(self)
  if first_ready <= last_ready or #unhandled > 0 then wake() end
end

---@param start fun(resume: fun(...)): function?
local function await_outside(start)
  local wait <close> = setmetatable({ done = false }, Driven)
  begin(wait, start)
  driving = true
  if wake_timer then
    wake_timer:cancel()
    wake_timer = nil
  end
  drain()
  while true do
    if wait.done then return result(wait) end
    if shields_outside == 0 then scheduler.raise_unhandled() end
    step()
  end
end

-- ---- awaits in the coroutines of a host ----

---@alias gantry.Host fun(): (fun()?, fun()?) called where an await outside of all tasks begins: nil where the running
---coroutine is none of the host's; else what suspends it, and what has the host go on with it. The second is called
---from anywhere, callbacks of the loop included, so it must only note that and return; the first may end too early.

---See gantry.task.add_host.
---@param host gantry.Host
---@return fun() remove
function scheduler.add_host(host)
  hosts[#hosts + 1] = host
  return function()
    for index, one in ipairs(hosts) do
      if one == host then return table.remove(hosts, index) end
    end
  end
end

---@return fun()? suspend, fun()? wake of the host whose coroutine is running
local function host_of_this()
  for _, host in ipairs(hosts) do
    local suspend, wake_host = host()
    if suspend then return suspend, wake_host end
  end
end

local Hosted = { __close = abandon }

local UNYIELDABLE <const> =
  "await inside a C function, which cannot be suspended (table.sort, string.gsub, require, ...)"

---@param start fun(resume: fun(...)): function?
---@param suspend fun()
---@param wake_host fun()
local function await_in_host(start, suspend, wake_host)
  if not coroutine.isyieldable() then error(UNYIELDABLE, 3) end
  local wait <close> = setmetatable({ done = false }, Hosted)
  begin(wait, start)
  wait.wake = wake_host
  while not wait.done do suspend() end
  return result(wait)
end

---Raises where no await is possible. `level` is that of the caller to blame.
---@param level integer
function scheduler.check_can_wait(level)
  if current and coroutine.running() ~= current.thread then
    error("await in a coroutine that a task has made for itself; use task.spawn instead", level + 1)
  elseif current and not coroutine.isyieldable() then
    error(UNYIELDABLE, level + 1)
  elseif not current and (draining or scheduler.loop():is_stepping()) then
    error("await in a callback of the loop, outside of all tasks; use task.spawn there", level + 1)
  end
end

---Waits for something that the loop brings. In a task this yields, in a coroutine of a host too; elsewhere it drives
---the loop.
---@param start fun(resume: fun(...)): function? begins it; calls resume once, from anywhere; returns what takes it back
---@return any ... what resume was called with
function scheduler.await(start)
  scheduler.check_can_wait(2)
  if current then return await_in_task(current, start) end
  local suspend, wake_host = host_of_this()
  if suspend then return await_in_host(start, suspend, wake_host --[[@as fun()]]) end
  return await_outside(start)
end

return scheduler
