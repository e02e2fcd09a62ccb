-- SPDX-License-Identifier: Apache-2.0
--
--- exec/remembered_engine.lua: what an engine said of itself to the launch before. Docker and Podman start programs of
--- their own to answer that, which takes as long as all that a launch does before its container is made. For some
--- seconds it is believed, since hosts start their plugins one after the other; later it is believed until the engine
--- has answered anew: the container is made meanwhile, and the plugin starts where the answer is the same.

local core = require "gantry.core"
local errors = require "gantry.base.errors"
local interface = require "gantry.engine.interface"
local json = require "gantry.json"
local machine = require "gantry.base.machine"
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

-- Seconds that an answer counts without a question: hosts start their plugins one after the other.
local FRESH <const> = 10

---@class gantry.RememberedEngine
---@field engine gantry.EngineClient
---@field answer gantry.Event? of the engine's own, to come; nil where it is not asked
---@field asked_at number? by the loop's clock, which all processes have in common
---@field believed string? what it said before, as JSON; nil where nothing is believed
local RememberedEngine = {}
RememberedEngine.__index = RememberedEngine

-- One file: a user's hosts have one engine, as a rule.
---@return string
local function path() return state_dir.path() .. "/engine.json" end

---@param engine gantry.EngineClient
---@return table<string, any> whose answer it is: homes, and with them this file, may be several machines'
local function describe(engine)
  return { engine = engine.endpoint.name, server = engine.server, api = engine.api, version = version,
    boot = machine.boot() }
end

---@param engine gantry.EngineClient
---@return gantry.EngineInfo? info nil where nothing is known of this engine, or by another gantry
---@return boolean? fresh
local function read(engine)
  local text = state_dir.read(path())
  local record = text and json.decode(text)
  if type(record) ~= "table" or not types.first_finding(INFO, record.info, "it") then return nil end
  for name, value in pairs(describe(engine)) do
    if record[name] ~= value then return nil end
  end
  local age = math.type(record.asked) and core.loop.clock() - record.asked
  return record.info, age and age >= 0 and age < FRESH
end

---Asks an engine what it is, unless it was asked just before, and has it be what it was then until it has answered.
---@param engine gantry.EngineClient
---@param believe boolean whether what is remembered counts
---@return gantry.RememberedEngine
function remembered_engine.ask(engine, believe)
  local self, fresh = setmetatable({ engine = engine }, RememberedEngine), nil
  -- One without a daemon looks at the machine itself.
  if believe and engine.api and not engine.known_info then
    engine.known_info, fresh = read(engine)
    self.believed = engine.known_info and json.line(engine.known_info)
  end
  if not fresh then self.answer, self.asked_at = engine:ask(), core.loop.clock() end
  return self
end

---Waits for the engine's own answer, where another was believed meanwhile.
---@return boolean? same
---@return gantry.Error? err ENGINE_CHANGED: what has been made is to be taken away, and made anew
function RememberedEngine:confirm()
  if not self.believed or not self.answer then return true end
  local info, err = self.answer:wait()
  if info and json.line(info) == self.believed then return true end
  if not info and not interface.answered(err) then return nil, err end
  self:forget()
  return nil, errors.new("ENGINE_CHANGED", ("the engine at %s is not what it was at the launch before; start the "
    .. "plugin again"):format(self.engine.endpoint.name))
end

---Has the next launch ask, and wait for the answer.
function RememberedEngine:forget()
  if self.believed then state_dir.remove(path()) end
end

---Remembers what the engine has said for the next launch, which asks anew where that cannot be written down.
function RememberedEngine:keep()
  local engine = self.engine
  if not self.answer or not engine.api or not engine.known_info then return end
  local record = describe(engine)
  record.info, record.asked = engine.known_info, self.asked_at
  state_dir.write(path(), json.line(record))
end

return remembered_engine
