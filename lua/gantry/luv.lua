-- SPDX-License-Identifier: Apache-2.0
--
--- gantry.luv: gantry in luv's loop, by one call:
---
---   local attached = require("gantry.luv").attach()
---   attached:spawn(function() … end)
---
--- From then on uv.run serves gantry too, and gantry's calls made in a coroutine of attached:spawn suspend it; uv.run
--- resumes it when the answer is there. Elsewhere, also in coroutines that such a one has made for itself, they drive
--- gantry's loop as ever, which holds luv's up meanwhile. As any handle of luv's, this one keeps uv.run going until
--- attached:detach().

local gantry = require "gantry" -- first: it says which Lua is needed
local errors = require "gantry.base.errors"
local host = require "gantry.task.host"
local uv = require "luv"

local luv = {}

---@class gantry.AttachedLuv
---@field poll table luv's handle of gantry's descriptor
---@field resumer table luv's timer: coroutines are resumed by it, never inside of what woke them
---@field coroutines table<thread, true> those in which waits suspend
---@field woken gantry.SuspendedInLuv[]
---@field waits table<gantry.SuspendedInLuv, true> those that are suspended
---@field detached boolean
---@field remove fun() takes the host away from the scheduler
local Attached = {}
Attached.__index = Attached

---@class gantry.SuspendedInLuv one wait, or a coroutine that has not begun
---@field thread thread
---@field suspended boolean false also where somebody else has resumed it
---@field answered boolean?

---Raises in uv.run, which shows text alone.
---@param err any
local function raise(err)
  error(errors.text(err), 0)
end

---@param wait gantry.SuspendedInLuv
local function resume(wait)
  if not wait.suspended then return end
  local ok, err = coroutine.resume(wait.thread)
  if ok then return end
  if type(err) == "string" and not err:find("\nstack traceback:\n", 1, true) then
    err = debug.traceback(wait.thread, err)
  end
  raise(err)
end

---Resumes all who were woken. What one of them raises is raised in uv.run and keeps the others waiting no longer than
---to the next turn.
function Attached:resume_woken()
  while #self.woken > 0 do
    local wait = table.remove(self.woken, 1)
    if #self.woken > 0 then self:soon() elseif self.detached then self.resumer:close() end
    resume(wait)
  end
end

function Attached:soon()
  self.resumer:start(0, 0, function() self:resume_woken() end)
end

---@param wait gantry.SuspendedInLuv
function Attached:wake(wait)
  self.woken[#self.woken + 1] = wait
  self:soon()
end

---What an await of the running coroutine needs; see gantry.task.add_host.
---@return fun()? suspend, fun()? wake
function Attached:host()
  local thread = coroutine.running()
  if not self.coroutines[thread] then return nil end
  local wait = { thread = thread, suspended = false }
  local function suspend()
    wait.suspended, self.waits[wait] = true, true
    coroutine.yield()
    wait.suspended, self.waits[wait] = false, nil
    if self.detached and not wait.answered then error(host.gone(), 0) end
  end
  return suspend, function()
    wait.answered = true
    self:wake(wait)
  end
end

---Runs a function in a coroutine of luv's loop, in which gantry's calls suspend; from uv.run, not at once. What it
---raises is raised in uv.run, after its `<close>` variables were closed.
---@param fn function
---@param ... any
---@return thread coroutine
function Attached:spawn(fn, ...)
  if self.detached then error("gantry was taken out of this loop", 2) end
  if type(fn) ~= "function" then error("spawn needs a function, got " .. type(fn), 2) end
  local call = table.pack(fn, ...)
  local thread = coroutine.create(function() return host.run(table.unpack(call, 1, call.n)) end)
  self:adopt(thread)
  self:wake { thread = thread, suspended = true }
  return thread
end

---Has gantry's calls in a coroutine that somebody else made suspend it, too. Whoever resumes it may do so at any time:
---a wait goes on until its answer is there.
---@param thread thread? the running one where nil
function Attached:adopt(thread)
  local running, main = coroutine.running()
  if thread == nil and main then error("adopt needs a coroutine; this is none", 2) end
  if thread ~= nil and type(thread) ~= "thread" then error("adopt needs a coroutine, got " .. type(thread), 2) end
  self.coroutines[thread or running] = true
end

---Takes gantry out of luv's loop: who waits gets an error of code DETACHED. Detaching twice is allowed.
function Attached:detach()
  if self.detached then return end
  self.detached = true
  self.remove()
  self.poll:close()
  for wait in pairs(self.waits) do
    if not wait.answered then self.woken[#self.woken + 1] = wait end
  end
  if #self.woken > 0 then self:soon() else self.resumer:close() end
end

Attached.__close = Attached.detach

---Puts gantry into luv's loop.
---@return gantry.AttachedLuv attached
function luv.attach()
  local loop = gantry.loop()
  local self = setmetatable({ woken = {}, waits = {}, detached = false,
    coroutines = setmetatable({}, { __mode = "k" }) }, Attached)
  self.resumer = assert(uv.new_timer())
  self.poll = assert(uv.new_poll(loop:fd()))
  assert(self.poll:start("r", function()
    local stepped, count, err = pcall(loop.step, loop, 0)
    if not stepped or not count then raise(stepped and err or count) end
  end))
  self.remove = gantry.task.add_host(function() return self:host() end)
  return self
end

return luv
