-- SPDX-License-Identifier: Apache-2.0
--
--- gantry.luv: gantry in luv's loop, by one call:
---
---   local attached = require("gantry.luv").attach()
---
--- From then on uv.run serves gantry too, and gantry's calls made in a coroutine suspend it; uv.run resumes it when the
--- answer is there. Outside of coroutines they drive gantry's loop as ever, which holds luv's up meanwhile. As any
--- handle of luv's, this one keeps uv.run going until attached:detach().

local gantry = require "gantry" -- first: it says which Lua is needed
local errors = require "gantry.base.errors"
local uv = require "luv"

local luv = {}

---@class gantry.AttachedLuv
---@field poll table luv's handle of gantry's descriptor
---@field resumer table luv's timer: coroutines are resumed by it, never inside of what woke them
---@field woken gantry.SuspendedInLuv[]
---@field waits table<gantry.SuspendedInLuv, true> those that are suspended
---@field detached boolean
---@field remove fun() takes the host away from the scheduler
local Attached = {}
Attached.__index = Attached

---@class gantry.SuspendedInLuv one wait
---@field thread thread
---@field suspended boolean false also where somebody else has resumed it

---@param wait gantry.SuspendedInLuv
local function resume(wait)
  if not wait.suspended then return end
  local ok, err = coroutine.resume(wait.thread)
  if ok then return end
  if type(err) == "string" then err = debug.traceback(wait.thread, err) end
  error(err, 0)
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

---What an await of the running coroutine needs; see gantry.task.add_host.
---@return fun()? suspend, fun()? wake
function Attached:host()
  local thread, main = coroutine.running()
  if main then return nil end
  local wait = { thread = thread, suspended = false }
  local function suspend()
    wait.suspended, self.waits[wait] = true, true
    coroutine.yield()
    wait.suspended, self.waits[wait] = false, nil
    if self.detached then
      error(errors.new("DETACHED", "wait: gantry was taken out of this loop before the answer came; detach when nobody "
        .. "waits"), 0)
    end
  end
  local function wake()
    self.woken[#self.woken + 1] = wait
    self:soon()
  end
  return suspend, wake
end

---Takes gantry out of luv's loop: who waits gets an error of code DETACHED. Detaching twice is allowed.
function Attached:detach()
  if self.detached then return end
  self.detached = true
  self.remove()
  self.poll:close()
  self.woken = {}
  for wait in pairs(self.waits) do self.woken[#self.woken + 1] = wait end
  if #self.woken > 0 then self:soon() else self.resumer:close() end
end

Attached.__close = Attached.detach

---Puts gantry into luv's loop.
---@return gantry.AttachedLuv attached
function luv.attach()
  local loop = gantry.loop()
  local self = setmetatable({ woken = {}, waits = {}, detached = false }, Attached)
  self.resumer = assert(uv.new_timer())
  self.poll = assert(uv.new_poll(loop:fd()))
  assert(self.poll:start("r", function()
    local count, err = loop:step(0)
    if not count then error(err, 0) end
  end))
  self.remove = gantry.task.add_host(function() return self:host() end)
  return self
end

return luv
