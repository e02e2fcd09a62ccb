-- SPDX-License-Identifier: Apache-2.0
--
--- supervisor/ending.lua: an end of a plugin as the decision core and policies see it: from an exit of its process,
--- from a failed launch, from a cause, or made up by a simulation. All come from one function, with the same fields.

local blame = require "gantry.supervisor.blame"

local ending = {}

---@class gantry.End
---@field cause string
---@field code integer? where known
---@field signal string?
---@field uptime number seconds; by the supervisor's clock where the engine does not tell
---@field known boolean whether the engine told how the process ended
---@field requested boolean whether gantry was asked to stop it
---@field ready boolean whether it had been ready
---@field phase "starting"|"handshaking"|"ready"
---@field error string?
---@field name string the plugin's
---@field image string as the config names it
---@field image_id string? "sha256:…" of what that name meant for this generation; nil where it was not found
---@field limit integer? memory, in bytes
---@field generation integer

-- How a process can end; all other causes are of a plugin whose process nobody saw end.
local OF_PROCESS <const> = { exit = true, signal = true, oom = true }
-- These come before a plugin is ready.
local BEFORE_READY <const> = { start_timeout = true, handshake_failed = true, start_failed = true,
  image_missing = true, dependency_failed = true }

---Makes an end of what is known.
---@param facts { config: gantry.Config, name: string, generation: integer, uptime: number, image_id: string? }
---@param from { cause: string, code: integer?, signal: string?, uptime: number?, error: string?, requested: boolean?,
--- known: boolean?, phase: string? }
---@return gantry.End
function ending.make(facts, from)
  local phase = from.phase or BEFORE_READY[from.cause] and "starting" or "ready"
  local known = from.known
  if known == nil then known = OF_PROCESS[from.cause] == true end
  return { cause = from.cause, code = from.code, signal = from.signal, error = from.error,
    uptime = from.uptime or facts.uptime, known = known, requested = from.requested == true,
    ready = phase == "ready", phase = phase, name = facts.name, image = facts.config.binary or facts.config.image,
    image_id = facts.image_id, limit = facts.config.memory, generation = facts.generation }
end

---@param unit gantry.Unit
---@return table
local function facts_of(unit)
  local state = unit.restart
  local clock = unit.clock and unit:clock() or state.clock or 0
  local since = state.started_at and clock - state.started_at or 0
  return { config = unit.generation_config or unit.config, name = unit.name, generation = state.live,
    uptime = math.max(0, since), image_id = unit.image_id or unit.live and unit.live.image_id }
end

---@param unit gantry.Unit
---@param exit gantry.Exit
---@return gantry.End
function ending.of_exit(unit, exit)
  return ending.make(facts_of(unit), exit)
end

---@param unit gantry.Unit
---@param err gantry.Error
---@return gantry.End
function ending.of_failed_launch(unit, err)
  local exit = err.diagnosis and err.diagnosis.exit
  if exit and exit.known then
    local remedy = err.remedy and ": " .. err.remedy or ""
    return ending.make(facts_of(unit), { cause = exit.cause, code = exit.code, signal = exit.signal,
      uptime = exit.uptime, phase = "handshaking", error = "exited before it was ready" .. remedy })
  end
  return ending.make(facts_of(unit), { cause = blame.cause(err), error = err.message, phase = "starting" })
end

---@param unit gantry.Unit
---@param cause string
---@param reason string?
---@return gantry.End
function ending.of_cause(unit, cause, reason)
  return ending.make(facts_of(unit), { cause = cause, error = reason })
end

return ending
