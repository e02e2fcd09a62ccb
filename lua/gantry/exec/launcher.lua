-- SPDX-License-Identifier: Apache-2.0
--
--- exec/launcher.lua: what a go-plugin host waits for, in a process of its own: reaches the engine, loads the policy,
--- launches (exec/launch.lua), and ends. Where it is to say what it is, the engine is asked before all that is to
--- follow is loaded: it takes as long to answer as all of that.

collectgarbage "stop" -- this process ends before it would pay
-- Not all of gantry: what is loaded here is loaded for every start of a plugin. The engine's client alone at once.
local core = require "gantry.core"
local engines = require "gantry.engine"
local errors = require "gantry.base.errors"
local face = require "gantry.face"
local face_watch = require "gantry.exec.face_watch"
local later = require "gantry.base.later"
local settings = require "gantry.policy.settings"
local task = require "gantry.task"
local by_gate = later "gantry.exec.by_gate"
local context = later "gantry.policy.context"
local host_log = later "gantry.exec.host_log"
local launch = later "gantry.exec.launch"
local launches = later "gantry.place.launches"
local messages = later "gantry.handover.messages"
local policies = later "gantry.policy"
local remembered_engine = later "gantry.exec.remembered_engine"

local launcher = {}

-- Seconds that the reason needs on its way; after which an engine that has not greeted is no longer waited for with the
-- policy unread.
local MARGIN <const>, HEAD_START <const> = 0.2, 0.05

local BEGAN <const> = core.loop.clock()

---@param policy gantry.Policy
local function tell_of_host(policy)
  if policy.config.outlive_host then face.tell "outlive" end
  local went = face.host ~= "asks" and messages.went(policy.name)
  if went then host_log.say("info", went) end
end

---@param believe boolean whether it may be taken for what it was at the launch before, until it has said what it is
---@return gantry.EngineClient? engine
---@return gantry.Error|gantry.RememberedEngine err_or_remembered
local function reach_engine(believe)
  local engine, err = engines.connect()
  if not engine then return nil, err end
  return engine, remembered_engine.ask(engine, believe)
end

---Begins to connect, so that what the engine is asked is under way while the policy is read.
---@param believe boolean as of reach_engine
---@return fun(): gantry.EngineClient?, gantry.Error|gantry.RememberedEngine connect waits until it is done
local function begin_to_connect(believe)
  local reached = task.event()
  task.detach(function() reached:set(xpcall(reach_engine, errors.traced, believe)) end)
  task.first(function() reached:wait() end, function() task.sleep(HEAD_START) end)
  task.sleep(0) -- the question goes out
  return function()
    local ok, engine, other = reached:wait()
    if not ok then error(engine, 0) end
    return engine, other
  end
end

---@class gantry.ExecBeginning
---@field policy gantry.Policy
---@field gates string? the folder of gates, where these start plugins
---@field connect fun(): gantry.EngineClient?, gantry.Error|gantry.RememberedEngine
---@field start_by number by the loop's clock

---@param path string
---@param arguments string[]
---@param believe boolean
---@return gantry.ExecBeginning? beginning, gantry.Error|gantry.Error[]|nil err
local function begin(path, arguments, believe)
  local gates, _, unusable = settings.find "gates"
  if unusable then return nil, unusable end
  local connect = gates and reach_engine or begin_to_connect(believe)
  local policy, err = policies.load(path, context.of({ args = arguments, verb = "exec" }, connect),
    { print = function(text, from) host_log.say("info", ("%s: %s"):format(from, text)) end })
  if not policy then return nil, err end
  face.tell("plugin", policy.name)
  local timeouts, timeout = messages.timeouts(policy.config)
  face.tell("timeout", timeouts)
  return { policy = policy, gates = policy.config.gate or gates, connect = connect,
    start_by = BEGAN + timeout - MARGIN }
end

---@param beginning gantry.ExecBeginning
---@return gantry.ExecLaunch? launch, gantry.Error? err
local function prepare(beginning)
  local policy = beginning.policy
  tell_of_host(policy)
  local engine, other = beginning.connect()
  if not engine then return nil, other end
  return launch.new { name = policy.name, config = policy.config, engine = engine, remembered = other,
    options = { policy = policy.path }, start_by = beginning.start_by }
end

---@param beginning gantry.ExecBeginning
---@param arguments string[]
---@return boolean? ok
---@return gantry.Error? err
---@return boolean? once_more nothing is left of it, and another launch may do
local function run_on_engine(beginning, arguments)
  local self, err = prepare(beginning)
  if not self then return nil, err end
  -- Also where the host has ended meanwhile, and the launch is cancelled.
  local _ <close> = setmetatable({}, { __close = function()
    if not self.has_started then task.shield(self.release, self) end
  end })
  local ok, problem = self:start_in_time(arguments)
  if ok then
    self.remembered:keep() -- while the plugin starts
    ok, problem = self:see_off()
  end
  if not ok then
    self.remembered:forget() -- it may be why
    local once_more = problem.code == "ENGINE_CHANGED" and task.shield(self.release, self)
    if not once_more then face.tell("failed", messages.reason(problem)) end
    return nil, problem, once_more
  end
  -- The plugin runs: now there is time for what was left when the machine's power went.
  if #launches.of_other_boots() > 0 then require("gantry.plugin.leftovers").remove_earlier_boots(self.engine) end
  return true
end

---@param path string
---@param arguments string[]
---@param believe boolean
---@return boolean? ok
---@return gantry.Error|gantry.Error[]|nil err
---@return boolean? once_more as of run_on_engine
local function attempt(path, arguments, believe)
  local beginning, err = begin(path, arguments, believe)
  if not beginning then return nil, err end
  if not beginning.gates then return run_on_engine(beginning, arguments) end
  local ok, problem = by_gate.run(beginning.policy, beginning.gates, arguments,
    beginning.start_by - core.loop.clock())
  return ok, problem
end

---@param path string
---@param arguments string[]
---@return boolean? ok, gantry.Error|gantry.Error[]|nil err
function launcher.run(path, arguments)
  local ok, err, once_more = attempt(path, arguments, true)
  if once_more then ok, err = attempt(path, arguments, false) end
  return ok, err
end

---@param path string the policy
---@param ... string the host's arguments for its plugin
---@return integer exit_code
function launcher.main(path, ...)
  local arguments = { ... }
  local lives, ok, err = face_watch.run(function() return launcher.run(path, arguments) end)
  if lives and ok then return 0 end
  if lives then face.tell("failed", messages.reason(err or errors.new("FAILED", "the launch failed"))) end
  return 1
end

return launcher
