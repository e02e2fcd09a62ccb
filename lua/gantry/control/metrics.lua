-- SPDX-License-Identifier: Apache-2.0
--
--- control/metrics.lua: the supervisor's numbers in Prometheus' text format, named as Prometheus' conventions have it.
--- What plugins use is read when it is asked for.

local stats = require "gantry.supervisor.stats"
local view = require "gantry.supervisor.view"

local metrics = {}

---@alias gantry.MetricValue fun(one: gantry.Unit, figures: gantry.SupervisedStats): number|boolean|nil

---@param name string of gantry.SupervisedStats
---@return gantry.MetricValue
local function figure(name)
  return function(_, figures) return figures[name] end
end

---@type { [1]: string, [2]: string, [3]: string, [4]: gantry.MetricValue }[] name, type, help, value; nil: no sample
local PER_PLUGIN = {
  { "gantry_plugin_ready", "gauge", "Whether the plugin is ready.", function(one) return one.state == "ready" end },
  { "gantry_plugin_wanted", "gauge", "Whether the plugin is to run.", function(one) return one.wanted == "up" end },
  { "gantry_plugin_failed", "gauge", "Whether the plugin stays down until somebody acts.", function(one)
    return one.state == "failed"
  end },
  { "gantry_plugin_starts_total", "counter", "Generations of the plugin that were started.", function(one)
    return one.restart.generation
  end },
  { "gantry_plugin_uptime_seconds", "gauge", "How long the live generation has been ready.", function(one)
    return one.ready_since and one.supervisor.clock() - one.ready_since or 0
  end },
  { "gantry_plugin_cpu_seconds_total", "counter", "CPU time of the live generation.", figure "cpu_seconds" },
  { "gantry_plugin_memory_bytes", "gauge", "Memory in use, without what the kernel can drop of files that were read.",
    figure "memory_bytes" },
  { "gantry_plugin_memory_limit_bytes", "gauge", "The limit of memory, where there is one.",
    figure "memory_limit_bytes" },
  { "gantry_plugin_pids", "gauge", "Processes and threads.", figure "pids" },
  { "gantry_plugin_pids_limit", "gauge", "The limit of processes and threads, where there is one.",
    figure "pids_limit" },
  { "gantry_plugin_health_check_failures_total", "counter", "Health checks that failed.", figure "health_failures" },
  { "gantry_plugin_output_bytes_total", "counter", "Bytes of the plugin's output.", figure "output_bytes" },
  { "gantry_plugin_calls_total", "counter", "Calls of the plugin that gantry's process made.", figure "calls" },
  { "gantry_plugin_call_failures_total", "counter", "Calls of those that ended with an error.",
    figure "calls_failed" },
  { "gantry_plugin_warm_containers", "gauge", "Containers that wait for the plugin, where its policy has them.",
    function(one) return one.pool and #one.pool.members end },
  { "gantry_plugin_standby", "gauge", "Whether another process of the plugin stands by, where its policy has one.",
    function(one) return one.standby and #one.standby.members end },
}

---@type { [1]: string, [2]: string, [3]: string }[] name, help, field of gantry.Counts
local HISTOGRAMS = {
  { "gantry_plugin_start_handshake_seconds", "Time from the launch to the handshake, of starts that succeeded.",
    "handshake" },
  { "gantry_plugin_start_ready_seconds", "Time from the launch to ready, of starts that succeeded.", "ready" },
  { "gantry_plugin_health_check_seconds", "Time that a health check took.", "health" },
}

-- What the format has for characters that a label's value cannot hold as they are.
local ESCAPES <const> = { ["\\"] = "\\\\", ['"'] = '\\"', ["\n"] = "\\n" }

---@param value string of a label
---@return string
local function escaped(value)
  return (value:gsub('[\\"\n]', ESCAPES))
end

---@param lines string[]
---@param name string
---@param kind string
---@param help string
local function head(lines, name, kind, help)
  lines[#lines + 1] = ("# HELP %s %s"):format(name, help)
  lines[#lines + 1] = ("# TYPE %s %s"):format(name, kind)
end

---@param lines string[]
---@param name string
---@param labels string such as 'plugin="kv"'; empty for none
---@param value number|boolean
local function sample(lines, name, labels, value)
  if type(value) == "boolean" then value = value and 1 or 0 end
  if labels ~= "" then labels = "{" .. labels .. "}" end
  lines[#lines + 1] = ("%s%s %.14g"):format(name, labels, value)
end

---@param lines string[]
---@param name string
---@param label string
---@param histogram gantry.Histogram
local function samples_of(lines, name, label, histogram)
  local below = 0
  for i, bound in ipairs(histogram.bounds) do
    below = below + histogram.counts[i]
    sample(lines, name .. "_bucket", ('%s,le="%.14g"'):format(label, bound), below)
  end
  sample(lines, name .. "_bucket", label .. ',le="+Inf"', histogram.count)
  sample(lines, name .. "_sum", label, histogram.sum)
  sample(lines, name .. "_count", label, histogram.count)
end

---@param lines string[]
---@param units gantry.Unit[]
---@param labels table<gantry.Unit, string>
local function add_words(lines, units, labels)
  head(lines, "gantry_plugin_state", "gauge", "The plugin's state, as gantry ps has it.")
  for _, one in ipairs(units) do
    sample(lines, "gantry_plugin_state", ('%s,state="%s"'):format(labels[one], one.state), 1)
  end
  head(lines, "gantry_plugin_restarts_total", "counter", "Restarts that followed an end, by its cause.")
  for _, one in ipairs(units) do
    local causes = {}
    for cause in pairs(one.counts.restarts) do causes[#causes + 1] = cause end
    table.sort(causes)
    for _, cause in ipairs(causes) do
      sample(lines, "gantry_plugin_restarts_total", ('%s,cause="%s"'):format(labels[one], escaped(cause)),
        one.counts.restarts[cause])
    end
  end
end

---Waits only where an engine on another machine has to tell what plugins use.
---@param supervisor gantry.Supervisor
---@return string
function metrics.text(supervisor)
  local lines, labels, units = {}, {}, view.units(supervisor)
  local figures = stats.of(units)
  for _, one in ipairs(units) do labels[one] = ('plugin="%s"'):format(escaped(one.name)) end
  for _, metric in ipairs(PER_PLUGIN) do
    head(lines, metric[1], metric[2], metric[3])
    for _, one in ipairs(units) do
      local value = metric[4](one, figures[one])
      if value ~= nil then sample(lines, metric[1], labels[one], value) end
    end
  end
  add_words(lines, units, labels)
  for _, metric in ipairs(HISTOGRAMS) do
    head(lines, metric[1], "histogram", metric[2])
    for _, one in ipairs(units) do
      local histogram = one.counts[metric[3]]
      if histogram.count > 0 then samples_of(lines, metric[1], labels[one], histogram) end
    end
  end
  head(lines, "gantry_launches_under_way", "gauge", "Launches under way.")
  sample(lines, "gantry_launches_under_way", "", supervisor.pacing.under_way)
  head(lines, "gantry_launch_limit", "gauge", "Launches that may be under way.")
  sample(lines, "gantry_launch_limit", "", supervisor.pacing.limit)
  head(lines, "gantry_lua_memory_bytes", "gauge", "Memory of the Lua state.")
  sample(lines, "gantry_lua_memory_bytes", "", collectgarbage("count") * 1024 // 1)
  return table.concat(lines, "\n") .. "\n"
end

return metrics
