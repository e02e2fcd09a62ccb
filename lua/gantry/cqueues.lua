-- SPDX-License-Identifier: Apache-2.0
--
--- gantry.cqueues: gantry in a controller of cqueues, by one call:
---
---   local attached = require("gantry.cqueues").attach(controller)
---
--- From then on the controller serves gantry too, and gantry's calls made in its coroutines, or in those of controllers
--- within it, suspend them. Elsewhere, also in coroutines that such a one has made for itself, they drive gantry's loop
--- as ever. A coroutine of its own steps gantry, so the controller is never empty before attached:detach().

local gantry = require "gantry" -- first: it says which Lua is needed
local condition = require "cqueues.condition"
local cqueues = require "cqueues"
local host = require "gantry.task.host"

local module = {}

---@class gantry.AttachedCqueues
---@field detached boolean
---@field waits table<table, true> conditions that coroutines wait for
---@field changed table condition: signalled by detach
---@field remove fun() takes the host away from the scheduler
local Attached = {}
Attached.__index = Attached

---What an await of the running coroutine needs; see gantry.task.add_host.
---@return fun()? suspend, fun()? wake
function Attached:host()
  local _, is_own = cqueues.running()
  if not is_own then return nil end
  local woken, answered = condition.new(), false
  local function suspend()
    self.waits[woken] = true
    woken:wait()
    self.waits[woken] = nil
    if self.detached and not answered then error(host.gone(), 0) end
  end
  return suspend, function()
    answered = true
    woken:signal()
  end
end

---Runs a function in a coroutine of the controller. What it raises, controller:loop() gives, after its `<close>`
---variables were closed: in a coroutine of controller:wrap() they are not, where it fails.
---@param fn function
---@param ... any
function Attached:spawn(fn, ...)
  if self.detached then error("gantry was taken out of this loop", 2) end
  if type(fn) ~= "function" then error("spawn needs a function, got " .. type(fn), 2) end
  self.controller:wrap(host.run, fn, ...)
end

---Steps gantry whenever its descriptor says that there is something to do.
function Attached:serve()
  local loop = gantry.loop()
  local ready = { pollfd = loop:fd(), events = "r" }
  while not self.detached do
    cqueues.poll(ready, self.changed)
    if self.detached then break end
    local stepped, count, err = pcall(loop.step, loop, 0)
    -- In a coroutine of its own: the controller's loop tells of it, and gantry is served on.
    if not stepped or not count then self.controller:wrap(error, stepped and err or count, 0) end
  end
end

---Takes gantry out of the controller: who waits gets an error of code DETACHED. Detaching twice is allowed.
function Attached:detach()
  if self.detached then return end
  self.detached = true
  self.remove()
  self.changed:signal()
  for woken in pairs(self.waits) do woken:signal() end
end

Attached.__close = Attached.detach

---Puts gantry into a controller.
---@param controller table of cqueues.new()
---@return gantry.AttachedCqueues attached
function module.attach(controller)
  if not cqueues.type(controller) then
    error("gantry.cqueues.attach needs a controller of cqueues, got " .. type(controller), 2)
  end
  local self = setmetatable({ controller = controller, detached = false, changed = condition.new(),
    waits = setmetatable({}, { __mode = "k" }) }, Attached)
  self.remove = gantry.task.add_host(function() return self:host() end)
  controller:wrap(function() self:serve() end)
  return self
end

return module
