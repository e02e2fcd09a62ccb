-- SPDX-License-Identifier: Apache-2.0
--
--- supervisor/hook.lua: what a policy wants done on the host after an end: a command, run beside everything else and
--- killed when it takes too long. A failure of it is noted and changes nothing.

local behaviour = require "gantry.config.behaviour"
local core = require "gantry.core"
local deep_copy = require "gantry.base.deep_copy"
local task = require "gantry.task"

local hook = {}

local LONGEST <const> = 30
local KILL <const> = 9

---Whether an end is followed by a command at all.
---@param decision gantry.Decision
---@return boolean
local function follows(decision)
  return decision.action ~= "ignore" and decision.action ~= "keep"
end

---What the policy is told of a decision.
---@param decision gantry.Decision
---@return table
local function told(decision)
  return { action = decision.action, delay = decision.delay, reason = decision.reason }
end

---The command that a policy wants after an end. May wait, where another process runs the policy.
---@param policy gantry.Policy|gantry.RemotePolicy
---@param wanted function|string[]|nil on_exit of the config
---@param exit table
---@param decision gantry.Decision
---@return string[]? command, string? fault
function hook.command(policy, wanted, exit, decision)
  if not follows(decision) then return nil end
  if type(wanted) ~= "function" then return wanted end
  local command, err = policy:command(wanted, deep_copy.of(exit), told(decision))
  if err then return nil, "on_exit: " .. err.message end
  if command == nil then return nil end
  local read, reason = behaviour.read_command(command)
  if not read then return nil, ("on_exit of %s: %s"):format(policy.path, reason) end
  return read
end

---@return string[]
local function environment(unit, exit, decision)
  local list = {}
  local function add(name, value) if value ~= nil then list[#list + 1] = ("%s=%s"):format(name, value) end end
  for name, value in pairs(core.system.environment()) do
    if not name:find "^GANTRY_" then add(name, value) end
  end
  add("GANTRY_NAME", unit.name)
  add("GANTRY_CAUSE", exit.cause)
  add("GANTRY_EXIT_CODE", exit.code)
  add("GANTRY_SIGNAL", exit.signal)
  add("GANTRY_GENERATION", exit.generation)
  add("GANTRY_ACTION", decision.action)
  add("GANTRY_DELAY", decision.delay)
  add("GANTRY_REASON", decision.reason)
  return list
end

---@param unit gantry.Unit
---@param command string[]
---@param variables string[]
local function run(unit, command, variables)
  local ended = task.event()
  local options = { table.unpack(command) }
  options.environment, options.input, options.output, options.error = variables, "null", "null", "null"
  options.on_exit = function(exit) ended:set(exit) end
  local process, err = core.process.spawn(task.loop(), options)
  if not process then return unit:note("warning", ("on_exit: %s"):format(err.message)) end
  local exit = task.deadline(LONGEST, function() return ended:wait() end)
  if not exit then
    process:signal(KILL)
    unit:note("warning", ("on_exit: %s was killed after %d s"):format(command[1], LONGEST))
  elseif exit.code ~= 0 then
    unit:note("warning", ("on_exit: %s ended with %s"):format(command[1],
      exit.code and "exit code " .. exit.code or "signal " .. tostring(exit.signal)))
  end
  process:close()
end

---Asks for the command, and runs it.
---@param unit gantry.Unit
---@param exit table
---@param decision gantry.Decision
---@param variables string[]
local function ask_and_run(unit, exit, decision, variables)
  local command, fault = hook.command(unit.policy, unit.config.on_exit, exit, decision)
  if fault then unit:note("warning", fault) end
  if command then run(unit, command, variables) end
end

---Waits neither for the policy nor for the command.
---@param unit gantry.Unit
---@param exit table
---@param decision gantry.Decision
function hook.after(unit, exit, decision)
  if unit.config.on_exit == nil or not follows(decision) then return end
  unit.supervisor.scope:spawn(ask_and_run, unit, exit, decision, environment(unit, exit, decision))
end

return hook
