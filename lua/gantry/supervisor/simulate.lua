-- SPDX-License-Identifier: Apache-2.0
--
--- supervisor/simulate.lua: what a policy would decide: ends are made up, time passes on a clock of our own, nothing is
--- started.

local asker = require "gantry.restart.asker"
local changes = require "gantry.restart.changes"
local context = require "gantry.policy.context"
local decider = require "gantry.restart.decider"
local ending = require "gantry.supervisor.ending"
local engines = require "gantry.engine"
local errors = require "gantry.base.errors"
local hook = require "gantry.supervisor.hook"
local policies = require "gantry.policy"
local strategies = require "gantry.config.strategies"
local units = require "gantry.base.units"
local words = require "gantry.base.words"

local simulate = {}

local MOST_ENDS <const> = 10000
local DEFAULT_UPTIME <const> = 5
-- What may be said of an end; all else of it follows from these.
local GIVEN <const> = { cause = true, code = true, signal = true, uptime = true, error = true, image_id = true }
local OF_PROCESS <const> = { exit = true, signal = true, oom = true }
local KILLED = { KILL = 9, TERM = 15, SEGV = 11, ABRT = 6, INT = 2, HUP = 1, BUS = 7, ILL = 4, QUIT = 3, FPE = 8 }

---@class gantry.SimulatedStep
---@field at number seconds since the first start
---@field generation integer that ended
---@field exit table
---@field decision gantry.Decision
---@field memory integer? its limit, in bytes
---@field command string[]? what on_exit would run
---@field fault string? why on_exit would run nothing

local is_cause = {}
for _, cause in ipairs(strategies.CAUSES) do is_cause[cause] = true end

---One end, from any of the ways to write it: an exit code, a cause, a table.
---@param value any
---@param uptime number
---@return table? exit, string? reason
local function read_end(value, uptime)
  if math.type(value) == "integer" then return { cause = "exit", code = value, uptime = uptime } end
  if type(value) == "string" then value = { cause = value } end
  if type(value) ~= "table" then return nil, "an end is an exit code, a cause or a table, got " .. words.show(value) end
  local exit = { uptime = uptime }
  for key, one in pairs(value) do
    if not GIVEN[key] then
      return nil, ("an end has no %s; it has cause, code, signal, uptime, error, image_id"):format(words.show(key))
    end
    exit[key] = one
  end
  exit.cause = exit.cause or exit.signal and "signal" or "exit"
  if not is_cause[exit.cause] then
    return nil, ("no cause %s; there are %s"):format(words.show(exit.cause), table.concat(strategies.CAUSES, ", "))
  end
  if exit.cause == "exit" then exit.code = exit.code or 1 end
  if exit.cause == "oom" then exit.code, exit.signal = 137, "KILL" end
  if exit.cause == "signal" then exit.signal = exit.signal or "KILL" end
  if not OF_PROCESS[exit.cause] then exit.error = exit.error or "simulated" end
  if exit.signal then exit.code = exit.code or 128 + (KILLED[exit.signal] or 9) end
  local reason
  exit.uptime, reason = units.seconds(exit.uptime)
  if not exit.uptime then return nil, "uptime " .. reason end
  return exit
end

---@param events table a list of ends, or counts by cause: { oom = 3 }
---@param uptime number
---@return table[]? exits, string? reason
local function read_events(events, uptime)
  local list, exits = {}, {}
  for _, value in ipairs(events) do list[#list + 1] = value end
  for _, cause in ipairs(strategies.CAUSES) do
    local count = events[cause]
    if count ~= nil then
      if math.type(count) ~= "integer" or count < 0 or count > MOST_ENDS then
        return nil, ("%s: a count, got %s"):format(cause, words.show(count))
      end
      for _ = 1, count do list[#list + 1] = cause end
    end
  end
  for key in pairs(events) do
    if type(key) == "string" and not is_cause[key] then
      return nil, ("no cause %s; there are %s"):format(words.show(key), table.concat(strategies.CAUSES, ", "))
    end
  end
  for i, value in ipairs(list) do
    local exit, reason = read_end(value, uptime)
    if not exit then return nil, reason end
    exits[i] = exit
  end
  return exits
end

---The same random numbers each time.
---@param seed integer
---@return fun(): number
local function random_from(seed)
  local state = seed
  return function()
    state = state * 6364136223846793005 + 1442695040888963407
    return (state >> 33) / 2147483648.0
  end
end

---@param run table
---@param given table
---@return gantry.SimulatedStep
local function step(run, given)
  local config = changes.apply(run.config, run.state.changes) or run.config
  local generation = run.state.live or decider.started(run.state, run.now, run.automatic)
  local exit = ending.make({ config = config, name = config.name or run.name, generation = generation,
    uptime = given.uptime, image_id = given.image_id }, given)
  if exit.ready then decider.ready(run.state, run.now) end
  run.now = run.now + exit.uptime
  local decision = decider.decide(run.ask(config), run.state, exit, run.now, { random = run.random, time = run.now })
  local done = { at = run.now, generation = generation, exit = exit, decision = decision, memory = config.memory }
  done.command, done.fault = run.command(exit, decision)
  run.now, run.automatic = run.now + (decision.delay or 0), decision.automatic
  return done
end

---@param policy gantry.Policy
---@return table run
local function begin(policy, options)
  local config = policy.config
  local function ask(current)
    if policy.loader then return asker.of_policy(policy, current) end
    return asker.of_config(current)
  end
  -- A table of fields has no bounds to run its function in.
  local on_exit = (policy.loader or type(config.on_exit) ~= "function") and config.on_exit or nil
  local function command(exit, decision) return hook.command(policy, on_exit, exit, decision) end
  return { config = config, name = policy.name or "plugin", ask = ask, command = command,
    state = decider.new_state(), now = 0, automatic = false,
    random = random_from(options.seed or 1) }
end

---Lets a plugin end again and again, and asks its policy each time. Ends early where the plugin stays down.
---@param policy string|gantry.Policy|table path, loaded policy, or a table of config fields
---@param events table such as { oom = 3 }, or a list of ends: { 2, "oom", { signal = "KILL", uptime = "41s" } }
---@param options { uptime: number|string?, seed: integer?, engine: any, verb: string?, print: function? }? uptime
--- of ends without one; print as in gantry.LoadOptions
---@return gantry.SimulatedStep[]? steps
---@return gantry.Error|gantry.Error[]|nil err
function simulate.run(policy, events, options)
  options = options or {}
  if type(events) ~= "table" then error("simulate needs a table of ends, got " .. words.show(events), 2) end
  local exits, reason = read_events(events, options.uptime or DEFAULT_UPTIME)
  if not exits then return nil, errors.new("SIMULATE_INVALID", "simulate: " .. reason) end
  if type(policy) == "string" or not policy.config then
    local load = type(policy) == "table" and policies.of_fields or policies.load
    local loaded, err = load(policy, context.of({ ctx = options.ctx, verb = options.verb or "simulate" },
      function() return engines.of(options.engine) end), { print = options.print })
    if not loaded then return nil, err end
    policy = loaded
  end
  local run = begin(policy, options)
  local steps = {}
  for i, exit in ipairs(exits) do
    steps[i] = step(run, exit)
    local action = steps[i].decision.action
    if action == "stop" or action == "fail" then break end
  end
  return steps
end

return setmetatable(simulate, { __call = function(_, ...) return simulate.run(...) end })
