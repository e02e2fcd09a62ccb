-- SPDX-License-Identifier: Apache-2.0
--
--- supervisor/stats.lua: what a plugin under supervision uses and has done: the one place of its figures for all who
--- show them: ps, metrics, and whatever draws them. What it uses is read when somebody looks; what happens to it is
--- counted as it happens, which costs an addition.

local histogram = require "gantry.base.histogram"
local plugin_stats = require "gantry.plugin.stats"
local task = require "gantry.task"

local stats = {}

-- Seconds: upper bounds of the histograms.
local START_BOUNDS <const> = { 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60 }
local HEALTH_BOUNDS <const> = { 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5 }
-- Plugins that are looked at at the same time, and seconds for all of them: engines take their time.
local AT_ONCE <const>, TIMEOUT <const> = 16, 5

---What a plugin under supervision uses, which is nil while it does not run, and what it has done, in all its
---generations since the supervisor began. Times are those of the last start.
---@class gantry.SupervisedStats: gantry.Stats
---@field restarts_by_cause table<string, integer>? those that were decided on, for as long as its state is kept
---@field health_checks integer
---@field health_failures integer
---@field health_seconds number? what the last check took

---@class gantry.Counts what is counted of a plugin, over all its generations
---@field handshake gantry.Histogram seconds to the handshake
---@field ready gantry.Histogram seconds to ready
---@field health gantry.Histogram seconds of a check
---@field health_failures integer
---@field health_last number? seconds
---@field restarts table<string, integer> by cause
---@field output_bytes integer
---@field calls integer of generations that have ended, as what follows
---@field calls_failed integer
---@field handshake_last number? seconds
---@field ready_last number? seconds
local Counts = {}
Counts.__index = Counts

---@param restarts table<string, integer>? by cause, of an earlier supervisor
---@return gantry.Counts
function stats.counts(restarts)
  return setmetatable({ handshake = histogram.new(START_BOUNDS), ready = histogram.new(START_BOUNDS),
    health = histogram.new(HEALTH_BOUNDS), health_failures = 0, restarts = restarts or {}, output_bytes = 0, calls = 0,
    calls_failed = 0 }, Counts)
end

---A generation is ready.
---@param plugin gantry.Plugin
function Counts:take_start(plugin)
  local milliseconds = plugin.ready_ms or 0
  self.handshake_last = plugin.handshake_ms and plugin.handshake_ms / 1000
  self.ready_last = milliseconds > 0 and milliseconds / 1000 or nil
end

---A generation was launched here, and is ready.
---@param plugin gantry.Plugin
function Counts:launched(plugin)
  self:take_start(plugin)
  if self.handshake_last then self.handshake:observe(self.handshake_last) end
  if self.ready_last then self.ready:observe(self.ready_last) end
end

---A generation has ended: what it counted itself is kept.
---@param plugin gantry.Plugin
function Counts:ended(plugin)
  self.calls, self.calls_failed = self.calls + (plugin.calls_made or 0), self.calls_failed + (plugin.calls_failed or 0)
end

---@param cause string
function Counts:restarted(cause)
  self.restarts[cause] = (self.restarts[cause] or 0) + 1
end

---@param seconds number
---@param healthy boolean
function Counts:checked(seconds, healthy)
  self.health:observe(seconds)
  self.health_last = seconds
  if not healthy then self.health_failures = self.health_failures + 1 end
end

---@param unit gantry.Unit
---@param usage gantry.Usage?
---@return gantry.SupervisedStats
local function of(unit, usage)
  local counts, plugin = unit.counts, unit.plugin or {}
  local result = usage or {}
  result.handshake_seconds, result.ready_seconds = counts.handshake_last, counts.ready_last
  result.restarts_by_cause = next(counts.restarts) and counts.restarts or nil
  result.health_checks, result.health_failures = counts.health.count, counts.health_failures
  result.health_seconds, result.output_bytes = counts.health_last, counts.output_bytes
  result.calls = counts.calls + (plugin.calls_made or 0)
  result.calls_failed = counts.calls_failed + (plugin.calls_failed or 0)
  return result
end

---What the live generations use. One that ended meanwhile has nothing here, nor has one that nobody told of in time.
---@param units gantry.Unit[]
---@return table<gantry.Unit, gantry.Usage>
local function usages(units)
  local found, next_unit = {}, 1
  local function work()
    while units[next_unit] do
      local unit = units[next_unit]
      next_unit = next_unit + 1
      local plugin = unit.plugin
      local usage = plugin and not (unit.away and plugin.cgroup == false) and plugin_stats.usage(plugin)
      if usage and unit.plugin == plugin then found[unit] = usage end
      task.sleep(0) -- others are not kept waiting by many plugins
    end
  end
  local workers = {}
  for i = 1, math.min(AT_ONCE, #units) do workers[i] = work end
  task.deadline(TIMEOUT, task.all, table.unpack(workers))
  return found
end

---The figures of plugins, now. Waits only for an engine on another machine.
---@param units gantry.Unit[]
---@return table<gantry.Unit, gantry.SupervisedStats>
function stats.of(units)
  local used, result = usages(units), {}
  for _, unit in ipairs(units) do result[unit] = of(unit, used[unit]) end
  return result
end

return stats
