-- SPDX-License-Identifier: Apache-2.0
--
--- supervision.lua: what the specs of `gantry up` share: a place of its own for each test, the supervisor as a process,
--- and questions to it.

local json = require "gantry.json"
local support = require "engine.support"
local task = require "gantry.task"

local supervision = {}

---@class supervision.Place
---@field root string
---@field policies string folder of the policies
---@field runtime_dir string
local Place = {}
Place.__index = Place

---@return supervision.Place
function supervision.place()
  local self = setmetatable({ root = support.temporary(), ups = {} }, Place)
  self.policies, self.runtime_dir = self.root .. "/policies", self.root .. "/run"
  assert(os.execute(("mkdir -m 700 %s %s"):format(self.policies, self.runtime_dir)))
  return self
end

---@param name string
---@param lines string? of a policy for the test plugin, after its usual fields
---@param head string? Lua before the policy
function Place:policy(name, lines, head)
  support.write(("%s/%s.lua"):format(self.policies, name), (head or "") .. support.policy_text(lines))
end

---@param fault string?
function Place:options(fault)
  return { runtime_dir = self.runtime_dir, environment = { "GANTRY_STATE_DIR=" .. self.root .. "/state",
    "GANTRY_FAULT_POINT=" .. (fault or "") } }
end

---Starts `gantry up`; inside a task. Waits until it serves, unless it may die before.
---@param fault string? "plugin:step"
---@return table command
function Place:up(fault)
  local command = support.command({ "up", self.policies }, self:options(fault))
  self.ups[#self.ups + 1] = command
  command:await("stderr", "supervises")
  return command
end

---Runs a verb to its end.
---@return { code: integer, stdout: string, stderr: string }
function Place:run(...)
  local command = support.command({ ... }, self:options())
  local exit = command:wait()
  return { code = exit.code, stdout = command.stdout, stderr = command.stderr }
end

---@param ... string a verb and its arguments
---@return table value of --json
function Place:ask(...)
  local arguments = { ... }
  arguments[#arguments + 1] = "--json"
  local result = self:run(table.unpack(arguments))
  assert(result.code == 0, result.stderr .. result.stdout)
  return assert(json.decode(result.stdout))
end

---@param name string
---@return table? plugin as ps has it
function Place:plugin(name)
  for _, one in ipairs(self:ask("ps").plugins) do
    if one.name == name then return one end
  end
end

---Waits until a condition holds, asking again as long as it takes, within a minute.
---@param what string
---@param condition fun(): any
---@return any
function supervision.eventually(what, condition)
  local result = task.deadline(60, function()
    while true do
      local value = condition()
      if value then return value end
      task.sleep(0.05)
    end
  end)
  return assert(result, "this did not come true within 60 s: " .. what)
end

---@param name string
---@param state string
---@return table plugin
function Place:await_state(name, state)
  return supervision.eventually(name .. " is " .. state, function()
    local one = self:plugin(name)
    return one and one.state == state and one
  end)
end

---@param name string
---@param pattern string
---@return string text of `why`
function Place:await_why(name, pattern)
  local text
  supervision.eventually("why has " .. pattern, function()
    text = self:run("why", name).stdout
    return text:find(pattern) ~= nil
  end)
  return text
end

---@return table[] containers of this place
function Place:containers()
  return support.containers(self.runtime_dir)
end

---Ends whatever still runs, and checks that nothing is left.
function Place:close()
  for _, command in ipairs(self.ups) do
    if not command.exit then
      command:kill "KILL"
      command:wait()
    end
  end
  for _, container in ipairs(self:containers()) do support.engine():remove(container.Id) end
  support.remove(self.root)
end

return supervision
