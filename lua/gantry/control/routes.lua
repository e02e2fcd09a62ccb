-- SPDX-License-Identifier: Apache-2.0
--
--- control/routes.lua: the paths of the API. A route gives the value to answer with, or nil and an error, or answers by
--- itself and gives nothing.

local errors = require "gantry.base.errors"
local hclog = require "gantry.base.hclog"
local json = require "gantry.json"
local metrics = require "gantry.control.metrics"
local stream = require "gantry.control.stream"
local task = require "gantry.task"
local version = require "gantry.base.version"
local view = require "gantry.supervisor.view"

local routes = {}

local DEFAULT_LINES <const> = 200
-- Seconds for the last answer to go out.
local LAST_ANSWER <const> = 0.2

---@param request any
---@param name string
---@return boolean
local function flag(request, name)
  local value = request:argument(name)
  return value ~= nil and value ~= "0" and value ~= "false"
end

---Asks a unit, and answers with what came of it once it has settled: with `wait`, not while it waits for something.
---@param verb "start"|"stop"|"restart"
---@return fun(supervisor: gantry.Supervisor, one: gantry.Unit): table?, gantry.Error?
local function act(verb)
  return function(_, one, request)
    local settled, err = one:ask(verb, flag(request, "wait"))
    if not settled then return nil, err end
    return view.of(one)
  end
end

---@param entry gantry.LogEntry
---@param name string
---@return table
local function log_line(entry, name)
  local parsed = hclog.parse(entry.line)
  return { time = entry.time, plugin = name, generation = entry.generation, stream = entry.stream, line = entry.line,
    level = parsed.level, module = parsed.module, message = parsed.message,
    fields = next(parsed.fields) and parsed.fields or nil }
end

---@param what string in the plural
---@param count integer
---@return string
local function left_out(what, count)
  return ("%d %s are left out here: they were not read in time"):format(count, what)
end

---What stands in the place of lines that are lost.
---@param name string
---@param content string
---@return table
local function lost_line(name, content)
  return log_line({ time = os.time(), stream = "stderr", line = "gantry: " .. content }, name)
end

local function logs(_, one, request)
  local text = request:argument "lines" or tostring(DEFAULT_LINES)
  local count = text:find "^%d+$" and math.tointeger(tonumber(text))
  if not count then return nil, errors.new("REQUEST_INVALID", "lines must be a whole number") end
  local kept = one.log:last_lines(count)
  local dropped = one.log.first - 1
  if dropped > 0 and count > #kept then
    table.insert(kept, 1, { time = os.time(), stream = "stderr",
      line = ("gantry: %d earlier lines are not kept"):format(dropped) })
  end
  stream.run(request, {
    first = kept,
    subscribe = flag(request, "follow") and function(take) return one.log:follow(take) end or nil,
    show = function(entry) return log_line(entry, one.name) end,
    lost = function(lines) return lost_line(one.name, left_out("lines", lines)) end,
  })
end

---@param journal gantry.Journal
local function why(name, journal, state)
  return { name = name, state = state, entries = json.array { table.unpack(journal.entries) } }
end

---What can be done with one plugin: method and the last part of the path.
local OF_PLUGIN = {
  ["GET "] = function(_, one, request) return view.list({ one }, flag(request, "stats"))[1] end,
  ["GET logs"] = logs, ["GET why"] = function(_, one) return why(one.name, one.journal, one.state) end,
  ["POST start"] = act "start", ["POST stop"] = act "stop", ["POST restart"] = act "restart",
}

---@param supervisor gantry.Supervisor
local function reload(supervisor)
  local ok, err = supervisor:reload()
  if not ok then return nil, err end
  local findings = {}
  for i, finding in ipairs(supervisor.policies:findings()) do findings[i] = finding.message end
  return { plugins = json.array(view.all(supervisor)), findings = json.array(findings) }
end

---Answers once all are down; the supervisor ends when the answer had time to go out. It does not while one runs on.
local function down(supervisor, request)
  local names, refused = supervisor:stop_all()
  if refused then return nil, refused end
  request:answer(200, "application/json", json.line { stopped = json.array(names) })
  supervisor.scope:spawn(function()
    task.sleep(LAST_ANSWER)
    supervisor:leave()
  end)
end

local TOP = {
  ["GET /v1"] = function(supervisor)
    local engine = supervisor.engine
    return { version = version, directory = supervisor.directory, engine = engine and engine.endpoint.name }
  end,
  ["GET /v1/plugins"] = function(supervisor, request)
    return { plugins = json.array(view.all(supervisor, flag(request, "stats"))), waits_for = supervisor:waits_for() }
  end,
  ["GET /v1/metrics"] = function(supervisor) return metrics.text(supervisor) end,
  ["GET /v1/events"] = function(supervisor, request)
    stream.run(request, {
      first = {},
      subscribe = function(take) return supervisor:subscribe(take) end,
      show = function(event) return event end,
      lost = function(events) return { time = os.time(), kind = "warning", text = left_out("events", events) } end,
    })
  end,
  ["POST /v1/reload"] = reload,
  ["POST /v1/down"] = down,
}

---@param method string
---@param path string
---@param known table<string, any>
---@return gantry.Error
local function no_route(method, path, tail, known)
  for key in pairs(known) do
    if key:match("^%u+ (.*)$") == tail then
      return errors.new("METHOD_NOT_ALLOWED", ("%s %s: use %s"):format(method, path, key:match "^%u+"))
    end
  end
  return errors.new("NOT_FOUND", ("%s %s: there is no such path"):format(method, path))
end

---@param supervisor gantry.Supervisor
---@param request any
---@return table|string|nil value, gantry.Error? err
function routes.run(supervisor, request)
  local method, path = request:method(), request:path()
  local top = TOP[method .. " " .. path]
  if top then return top(supervisor, request) end
  local name, action = path:match("^/v1/plugins/([^/]+)/?([^/]*)$")
  if not name then return nil, no_route(method, path, path, TOP) end
  local route = OF_PLUGIN[method .. " " .. action]
  if not route then return nil, no_route(method, path, action, OF_PLUGIN) end
  local one, err = supervisor:find(name)
  if not one then
    local journal, state = supervisor:journal_of(name)
    if action == "why" and journal then return why(name, journal, state) end
    return nil, err
  end
  return route(supervisor, one, request)
end

return routes
