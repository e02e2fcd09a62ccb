-- SPDX-License-Identifier: Apache-2.0
--
--- restart/text.lua: ends and decisions in words, for `why`, `ps` and the simulation.

local merge = require "gantry.config.merge"
local schema = require "gantry.config.schema"
local units = require "gantry.base.units"
local words = require "gantry.base.words"

local text = {}

local CAUSES = {
  exit = "exit", signal = "killed by a signal", oom = "out of memory", start_timeout = "no handshake in time",
  handshake_failed = "handshake failed", start_failed = "start failed", unhealthy = "unhealthy",
  engine_error = "the engine failed", image_missing = "the image or binary is missing",
  dependency_failed = "what it needs has failed", lost = "its end is unknown", config_changed = "its policy changed",
  manual = "asked for", host_boot = "the machine was started anew",
  dependency_restarted = "what it needs was restarted",
}

---@param cause string
---@return string
function text.cause(cause)
  return CAUSES[cause] or cause
end

---@param exit table
---@return string such as "exit code 2" or "out of memory (limit 64MiB)"
function text.exit_short(exit)
  if exit.cause == "exit" and exit.code then return ("exit code %d"):format(exit.code) end
  if exit.cause == "signal" and exit.signal then return "killed by SIG" .. exit.signal end
  if exit.cause == "oom" and exit.limit then
    return ("out of memory (limit %s)"):format(units.format_bytes(exit.limit))
  end
  return text.cause(exit.cause)
end

---@param exit table
---@return string with evidence, uptime and generation, for the log of decisions
function text.exit(exit)
  local parts = {}
  if exit.cause == "oom" then
    parts[1] = "out of memory: engine says OOMKilled"
    if exit.limit then parts[2] = "limit " .. units.format_bytes(exit.limit) end
  elseif exit.error then
    parts[1] = ("%s: %s"):format(text.exit_short(exit), exit.error)
  else
    parts[1] = text.exit_short(exit)
  end
  if exit.uptime and exit.known ~= false then parts[#parts + 1] = "up " .. units.format_seconds(exit.uptime) end
  if exit.generation then parts[#parts + 1] = ("generation %d"):format(exit.generation) end
  return table.concat(parts, ", ")
end

local ACTIONS = { stop = "stay down", fail = "failed, stay down", keep = "keep it running", ignore = "nothing to do" }

---@param decision gantry.Decision
---@return string such as "restart after 8s"
function text.action(decision)
  if decision.action ~= "restart" then return ACTIONS[decision.action] end
  if decision.delay == 0 then return "restart at once" end
  return "restart after " .. units.format_seconds(decision.delay)
end

---@param decision gantry.Decision
---@return string such as "restart after 8s: policy jwt.lua:19 'out of memory, slowing down' (4 restarts in 10m)"
function text.decision(decision)
  local out = text.action(decision)
  if decision.fault then
    out = ("%s: %s"):format(out, decision.reason)
  elseif decision.place then
    out = ("%s: policy %s"):format(out, decision.place)
    if decision.reason then out = ("%s '%s'"):format(out, decision.reason) end
  elseif decision.reason then
    out = ("%s: %s"):format(out, decision.reason)
  end
  if decision.floor then out = ("%s (%s)"):format(out, decision.floor) end
  if decision.recent and decision.recent > 0 then
    out = ("%s (%d restart%s in 10m)"):format(out, decision.recent, decision.recent == 1 and "" or "s")
  end
  return out
end

---@param name string of a config field
---@param value any as a policy writes it, or as a config has it
---@return string
local function shown(name, value)
  local unit = schema.by_name[name] and schema.by_name[name].type.unit
  if unit == "bytes" and math.type(value) == "integer" then return units.format_bytes(value) end
  if unit == "seconds" and type(value) == "number" then return units.format_seconds(value) end
  return type(value) == "string" and value or words.show(value)
end

---@param left any
---@param right any
---@return boolean
local function same(left, right)
  if type(left) ~= "table" or type(right) ~= "table" then return left == right end
  for key, value in pairs(left) do
    if not same(value, right[key]) then return false end
  end
  for key in pairs(right) do
    if left[key] == nil then return false end
  end
  return true
end

---What is other than in the generation before.
---@param fields table? changes of a config, as a policy wrote them: also those that an earlier generation has already
---@param before table? the config of the generation before
---@param after table? the config of the next generation
---@return string such as "memory 128MiB (was 64MiB)"
function text.changes(fields, before, after)
  local parts = {}
  for name, value in pairs(fields or {}) do
    local old, new = before and before[name], after and after[name]
    local said = merge.is_without(value) and name .. " taken away"
      or type(value) == "table" and name .. " changed" or ("%s %s"):format(name, shown(name, value))
    if type(value) ~= "table" and type(old) ~= "table" and old ~= nil then
      said = ("%s (was %s)"):format(said, shown(name, old))
    end
    local already = before and old == nil and merge.is_without(value)
    if not already and (old == nil or new == nil or not same(old, new)) then parts[#parts + 1] = said end
  end
  table.sort(parts)
  return table.concat(parts, ", ")
end

return text
