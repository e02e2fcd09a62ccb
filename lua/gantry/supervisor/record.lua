-- SPDX-License-Identifier: Apache-2.0
--
--- supervisor/record.lua: what the state file of one plugin holds, and how it comes back.

local floors = require "gantry.restart.floors"

local record = {}

---What of a generation that became ready is needed to find it again; what its launch learned is in
---gantry.plugin.memory.
---@param plugin gantry.Plugin
---@return table
function record.live_of(plugin)
  return { container = plugin.container, root = plugin.root, ready = true, ready_ms = plugin.ready_ms,
    image_id = plugin.image and plugin.image.Id }
end

---@param unit gantry.Unit
---@return table record
function record.of(unit)
  return { policy = unit.policy.path, wanted = unit.wanted, verdict = unit.verdict, restart = unit.restart,
    due = unit.due, automatic = unit.automatic, live = unit.live, last_exit = unit.last_exit, decision = unit.decision,
    journal = unit.journal.entries }
end

---Time that passed since the record was written, where the monotonic clock began anew: by the wall clock, which may
---have been set back.
---@param state gantry.RestartState
---@param saved table
---@param boot string
local function settle_clock(state, saved, boot)
  if saved.boot == boot then return end
  state.seen = nil
  state.clock = state.clock + math.max(0, os.time() - (tonumber(saved.saved) or os.time()))
end

---@param unit gantry.Unit
---@param saved table
function record.restore(unit, saved)
  unit.wanted = saved.wanted == "down" and "down" or "up"
  unit.verdict = (saved.verdict == "failed" or saved.verdict == "ended") and saved.verdict or nil
  unit.restart, unit.due, unit.automatic = saved.restart, tonumber(saved.due), saved.automatic == true
  unit.live = type(saved.live) == "table" and type(saved.live.container) == "string" and saved.live or nil
  unit.last_exit = type(saved.last_exit) == "table" and saved.last_exit or nil
  unit.decision = type(saved.decision) == "table" and saved.decision or nil
  settle_clock(unit.restart, saved, unit.supervisor.store.boot)
  if unit.due then unit.due = math.min(unit.due, unit.restart.clock + floors.longest_delay) end
end

return record
