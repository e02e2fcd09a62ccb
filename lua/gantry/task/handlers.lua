-- SPDX-License-Identifier: Apache-2.0
--
--- task/handlers.lua: calls what a host gave to be told of something. What it raises is no reason for a launch to fail
--- or for the host's step to raise: it is noted with whatever the handler belongs to, and task.on_error is told.

local errors = require "gantry.base.errors"
local faults = require "gantry.base.faults"
local scheduler = require "gantry.task.scheduler"

local handlers = {}

---@param owner table its `faults` keep what was raised
---@param what string the handler, and whose it is: "on_event of plugin 'kv'"
---@param handler function? must not wait
---@param ... any
function handlers.call(owner, what, handler, ...)
  if not handler then return end
  local ok, err = xpcall(handler, errors.traced, ...)
  if ok then return end
  owner.faults = owner.faults or {}
  local text, count = faults.note(owner.faults, err)
  if not text then return end
  local times = count > 1 and (" %d times"):format(count) or ""
  scheduler.tell(errors.new("HANDLER_FAILED", ("%s raised%s: %s"):format(what, times, text), { cause = err }))
end

return handlers
