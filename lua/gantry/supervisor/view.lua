-- SPDX-License-Identifier: Apache-2.0
--
--- supervisor/view.lua: a unit as programs and people see it from outside.

local attach = require "gantry.plugin.attach"
local text = require "gantry.restart.text"

local view = {}

---@param one gantry.Unit
---@return string? what of the engine's holds it up
local function trouble(one)
  if one.trouble then return one.trouble.message end
  local id, told = one.plugin and one.plugin.container, one.supervisor.deaths
  if id and told and told:is_paused(id) then return attach.paused({ Id = id }).message end
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

---@param one gantry.Unit
---@param stats gantry.SupervisedStats? where its figures were asked for
---@return table for JSON
function view.of(one, stats)
  local plugin, config = one.plugin, one.generation_config or one.config
  local due = one.state == "backoff" and one.due and math.max(0, one.due - one:clock()) or nil
  local exit = one.last_exit
  return {
    name = one.name, state = one.state, wanted = one.wanted, generation = one.restart.generation,
    restarts = one.restart.restarts, image = config.tag and config.image .. ":" .. config.tag or config.image,
    image_id = one.live and one.live.image_id, policy = one.policy.path, container = plugin and plugin.container,
    address = plugin and plugin.address, protocol = plugin and plugin.protocol,
    protocol_version = plugin and plugin.protocol_version, memory = config.memory,
    uptime = one.ready_since and one.supervisor.clock() - one.ready_since, next_start = due, detail = detail(one),
    trouble = trouble(one), stats = stats,
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

---@param supervisor gantry.Supervisor
---@return table[] sorted by name
function view.all(supervisor)
  local list = {}
  for i, one in ipairs(view.units(supervisor)) do list[i] = view.of(one) end
  return list
end

return view
