-- SPDX-License-Identifier: Apache-2.0
--
--- supervisor/guard.lua: calls whatever takes something of a plugin: its output, its events, who reads along. What one
--- of them raises is a fault of gantry's in dealing with that plugin: it stands in the plugin's journal, and the loop,
--- the other takers and the other plugins go on.

local errors = require "gantry.base.errors"
local faults = require "gantry.base.faults"

local guard = {}

---@param unit gantry.Unit
---@param err any
local function note(unit, err)
  unit.faults = unit.faults or {}
  local text, count = faults.note(unit.faults, err)
  if not text then return end
  local times = count > 1 and (", %d times"):format(count) or ""
  unit:note("fault", ("a fault of gantry%s: %s"):format(times, text))
end

---@param unit gantry.Unit whose journal takes what goes wrong
---@param fn fun(...) must not wait
---@param ... any
function guard.call(unit, fn, ...)
  local ok, err = xpcall(fn, errors.traced, ...)
  if not ok then note(unit, err) end
end

return guard
