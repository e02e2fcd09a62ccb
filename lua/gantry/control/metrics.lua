-- SPDX-License-Identifier: Apache-2.0
--
--- control/metrics.lua: the supervisor's numbers in Prometheus' text format.

local metrics = {}

---@type { [1]: string, [2]: string, [3]: string, [4]: fun(one: gantry.Unit): number }[] name, type, help, value
local PER_PLUGIN = {
  { "gantry_plugin_ready", "gauge", "Whether the plugin is ready.", function(one)
    return one.state == "ready" and 1 or 0
  end },
  { "gantry_plugin_failed", "gauge", "Whether the plugin stays down until somebody acts.", function(one)
    return one.state == "failed" and 1 or 0
  end },
  { "gantry_plugin_generation", "counter", "Starts of the plugin so far.", function(one)
    return one.restart.generation
  end },
  { "gantry_plugin_restarts_total", "counter", "Automatic restarts since it was last started by hand.", function(one)
    return one.restart.restarts
  end },
  { "gantry_plugin_uptime_seconds", "gauge", "How long the live generation has been ready.", function(one)
    return one.ready_since and one.supervisor.clock() - one.ready_since or 0
  end },
}

---@param supervisor gantry.Supervisor
---@return gantry.Unit[]
local function sorted(supervisor)
  local list = {}
  for _, one in pairs(supervisor.units) do list[#list + 1] = one end
  table.sort(list, function(left, right) return left.name < right.name end)
  return list
end

---@param lines string[]
---@param name string
---@param kind string
---@param help string
local function head(lines, name, kind, help)
  lines[#lines + 1] = ("# HELP %s %s"):format(name, help)
  lines[#lines + 1] = ("# TYPE %s %s"):format(name, kind)
end

-- What the format has for characters that a label's value cannot hold as they are.
local ESCAPES <const> = { ["\\"] = "\\\\", ['"'] = '\\"', ["\n"] = "\\n" }

---@param value string of a label
---@return string
local function escaped(value)
  return (value:gsub('[\\"\n]', ESCAPES))
end

---@param supervisor gantry.Supervisor
---@return string
function metrics.text(supervisor)
  local lines, units = {}, sorted(supervisor)
  for _, metric in ipairs(PER_PLUGIN) do
    head(lines, metric[1], metric[2], metric[3])
    for _, one in ipairs(units) do
      lines[#lines + 1] = ("%s{plugin=\"%s\"} %.14g"):format(metric[1], escaped(one.name),
        metric[4](one))
    end
  end
  head(lines, "gantry_launches_under_way", "gauge", "Launches under way.")
  lines[#lines + 1] = ("gantry_launches_under_way %d"):format(supervisor.pacing.under_way)
  head(lines, "gantry_launch_limit", "gauge", "Launches that may be under way.")
  lines[#lines + 1] = ("gantry_launch_limit %d"):format(supervisor.pacing.limit)
  head(lines, "gantry_lua_memory_bytes", "gauge", "Memory of the Lua state.")
  lines[#lines + 1] = ("gantry_lua_memory_bytes %d"):format(collectgarbage("count") * 1024 // 1 | 0)
  return table.concat(lines, "\n") .. "\n"
end

return metrics
