-- SPDX-License-Identifier: Apache-2.0
--
--- supervisor/view.lua: a unit as programs and people see it from outside.

local attach = require "gantry.plugin.attach"
local stats = require "gantry.supervisor.stats"
local what_runs = require("gantry.config").what_runs
local text = require "gantry.restart.text"
local warm = require "gantry.supervisor.warm"

local view = {}

---@param one gantry.Unit
---@return string? what of the engine's holds it up
local function trouble(one)
  if one.trouble then return one.trouble.message end
  local id, told = one.plugin and one.plugin.container, one.supervisor.deaths
  if id and told and told:is_paused(id) then return attach.paused(one.plugin.engine, id).message end
  if one.away then return "waits for the engine: " .. one.away.message end
end

---@param one gantry.Unit
---@return string? for people
local function detail(one)
  local held_up = trouble(one)
  if held_up then return held_up end
  if one.blocked then return one.blocked end
  if one.state == "waiting" then
    local missing = {}
    for _, name in ipairs(one.config.after or {}) do
      local other = one.supervisor.units[name]
      if not other or other.state ~= "ready" then
        missing[#missing + 1] = name .. (other and "" or " (no such policy)")
      end
    end
    return "waits for " .. table.concat(missing, ", ")
  end
  if one.decision and one.state ~= "ready" then return one.decision.reason end
end

---@class gantry.PluginView
---@field name string
---@field state string see docs/supervision.md
---@field wanted "up"|"down"
---@field generation integer
---@field restarts integer
---@field image string as its policy names it
---@field image_id string?
---@field policy string path
---@field container string? the engine's id
---@field address { network: string, string: string }? where hosts reach it
---@field protocol string?
---@field protocol_version integer?
---@field memory integer? its limit, in bytes
---@field uptime number? seconds since it became ready
---@field next_start number? seconds until it is started again
---@field detail string? what it waits for, or why it is down
---@field warm { size: integer, waiting: integer }? containers that wait for it: how many are to, and do
---@field standby { size: integer, waiting: integer }? whether another one is to stand by, and does
---@field trouble string? what of the engine's holds it up
---@field corpses integer? dead containers that the engine does not let be removed
---@field last_exit table? cause, code, signal, error, limit, uptime, generation, requested, time, and text for people
---@field stats gantry.SupervisedStats? where they were asked for

---@param one gantry.Unit
---@param figures gantry.SupervisedStats?
---@return gantry.PluginView for JSON
function view.of(one, figures)
  local plugin, config = one.plugin, one.generation_config or one.config
  local due = one.state == "backoff" and one.due and math.max(0, one.due - one:clock()) or nil
  local exit = one.last_exit
  return {
    name = one.name, state = one.state, wanted = one.wanted, generation = one.restart.generation,
    restarts = one.restart.restarts, image = what_runs(config),
    image_id = one.live and one.live.image_id, policy = one.policy.path, container = plugin and plugin.container,
    address = plugin and plugin.address, protocol = plugin and plugin.protocol,
    protocol_version = plugin and plugin.protocol_version, memory = config.memory,
    uptime = one.ready_since and one.supervisor.clock() - one.ready_since, next_start = due, detail = detail(one),
    trouble = trouble(one), stats = figures, warm = warm.count(one.pool),
    standby = warm.count(one.standby),
    corpses = #one.corpses > 0 and #one.corpses or nil,
    last_exit = exit and { cause = exit.cause, code = exit.code, signal = exit.signal, error = exit.error,
      limit = exit.limit, uptime = exit.uptime, generation = exit.generation, requested = exit.requested,
      time = exit.time, text = text.exit_short(exit) },
  }
end

---@param supervisor gantry.Supervisor
---@return gantry.Unit[] sorted by name
function view.units(supervisor)
  local list = {}
  for _, one in pairs(supervisor.units) do list[#list + 1] = one end
  table.sort(list, function(left, right) return left.name < right.name end)
  return list
end

---@param units gantry.Unit[]
---@param with_stats boolean? whether with their figures, which may have to be waited for
---@return gantry.PluginView[]
function view.list(units, with_stats)
  local figures, list = with_stats and stats.of(units) or {}, {}
  for i, one in ipairs(units) do list[i] = view.of(one, figures[one]) end
  return list
end

---@param supervisor gantry.Supervisor
---@param with_stats boolean?
---@return gantry.PluginView[] sorted by name
function view.all(supervisor, with_stats)
  return view.list(view.units(supervisor), with_stats)
end

return view
