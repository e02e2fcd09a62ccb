-- SPDX-License-Identifier: Apache-2.0
--
--- exec/remembered_engine.lua: what an engine said of itself to the launch before. Docker and Podman start programs of
--- their own to answer that, for longer than a launch works before its container is made. So it is believed meanwhile,
--- and held against the engine's own answer once the container is made and before the plugin starts.

local errors = require "gantry.base.errors"
local interface = require "gantry.engine.interface"
local json = require "gantry.json"
local state_dir = require "gantry.place.state_dir"
local types = require "gantry.base.types"
local version = require "gantry.base.version"

local remembered_engine = {}

local maybe_text, flag, maybe_number = types.optional(types.text()), types.boolean(), types.optional(types.integer())
local INFO <const> = types.object {
  kind = types.text(), version = maybe_text, default_runtime = maybe_text, cgroup_driver = maybe_text,
  runtimes = types.map(types.object { path = maybe_text, arguments = types.optional(types.list(types.text())) }),
  rootless = flag, selinux = flag, apparmor = flag, cgroup_version = types.integer(), memory = maybe_number,
  remapped = types.optional(types.object { uid = maybe_number, gid = maybe_number }),
}

---@class gantry.RememberedEngine
---@field engine gantry.EngineClient
---@field answer gantry.Event of the engine's own, to come
---@field text string? what was believed, as it is written down
local RememberedEngine = {}
RememberedEngine.__index = RememberedEngine

-- One file: a user's hosts have one engine, as a rule.
---@return string
local function path() return state_dir.path() .. "/engine.json" end

---@param engine gantry.EngineClient
---@param info gantry.EngineInfo
---@return string
local function encode(engine, info)
  return assert(json.encode { engine = engine.endpoint.name, server = engine.server, api = engine.api,
    version = version, info = info })
end

---@param engine gantry.EngineClient
---@return string? text, gantry.EngineInfo? info
local function read(engine)
  local text = state_dir.read(path())
  local record = text and json.decode(text)
  local info = type(record) == "table" and record.info
  if not info or not types.first_finding(INFO, info, "it") then return nil end
  -- Of this engine, and of this version of both.
  if encode(engine, info) ~= text then return nil end
  return text, info
end

---Asks an engine what it is, and has it be what it was at the launch before until it has answered.
---@param engine gantry.EngineClient
---@param believe boolean whether what is remembered counts
---@return gantry.RememberedEngine
function remembered_engine.ask(engine, believe)
  local self = setmetatable({ engine = engine, answer = engine:ask() }, RememberedEngine)
  -- One without a daemon looks at the machine itself.
  if believe and engine.api and not engine.known_info then self.text, engine.known_info = read(engine) end
  return self
end

---Waits for the engine's own answer, where another was believed.
---@return boolean? same
---@return gantry.Error? err ENGINE_CHANGED: what has been made is to be taken away, and made anew
function RememberedEngine:confirm()
  if not self.text then return true end
  local info, err = self.answer:wait()
  if info and encode(self.engine, info) == self.text then return true end
  if not info and not interface.answered(err) then return nil, err end
  state_dir.remove(path())
  return nil, errors.new("ENGINE_CHANGED", ("the engine at %s is not what it was at the launch before"):format(
    self.engine.endpoint.name))
end

---Remembers what the engine has said for the next launch, which asks anew where that cannot be written down.
function RememberedEngine:keep()
  local engine = self.engine
  if self.text or not engine.api or not engine.known_info then return end
  state_dir.write(path(), encode(engine, engine.known_info))
end

return remembered_engine
