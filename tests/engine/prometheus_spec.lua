-- SPDX-License-Identifier: Apache-2.0
--
--- What Debian's Prometheus makes of gantry: its linter reads the metrics, it scrapes them, each query of the dashboard
--- finds something there, and the alert rules fire.

local core = require "gantry.core"
local json = require "gantry.json"
local support = require "engine.support"
local supervision = require "engine.supervision"
local task = require "gantry.task"

local DOCS <const> = support.source .. "/docs/prometheus"
local FIRST_PORT <const>, PORTS <const>, TRIES <const> = 20000, 20000, 5

describe("Prometheus", function()
  local place, commands

  before_each(function() place, commands = supervision.place(), {} end)
  after_each(function()
    task.run(function()
      support.end_all(commands)
      place:close()
    end)
  end)

  local function test(name, fn)
    it(name, function() task.run(fn) end)
  end

  ---@param executable string
  ---@param ... string
  ---@return support.Command
  local function start(executable, ...)
    local command = support.command({ ... }, { executable = executable })
    commands[#commands + 1] = command
    return command
  end

  ---@param executable string
  ---@param ... string
  ---@return string stdout, string stderr
  local function run(executable, ...)
    local command = start(executable, ...)
    assert.are.equal(0, command:wait().code, command.stdout .. command.stderr)
    return command.stdout, command.stderr
  end

  ---@return string
  local function metrics()
    return (run("/usr/bin/curl", "-sf", "--unix-socket", place.runtime_dir .. "/.control.sock",
      "http://gantry/v1/metrics"))
  end

  ---A plugin that lives, one that ends again and again, one that ended for good, and one that was stopped.
  ---@param again boolean? whether the supervisor runs
  local function plugins(again)
    place:policy("kv", [[memory = "64MiB", health = { period = "200ms", timeout = "5s" },
      args = { "-print-stderr", "x", "-print-every", "50ms" },]])
    place:policy("crashing", "args = { '-exit-after', '300ms', '-exit-code', '3' },")
    place:policy("failed", "args = { '-exit-after', '100ms' }, restart = 'never',")
    place:policy "stopped"
    if again then place:run "reload" else place:up() end
    place:await_state("kv", "ready")
    place:await_state("stopped", "ready")
    assert.are.equal(0, place:run("stop", "stopped").code)
    support.eventually("one was restarted", function() return place:plugin("crashing").restarts > 1 end)
  end

  test("has nothing to say against the metrics, whatever plugins do", function()
    place:up()
    local empty = support.write(place.root .. "/empty", metrics())
    assert.are.same({ "", "" }, { run("/bin/sh", "-c", "promtool check metrics <" .. empty) })
    plugins(true)
    local text = metrics()
    local full = support.write(place.root .. "/full", text)
    assert.are.same({ "", "" }, { run("/bin/sh", "-c", "promtool check metrics <" .. full) })
    for _, sample in ipairs { 'gantry_plugin_ready{plugin="kv"} 1\n', 'gantry_plugin_wanted{plugin="stopped"} 0\n',
      'gantry_plugin_state{plugin="failed",state="ended"} 1\n',
      'gantry_plugin_memory_limit_bytes{plugin="kv"} 67108864\n', 'gantry_plugin_starts_total{plugin="kv"} 1\n',
      'gantry_plugin_start_ready_seconds_count{plugin="kv"} 1\n',
      'gantry_plugin_start_handshake_seconds_bucket{plugin="kv",le="+Inf"} 1\n',
      'gantry_plugin_health_check_failures_total{plugin="kv"} 0\n' } do
      assert.is_truthy(text:find(sample, 1, true), sample .. text)
    end
    for _, name in ipairs { "cpu_seconds_total", "memory_bytes", "pids", "output_bytes_total" } do
      assert.is_true(tonumber(text:match("\ngantry_plugin_" .. name .. '{plugin="kv"} (%S+)\n')) > 0, name)
    end
    assert.is_nil(text:find('gantry_plugin_memory_bytes{plugin="stopped"}', 1, true))
    assert.matches('gantry_plugin_restarts_total{plugin="crashing",cause="exit"} [1-9]', text)
  end)

  test("knows the alert rules, and what they make of made-up series", function()
    run("/usr/bin/promtool", "check", "rules", DOCS .. "/alerts.yml")
    run("/usr/bin/promtool", "test", "rules", support.source .. "/tests/engine/alerts_test.yml")
  end)

  ---Starts Prometheus, which scrapes gantry.
  ---@return string url
  local function prometheus()
    local port = start("/usr/bin/python3", support.source .. "/tests/engine/metrics_proxy.py",
      place.runtime_dir .. "/.control.sock"):await("stdout", "^(%d+)\n")
    local config = support.write(place.root .. "/prometheus.yml", ([[
global: { scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 500ms }
rule_files: [ %s/alerts.yml ]
scrape_configs: [ { job_name: gantry, static_configs: [ { targets: [ "127.0.0.1:%s" ] } ] } ]
]]):format(DOCS, port))
    for _ = 1, TRIES do
      local own = FIRST_PORT + tonumber(core.system.random(2), 16) % PORTS
      local command = start("/usr/bin/prometheus", "--config.file=" .. config, "--storage.tsdb.path=" .. place.root
        .. "/prometheus", ("--web.listen-address=127.0.0.1:%d"):format(own))
      local ready = support.eventually("Prometheus serves, or has ended", function()
        return command.exit and "ended" or command.stderr:find("Server is ready to receive web requests", 1, true)
      end)
      if ready ~= "ended" then return ("http://127.0.0.1:%d/api/v1/"):format(own) end
      assert.matches("address already in use", command.stderr)
    end
    error "no port is free"
  end

  ---@param url string
  ---@param ... string arguments of curl
  ---@return table data
  local function get(url, ...)
    local answer = assert(json.decode((run("/usr/bin/curl", "-s", "-G", url, ...))))
    assert.are.equal("success", answer.status, answer.error)
    return answer.data
  end

  ---@param text string with Grafana's variables
  ---@return string
  local function with_values(text)
    return (text:gsub("%$__rate_interval", "10s"):gsub("%$%l+", ".*"))
  end

  test("scrapes what the dashboard shows and the alerts look at", function()
    plugins()
    local url = prometheus()
    local dashboard = assert(json.decode(support.read(DOCS .. "/dashboard.json")))
    local asked = 0
    for _, panel in ipairs(dashboard.panels) do
      for _, target in ipairs(panel.targets) do
        asked = asked + 1
        support.eventually(panel.title .. " has values: " .. target.expr, function()
          local found = get(url .. "query", "--data-urlencode", "query=" .. with_values(target.expr)).result
          return #found > 0 and found[1].value[2] ~= "NaN"
        end)
      end
    end
    assert.is_true(asked >= 15)
    for _, variable in ipairs(dashboard.templating.list) do
      local series, label = tostring(variable.definition):match "^label_values%((.-), (%l+)%)$"
      if series then
        local values = get(url .. "label/" .. label .. "/values", "--data-urlencode", "match[]=" .. with_values(series))
        assert.is_true(#values > 0, variable.definition)
      end
    end
    local firing = {}
    support.eventually("the crash loop is told of", function()
      for _, alert in ipairs(get(url .. "alerts").alerts) do
        if alert.state == "firing" then firing[alert.labels.alertname .. " " .. (alert.labels.plugin or "")] = true end
      end
      return firing["GantryPluginCrashLoop crashing"]
    end)
    assert.are.same({ ["GantryPluginCrashLoop crashing"] = true }, firing)
  end)
end)
