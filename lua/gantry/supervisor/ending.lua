-- SPDX-License-Identifier: Apache-2.0
--
--- supervisor/ending.lua: an end of a plugin as the decision core and policies see it, from an exit of its process or
--- from a launch that failed.

local ending = {}

local CAUSES = { IMAGE_NOT_FOUND = "image_missing", IMAGE_PIN_MISMATCH = "image_missing",
  IMAGE_PULL_FAILED = "image_missing", START_TIMEOUT = "start_timeout", UNHEALTHY = "unhealthy",
  ENGINE_CONNECTION_LOST = "engine_error", ENGINE_UNREACHABLE = "engine_error" }
local FAMILIES = { HANDSHAKE = "handshake_failed", HTTP = "engine_error", TLS = "handshake_failed",
  PULL = "image_missing", IMAGE = "image_missing" }

---@param unit gantry.Unit
---@param from table
---@return table exit
local function complete(unit, from)
  local exit = {}
  for key, value in pairs(from) do exit[key] = value end
  local config = unit.generation_config or unit.config
  exit.name, exit.image, exit.limit = unit.name, config.image, config.memory
  exit.generation = unit.restart.live
  return exit
end

---@param unit gantry.Unit
---@param exit gantry.Exit
---@return table
function ending.of_exit(unit, exit)
  local result = complete(unit, exit)
  result.ready, result.phase = true, "ready"
  return result
end

---@param err gantry.Error
---@return string cause "start_failed" where the error tells of none
local function cause_of(err)
  local family = tostring(err.code):match("^%u+")
  return CAUSES[err.code] or FAMILIES[family] or "start_failed"
end

---Whether an error says nothing of the plugin: the engine could not be asked.
---@param err gantry.Error
---@return boolean
function ending.is_of_engine(err)
  return cause_of(err) == "engine_error"
end

---@param unit gantry.Unit
---@param err gantry.Error
---@return table
function ending.of_failed_launch(unit, err)
  local exit = err.diagnosis and err.diagnosis.exit
  if exit and exit.known then
    local result = complete(unit, exit)
    result.ready, result.phase, result.error = false, "handshaking", "exited before it was ready"
    return result
  end
  return complete(unit, { cause = cause_of(err), error = err.message,
    known = false, ready = false, phase = "starting", requested = false })
end

---@param unit gantry.Unit
---@param cause string
---@param reason string?
---@return table
function ending.of_cause(unit, cause, reason)
  return complete(unit, { cause = cause, error = reason, known = false, requested = false, ready = true,
    phase = "ready" })
end

return ending
