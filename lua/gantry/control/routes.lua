-- SPDX-License-Identifier: Apache-2.0
--
--- control/routes.lua: the paths of the API. A route gives the value to answer with, or nil and an error, or answers by
--- itself and gives nothing.

local errors = require "gantry.errors"
local hclog = require "gantry.hclog"
local json = require "gantry.json"
local metrics = require "gantry.control.metrics"
local stream = require "gantry.control.stream"
local task = require "gantry.task"
local version = require "gantry.version"
local view = require "gantry.supervisor.view"

local routes = {}

local DEFAULT_LINES <const>, MOST_LINES <const> = 200, 100000
-- Seconds that an answer waits for a plugin to be where it is to be.
local PATIENCE <const> = 300
local LAST_ANSWER <const> = 0.2

---@param request any
---@param name string
---@return boolean
local function flag(request, name)
  local value = request:argument(name)
  return value ~= nil and value ~= "0" and value ~= "false"
end

---Waits until the unit has come to rest or is ready; what it is then is the answer.
---@param supervisor gantry.Supervisor
---@param one gantry.Unit
---@param settled fun(): boolean
local function settle(supervisor, one, settled)
  task.deadline(PATIENCE, function() supervisor:await(settled) end)
  return view.of(one)
end

---A start has gone well, or a decision has been made on its failure.
local function start_and_wait(supervisor, one, act)
  local generation = one.restart.generation
  act()
  return settle(supervisor, one, function()
    if one.blocked or one.state == "ready" and one.restart.generation > generation then return true end
    return one.decision ~= nil and one.decision.generation ~= nil and one.decision.generation > generation
  end)
end

local ACTIONS = {}

function ACTIONS.start(supervisor, one)
  if one.plugin and one.wanted == "up" then return view.of(one) end
  return start_and_wait(supervisor, one, function() one:start "started by hand" end)
end

function ACTIONS.stop(supervisor, one)
  one:stop "stopped by hand"
  return settle(supervisor, one, function() return one.state == "stopped" or one.state == "failed" end)
end

function ACTIONS.restart(supervisor, one)
  return start_and_wait(supervisor, one, function()
    if one.plugin then one:restart_for("manual", "restarted by hand") else one:start "started by hand" end
  end)
end

---@param entry gantry.LogEntry
---@param name string
---@return table
local function log_line(entry, name)
  local parsed = hclog.parse(entry.line)
  return { time = entry.time, plugin = name, stream = entry.stream, line = entry.line, level = parsed.level,
    module = parsed.module, message = parsed.message, fields = next(parsed.fields) and parsed.fields or nil }
end

local function logs(_, one, request)
  local count = math.tointeger(tonumber(request:argument "lines" or DEFAULT_LINES))
  if not count or count < 0 then return nil, errors.new("REQUEST_INVALID", "lines must be a whole number") end
  local first = {}
  for i, entry in ipairs(one.output:last_lines(math.min(count, MOST_LINES))) do first[i] = log_line(entry, one.name) end
  stream.run(request, first, flag(request, "follow") and function(take)
    return one.output:follow(function(entry) take(log_line(entry, one.name)) end)
  end or nil)
end

---@param journal gantry.Journal
local function why(name, journal, state)
  return { name = name, state = state, entries = json.array { table.unpack(journal.entries) } }
end

---What can be done with one plugin: method and the last part of the path.
local OF_PLUGIN = {
  ["GET "] = function(_, one) return view.of(one) end,
  ["GET logs"] = logs, ["GET why"] = function(_, one) return why(one.name, one.journal, one.state) end,
  ["POST start"] = ACTIONS.start, ["POST stop"] = ACTIONS.stop, ["POST restart"] = ACTIONS.restart,
}

---@param supervisor gantry.Supervisor
local function reload(supervisor)
  local ok, err = supervisor:reload()
  if not ok then return nil, err end
  local findings = {}
  for i, finding in ipairs(supervisor.policies:findings()) do findings[i] = finding.message end
  return { plugins = json.array(view.all(supervisor)), findings = json.array(findings) }
end

---Answers once all are down; the supervisor ends when the answer had time to go out.
local function down(supervisor, request)
  local names = supervisor:stop_all()
  request:answer(200, "application/json", json.encode { stopped = json.array(names) } .. "\n")
  supervisor.scope:spawn(function()
    task.sleep(LAST_ANSWER)
    supervisor:leave()
  end)
end

local TOP = {
  ["GET /v1"] = function(supervisor)
    return { version = version, directory = supervisor.directory, engine = supervisor.engine.endpoint.name }
  end,
  ["GET /v1/plugins"] = function(supervisor) return { plugins = json.array(view.all(supervisor)) } end,
  ["GET /v1/metrics"] = function(supervisor) return metrics.text(supervisor) end,
  ["GET /v1/events"] = function(supervisor, request)
    stream.run(request, {}, function(take) return supervisor:subscribe(take) end)
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
