-- SPDX-License-Identifier: Apache-2.0
--
--- repl/guardian.lua: a process beside the REPL that takes away what the REPL has launched when the REPL is killed. It
--- is this program again, in a session of its own, told of each plugin before its launch and after its end. The end of
--- the pipe is the end of the REPL.

local claims = require "gantry.plugin.claims"
local core = require "gantry.core"
local engines = require "gantry.engine"
local json = require "gantry.json"
local leftovers = require "gantry.plugin.leftovers"
local ownership = require "gantry.place.ownership"
local retry = require "gantry.task.retry"
local socket_directory = require "gantry.place.socket_directory"
local task = require "gantry.task"

-- What the command is called with to be the guardian; no verb that people see.
local guardian = { VERB = "repl-guardian" }

-- Seconds: for an engine that is away; for a container that was just being made when the REPL was killed.
local ENGINE_TIMEOUT <const>, MAKING_TIMEOUT <const> = 300, 5

-- ---- in the REPL ----

---@class gantry.Guardian
---@field process table? started with the first plugin
---@field command string[]
local Guardian = {}
Guardian.__index = Guardian

---@param command string[] program and arguments of the guardian's process
---@return gantry.Guardian
function guardian.new(command)
  return setmetatable({ command = command }, Guardian)
end

local function start(self)
  local spec = { new_session = true, input = "pipe", output = "null", error = "null" }
  table.move(self.command, 1, #self.command, 1, spec)
  spec.on_exit = function() self.process = nil end
  return core.process.spawn(task.loop(), spec)
end

---@param message table
local function tell(self, message)
  if self.process then self.process:write(json.line(message)) end
end

---To be called before the launch. Where no process can be made, the plugin goes unguarded: the next launch of one of
---its name removes what was left.
---@param root string where its socket directory is made
---@param name string
---@param engine string the address that reaches the engine
function Guardian:guard(root, name, engine)
  self.process = self.process or start(self) or nil
  tell(self, { guard = { root = root, name = name, engine = engine } })
end

---To be called when nothing of the plugin is left.
---@param root string
---@param name string
function Guardian:release(root, name)
  tell(self, { release = { root = root, name = name } })
end

-- ---- in the guardian's process ----

---@return table<string, table> guarded what was told of and not taken back, by directory
local function listen()
  local guarded = {}
  for line in io.stdin:lines() do
    local message = json.decode(line)
    local one = message and (message.guard or message.release)
    if one then guarded[one.root .. "/" .. one.name] = message.guard end
  end
  return guarded
end

---Takes away one plugin, unless a living process holds its directory, or it is another's to take over: a launch that
---was refused for that leaves both as they are.
local function take_away(one)
  local path = one.root .. "/" .. one.name
  local directory = ownership.lock(path)
  if not directory then return end
  local engine = retry.until_result(ENGINE_TIMEOUT, function() return engines.connect { url = one.engine } or nil end)
  if not engine or not claims.check(engine, one.name, path, {}) then return directory:close() end
  -- The engine may still be making it: look until one was found, but not for long.
  retry.until_result(MAKING_TIMEOUT, function()
    local result = leftovers.remove(engine, one.name, path)
    return result and #result.removed > 0 or nil
  end)
  socket_directory.remove(directory)
end

---@return integer exit_code
function guardian.main()
  local guarded = listen()
  task.run(function()
    local scope <close> = task.scope()
    for _, one in pairs(guarded) do scope:spawn(take_away, one) end
    scope:wait()
  end)
  return 0
end

return guardian
