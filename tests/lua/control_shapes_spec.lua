-- SPDX-License-Identifier: Apache-2.0
--
--- Control requests of any bytes, and control servers that answer with anything: the one is answered, the other printed
--- or refused, and nothing raises.

local control = require "gantry.cli.control"
local core_http = require "gantry.core.http"
local json = require "gantry.json"
local metrics = require "gantry.control.metrics"
local routes = require "gantry.control.routes"
local stats = require "gantry.supervisor.stats"

local GOOD = {
  ps = { plugins = { { name = "kv", state = "ready", uptime = 5, restarts = 1, image = "kv", next_start = 3,
    last_exit = { text = "exit 1", requested = false }, generation = 2, stats = { clock = 1.5, cpu_seconds = 1,
      memory_bytes = 1, memory_limit_bytes = 2, restarts_by_cause = { oom = 1 }, health_failures = 1 } } } },
  why = { entries = { { time = 5, kind = "exit", text = "x" } } },
  stop = { name = "kv", state = "stopped", address = { string = "/x" }, detail = "y" },
  reload = { plugins = { { name = "kv" } }, findings = { "x" } },
  down = { stopped = { "kv" } },
  logs = { line = "x", level = "info", module = "m", message = "y", fields = { a = 1 } },
  events = { time = 5, plugin = "kv", kind = "exit", text = "x" },
}
local OTHERS = { "null", "true", "0", "-1", "1.5", "1e999", "9223372036854775807", "123456789012345678901234", '"x"',
  '"\\u0000"', "[]", "[null]", "{}", '{"1":2}', ("["):rep(5000) }

---Texts made of a value, with each of its parts replaced by each other one.
local function mutations(value, wrap, into)
  for _, other in ipairs(OTHERS) do into[#into + 1] = wrap(other) end
  if type(value) ~= "table" then return into end
  local is_list = value[1] ~= nil
  for key, part in pairs(value) do
    mutations(part, function(text)
      local parts = {}
      for name, one in pairs(value) do
        parts[#parts + 1] = (is_list and "" or json.encode(name) .. ":") .. (name == key and text or json.encode(one))
      end
      local inner = table.concat(parts, ",")
      return wrap(is_list and "[" .. inner .. "]" or "{" .. inner .. "}")
    end, into)
  end
  return into
end

-- luacheck: push globals io.stdout io.stderr
describe("a control server that answers with anything", function()
  local new_http, stdout, stderr = core_http.new, io.stdout, io.stderr
  local body, status

  before_each(function()
    local silent = { write = function(self) return self end, flush = function(self) return self end }
    io.stdout, io.stderr = silent, silent
    core_http.new = function()
      return { close = function() end, request = function(_, request)
        request.on_headers(status)
        if request.on_data then request.on_data(body) end
        request.on_done(nil, { status = status, body = body })
        return { cancel = function() end }
      end }
    end
  end)
  after_each(function()
    core_http.new, io.stdout, io.stderr = new_http, stdout, stderr
  end)

  for verb, good in pairs(GOOD) do
    it("is printed or refused by " .. verb, function()
      local run = require("gantry.cli." .. verb).run
      local bodies = mutations(good, function(text) return text end, { "", "x", "\xff\0", "{" })
      assert.is_true(#bodies > 30)
      for _, code in ipairs { 200, 204, 404, 500 } do
        for _, text in ipairs(bodies) do
          status, body = code, text .. "\n"
          local ok, result = xpcall(run, debug.traceback, { name = "kv", names = { "kv" }, control = "/x" })
          if not ok then error(("status %d, body %s: %s"):format(code, text:sub(1, 200), result), 0) end
          assert.are.equal("integer", math.type(result))
          if code ~= 200 then assert.are_not.equal(0, result) end
        end
      end
    end)
  end

  it("is shown as it is in a stream", function()
    local seen = {}
    io.stdout = { write = function(self, text) seen[#seen + 1] = text return self end,
      flush = function(self) return self end }
    status, body = 200, '{"time":1e999}\nnot json\n'
    assert.are.equal(0, control.follow({ control = "/x" }, "/v1/events", control.types.event, error))
    assert.are.same({ '{"time":1e999}\n', "not json\n" }, seen)
  end)
end)
-- luacheck: pop

describe("a control request", function()
  ---A request of the given path and query.
  local function request_of(method, path, arguments)
    return { method = function() return method end, path = function() return path end,
      argument = function(_, name) return arguments[name] end, stream = function() end,
      write = function() return 0 end, answer = function() end }
  end

  local function supervisor()
    local one = { name = 'k"v\\\n', state = "ready", restart = { generation = 1, restarts = 0 },
      counts = stats.counts { ['o"m'] = 1 },
      log = { first = 1, last_lines = function() return { { line = "\xff", time = 1, stream = "stdout" } } end } }
    return { units = { one }, pacing = { under_way = 0, limit = 1 }, find = function(_, name)
      if name == "kv" then return one end
      return nil, { code = "PLUGIN_UNKNOWN", message = name }
    end, journal_of = function() end }
  end

  it("may have any path", function()
    for _, path in ipairs { "", "/", "//", "/v1/plugins/", "/v1/plugins/%", "/v1/plugins/\xff/logs", "\xff\n",
      "/v1/plugins/kv/(", "/v1/plugins/kv/logs/x", ("/x"):rep(10000), "/v1/plugins/" .. ("x"):rep(100000) } do
      for _, method in ipairs { "GET", "POST", "PUT", "X-\xff", "" } do
        local value, err = routes.run(supervisor(), request_of(method, path, {}))
        assert.is_true(value ~= nil or err ~= nil)
        json.line { code = err and err.code, message = err and err.message }
      end
    end
  end)

  it("may ask for any number of lines", function()
    for _, lines in ipairs { "1e999", "nan", "-1", "0x10", "", " ", "1.5", "99999999999999999999", "\xff", "5 5",
      "inf" } do
      local value, err = routes.run(supervisor(), request_of("GET", "/v1/plugins/kv/logs", { lines = lines }))
      assert.is_nil(value)
      assert.are.equal("REQUEST_INVALID", err.code)
    end
    for _, lines in ipairs { "0", "7", "9223372036854775807" } do
      local _, err = routes.run(supervisor(), request_of("GET", "/v1/plugins/kv/logs", { lines = lines }))
      assert.is_nil(err)
    end
  end)

  it("of metrics gets names that end no line and no label", function()
    local text = metrics.text(supervisor())
    assert.is_truthy(text:find('gantry_plugin_ready{plugin="k\\"v\\\\\\n"} 1\n', 1, true))
    assert.is_truthy(text:find('gantry_plugin_restarts_total{plugin="k\\"v\\\\\\n",cause="o\\"m"} 1\n', 1, true))
  end)
end)
