-- SPDX-License-Identifier: Apache-2.0
--
--- restart/history.lua: what a policy is told of the past, from the state of the decision core.

local deep_copy = require "gantry.base.deep_copy"
local strategies = require "gantry.config.strategies"
local units = require "gantry.base.units"

local history = {}

---How many ends in a row, the current one included, came without a generation between them that was ready for
---`reset_after` seconds; less one. Exact, since `peaks` holds the longest-lived generations.
---@param state gantry.RestartState
---@param reset_after number
---@return integer
function history.level(state, reset_after)
  for i = #state.peaks, 1, -1 do
    if state.peaks[i].uptime >= reset_after then return state.counted - state.peaks[i].number end
  end
  return math.max(0, state.counted - 1)
end

---The delay of a backoff, before the floors. Jitter takes away, so that `max` is never exceeded.
---@param state gantry.RestartState
---@param parameters { first: number, factor: number, max: number, jitter: number, reset_after: number }
---@param random fun(): number from 0 to 1
---@return number seconds
---@return integer attempt
function history.backoff(state, parameters, random)
  local level = history.level(state, parameters.reset_after)
  local delay = math.min(parameters.max, parameters.first * parameters.factor ^ level)
  if parameters.jitter > 0 then delay = delay * (1 - parameters.jitter * random()) end
  return delay, level + 1
end

---How many automatic restarts there were in the last seconds.
---@param state gantry.RestartState
---@param seconds number
---@return integer
function history.within(state, seconds)
  local count, times = 0, state.restarted
  for i = #times, 1, -1 do
    if state.clock - times[i] > seconds then break end
    count = count + 1
  end
  return count
end

---@param exits table[] of the state
---@param clock number
---@return table[] copies, latest first, with `ago` in seconds
local function last_exits(exits, clock)
  local list = {}
  for i = #exits, 1, -1 do
    local one = exits[i]
    list[#list + 1] = { cause = one.cause, code = one.code, signal = one.signal, uptime = one.uptime,
      generation = one.generation, image_id = one.image_id, requested = one.requested, ago = clock - one.at }
  end
  return list
end

---The second argument of a policy's function. Nothing in it leads back to the launcher's own tables.
---@param state gantry.RestartState
---@param facts { random: fun(): number, config: table?, time: number? }
---@return table
function history.view(state, facts)
  local view = {
    restarts = state.restarts, generation = state.generation, state = deep_copy.of(state.memory),
    exits = last_exits(state.exits, state.clock), last_delay = state.last_delay, time = facts.time,
    config = deep_copy.of(facts.config or {}), consecutive = history.level(state, strategies.DEFAULT.reset_after) + 1,
  }
  view.last = view.exits[2] -- the first is the end that is decided on

  function view.within(duration)
    local seconds, reason = units.seconds(duration)
    if not seconds then error("history.within: the duration " .. reason, 2) end
    return history.within(state, seconds)
  end

  function view.backoff(parameters)
    local given = {}
    for key, value in pairs(parameters or {}) do given[key] = value end
    given.strategy = "backoff"
    local read, reason = strategies.read(given)
    if not read then error((reason:gsub("^restart%.", "history.")), 2) end
    return (history.backoff(state, read, facts.random))
  end
  return view
end

return history
