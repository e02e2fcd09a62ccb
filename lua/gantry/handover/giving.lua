-- SPDX-License-Identifier: Apache-2.0
--
--- handover/giving.lua: one container that waited, given to the face of a host that asks for just this plugin: from
--- then on the face's guardians take it away, and nothing here is needed any more. What cannot be given is taken away,
--- and the face told that nothing is left: it launches the plugin itself.

local ahead = require "gantry.plugin.ahead"
local callbacks = require "gantry.handover.callbacks"
local connections = require "gantry.handover.connections"
local errors = require "gantry.base.errors"
local exit_code = require "gantry.base.exit_code"
local gate = require "gantry.plugin.gate"
local host_environment = require "gantry.handover.host_environment"
local messages = require "gantry.handover.messages"
local sockets_in_tmp = require "gantry.place.sockets_in_tmp"
local steps = require("gantry.plugin.launch").steps
local task = require "gantry.task"

local giving = {}

-- Seconds: for a face to say that it has it; for its gate to start the plugin.
local TAKEN_WITHIN <const>, STARTS_WITHIN <const> = 10, 30
-- What a face says, as of core/system/channel.h.
local TAKEN <const>, AGAIN <const> = "K", "N"

---@class gantry.Giving
---@field face gantry.Face
---@field plugin gantry.Plugin that waits, and is nobody else's
---@field caller table<string, string> the host's environment
---@field host gantry.HostEnvironment what of it is for the plugin
local Giving = {}
Giving.__index = Giving

---@param fields { face: gantry.Face, plugin: gantry.Plugin, caller: table, host: gantry.HostEnvironment }
---@return gantry.Giving
function giving.new(fields) return setmetatable(fields, Giving) end

---@param level string
---@param text string?
---@param fields table?
function Giving:say(level, text, fields)
  if text then self.face.tell("log", messages.line("go-plugin", level, text, fields)) end
end

---Has the face write down what is its own from here on.
---@return boolean? ok, gantry.Error? err
function Giving:hand_over()
  local plugin = self.plugin
  local root, name = plugin.root, plugin.options.directory_name
  self.face.tell("record", table.concat({ plugin.engine.endpoint.name, plugin.container_name, root, name }, "\0"))
  local kind = task.deadline(TAKEN_WITHIN, self.face.hear, self.face)
  if kind == TAKEN then return true end
  return nil, errors.new("HOST_GONE", "its host has gone, or launches it itself")
end

---The plugin's environment, its gate, and a last look at what it is started from, while the face takes it.
---@return boolean? ok, gantry.Error? err
function Giving:prepare()
  local plugin, made = self.plugin, self.plugin.options
  plugin.state = "launching" -- what ends from here on is not followed here
  local facts = {}
  for key, value in pairs(made.facts) do facts[key] = value end
  facts.caller = self.caller
  local ok, err, taken, gone, reached, unreached
  task.all(
    function() ok, err = ahead.check(plugin) end,
    function() taken, gone = self:hand_over() end,
    function()
      reached, unreached = gate.reach(plugin)
      plugin.late_environment = host_environment.build(plugin.config, self.host, facts)
    end)
  return ok and taken and reached, err or gone or unreached
end

---All that the face is to know before its plugin speaks.
function Giving:announce()
  local plugin, face = self.plugin, self.face
  self:say("info", messages.went(plugin.name))
  self:say("warn", host_environment.left_out(self.host, plugin.config))
  if callbacks.sees(plugin.config, self.caller) then
    face.tell "shared"
  else
    self:say("warn", callbacks.warning(self.host, plugin.name))
  end
  self:say("debug", ("container %s taken for plugin '%s', which waited for it"):format(plugin.container_name,
    plugin.name), { container = plugin.container, image = plugin.reference })
  face.tell("plugin", plugin.name .. "\0" .. plugin.directory_path)
  face.tell("timeout", (messages.timeouts(plugin.config)))
  face.tell("places", messages.places(plugin.config, not plugin.sockets_in_tmp and plugin.scratch.path))
  return true
end

---No later supervisor takes it for one that waits.
function Giving:disown()
  local options = self.plugin.options
  options.supervisor, options.ahead, options.fits = nil, nil, nil
  steps.keep_record(self.plugin)
end

---Has the plugin started, with the face's own descriptors as its output.
---@return boolean? ok, gantry.Error? err
function Giving:start()
  local plugin = self.plugin
  local ok, err = gate.ask(plugin, { stdout = self.face.given[1], stderr = self.face.given[2] })
  if not ok then return nil, err end
  self:disown() -- before the connection that the plugin lives by is another's
  ok, err = task.deadline(STARTS_WITHIN, plugin.started.wait, plugin.started)
  self.face:drop_given()
  if not ok then return nil, err or errors.new("START_FAILED", "its gate does not answer") end
  return true
end

---Gives the connection away that tells of the plugin's end, and with which it ends.
---@return boolean? ok, gantry.Error? err
function Giving:give()
  local plugin, face = self.plugin, self.face
  local over, connection = plugin.told_exit, plugin.gate:descriptor()
  local told, err
  if connection then
    told, err = face.tell("gate", "", connection, plugin.directory:lock())
  else
    told, err = face.tell "started" -- and has ended since; where its gate did not tell how, the face finds out
  end
  if over then face.tell("exit", tostring(exit_code.of(over))) end
  gate.let_go(plugin)
  return told, err
end

---A plugin whose sockets are where TMPDIR says is started anew by the face, and what waits made otherwise from now on.
---@return gantry.Error? err
function Giving:await_verdict()
  if self.face:hear() ~= AGAIN then return nil end
  sockets_in_tmp.remember(self.plugin)
  return errors.new("SOCKETS_IN_TMP", "its sockets are where TMPDIR says")
end

local STEPS <const> = { "prepare", "announce", "start", "give" }

---Goes through all of it.
---@param begun fun() is told once it is out of the way of the plugin's start, or there is none
---@return boolean given
---@return gantry.Error? err
function Giving:run(begun)
  local plugin, given = self.plugin, false
  local _ <close> = setmetatable({}, { __close = function()
    if not given then task.shield(plugin.discard, plugin) end
    begun()
  end })
  for _, step in ipairs(STEPS) do
    local ok, err = self[step](self)
    if not ok then return false, err end
  end
  local err = self:await_verdict()
  if err then return false, err end
  given = true
  local links = connections.new(plugin.engine, plugin.container, self.face)
  local inspected = links:inspect()
  if inspected then links:hand_over_process(inspected) end
  plugin:let_go()
  return true
end

return giving
