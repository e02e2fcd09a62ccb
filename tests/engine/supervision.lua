-- SPDX-License-Identifier: Apache-2.0
--
--- supervision.lua: what the specs of `gantry up` share: a place of its own for each test, the supervisor as a process,
--- and questions to it.

local core = require "gantry.core"
local json = require "gantry.json"
local support = require "engine.support"
local task = require "gantry.task"

local supervision = {}

-- Seconds for a supervisor to end in order, before it is killed.
local ORDERLY <const> = 15

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
---@return table options of support.command
function Place:options(fault)
  return { runtime_dir = self.runtime_dir, environment = { "GANTRY_STATE_DIR=" .. self.root .. "/state",
    "GANTRY_FAULT_POINT=" .. (fault or "") } }
end

---Starts `gantry up`; inside a task.
---@param fault string? "plugin:step"
---@param arguments string[]? more of them
---@param on_output fun(field: string, bytes: string)?
---@param environment string[]? more of it
---@return table command
function Place:start_up(fault, arguments, on_output, environment)
  local options = self:options(fault)
  options.on_output = on_output
  table.move(environment or {}, 1, #(environment or {}), #options.environment + 1, options.environment)
  local command = support.command({ "up", self.policies, table.unpack(arguments or {}) }, options)
  self.ups[#self.ups + 1] = command
  return command
end

---Starts `gantry up` and waits until it serves; arguments as of Place:start_up.
---@return table command
function Place:up(...)
  local command = self:start_up(...)
  command:await("stderr", "supervises")
  return command
end

---Starts `gantry up` with a wall clock of its own.
---@param seconds integer ahead
---@param environment string[]? more of it
---@return table command
---@return fun(seconds: integer) set
function Place:up_with_clock(seconds, environment)
  local file, library = self.root .. "/clock", self.root .. "/wall_clock.so"
  assert(os.execute(("cc -shared -fPIC -o %s %s/tests/engine/wall_clock.c"):format(library, support.source)))
  local function set(now)
    support.write(file .. ".new", ("%d\n"):format(now))
    assert(os.rename(file .. ".new", file))
  end
  set(seconds)
  local command = self:up(nil, nil, nil, { "LD_PRELOAD=" .. library, "WALL_CLOCK=" .. file,
    table.unpack(environment or {}) })
  return command, set
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

---@return string[] names of the records of launches
function Place:records()
  local list = {}
  for _, name in ipairs(support.entries(self.root .. "/state/launches")) do
    list[#list + 1] = name:match "^.+%.json$"
  end
  return list
end

---@param name string
---@return table? plugin as ps has it
function Place:plugin(name)
  for _, one in ipairs(self:ask("ps").plugins) do
    if one.name == name then return one end
  end
end

---@param name string
---@param state string
---@return table plugin
function Place:await_state(name, state)
  return support.eventually(name .. " is " .. state, function()
    local one = self:plugin(name)
    return one and one.state == state and one
  end)
end

---@param name string
---@param pattern string
---@return string text of `why`
function Place:await_why(name, pattern)
  local text
  support.eventually("why has " .. pattern, function()
    text = self:run("why", name).stdout
    return text:find(pattern) ~= nil
  end)
  return text
end

---@return table[] containers of this place
function Place:containers()
  return support.containers(self.runtime_dir)
end

---Waits until so many containers are left: those of dead generations are removed beside what comes next.
---@param count integer
---@return table[]
function Place:await_containers(count)
  return support.eventually(count .. " containers are left", function()
    local containers = self:containers()
    return #containers == count and containers
  end)
end

---Whatever a supervisor that was killed has left: no two of it go by the plugin's name. The engine may have others.
---@param name string
---@param containers table[] of this place
function Place:check_names(name, containers)
  local called, count = self:run("call", name, "KV/Put", '{"key": "a", "value": "YQ=="}'), 0
  for _, one in ipairs(containers) do
    if called.stderr:find(one.id:sub(1, 12), 1, true) then count = count + 1 end
  end
  local ambiguous = called.stderr:find("plugins are called", 1, true) ~= nil
  assert(not ambiguous or count < 2, called.stderr)
end

---@return string[] names of what is in its runtime directory but gantry's own files: plugins' directories and addresses
function Place:directories()
  local list = {}
  for _, name in ipairs(support.entries(self.runtime_dir)) do
    if name:sub(1, 1) ~= "." then list[#list + 1] = name end
  end
  return list
end

---@return string path of the engine's socket that this place has for itself
function Place:engine_socket()
  return self.root .. "/engine.sock"
end

---Makes the engine reachable at the place's own socket, until engine_goes().
---@param pattern string? of a request that is treated by an action of the fault proxy's
---@param action string?
function Place:engine_comes(pattern, action)
  os.remove(self:engine_socket())
  local serving = task.event()
  self.relay = assert(core.process.spawn(task.loop(), { "lua5.4", support.source .. "/tests/engine/fault_proxy.lua",
    self:engine_socket(), support.engine().endpoint.unix_socket, pattern or "no such request", action or "drop",
    input = "null", output = "pipe", error = "inherit", on_output = function() serving:set() end,
    on_exit = function() end }))
  serving:wait()
end

---All connections end, and new ones are refused.
function Place:engine_goes()
  self.relay:close()
  self.relay = nil
end

---Ends the supervisors that still run. One that is killed leaves it to the engine whether what it asked for last comes
---to be after all; one that is told takes it back.
function Place:stop()
  for _, command in ipairs(self.ups) do
    if not command.exit then
      command:kill "TERM"
      if not task.deadline(ORDERLY, command.wait, command) then
        command:kill "KILL"
        command:wait()
      end
    end
  end
end

---Ends whatever still runs, and checks that nothing is left.
function Place:close()
  self:stop()
  if self.relay then self:engine_goes() end
  local engine, jobs = support.engine(), {}
  for i, container in ipairs(self:containers()) do jobs[i] = function() engine:remove(container.id) end end
  task.all(table.unpack(jobs))
  support.remove(self.root)
end

return supervision
