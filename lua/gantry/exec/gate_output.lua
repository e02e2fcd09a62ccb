-- SPDX-License-Identifier: Apache-2.0
--
--- exec/gate_output.lua: the output of a plugin that a gate starts: a pipe each for standard output and error, whose
--- other ends go to the gate, read here as an engine's attached stream is (see gantry.exec.resident).

local core = require "gantry.core"
local task = require "gantry.task"

local gate_output = {}

---@class gantry.GateOutput
---@field given integer[] the ends for the gate: of output, of error
---@field ours table<string, integer> the ends that are read, by name, while they are open
---@field watches table<string, table>
---@field handlers { on_output: fun(name: string, bytes: string), on_end: fun() }
local Output = {}
Output.__index = Output

---@return gantry.GateOutput? output, gantry.Error? err
function gate_output.new()
  local self = setmetatable({ given = {}, ours = {}, watches = {} }, Output)
  for i, name in ipairs { "stdout", "stderr" } do
    local ours, theirs = core.system.pipe()
    if not ours then return nil, theirs end
    self.ours[name], self.given[i] = ours, theirs
  end
  return self
end

---Closes the ends that were for the gate: from now on, the plugin's end is that of its output.
function Output:let_go()
  for _, descriptor in ipairs(self.given) do core.system.close(descriptor) end
  self.given = {}
end

---@param name string
local function finish(self, name)
  if self.watches[name] then self.watches[name]:close() end
  core.system.close(self.ours[name])
  self.watches[name], self.ours[name] = nil, nil
  if next(self.ours) == nil then self.handlers.on_end() end
end

---@param name string
local function take(self, name)
  local bytes = core.system.read(self.ours[name])
  if bytes == false then return end
  if not bytes or bytes == "" then return finish(self, name) end
  self.handlers.on_output(name, bytes)
end

---@param handlers { on_output: fun(name: string, bytes: string), on_end: fun() }
---@return gantry.GateOutput the same, to be paused and resumed
function Output:attach(handlers)
  self.handlers = handlers
  self:resume()
  return self
end

function Output:pause()
  for _, watch in pairs(self.watches) do watch:close() end
  self.watches = {}
end

function Output:resume()
  for name, descriptor in pairs(self.ours) do
    self.watches[name] = self.watches[name] or task.loop():watch(descriptor, "r", function() take(self, name) end)
  end
end

return gate_output
