-- SPDX-License-Identifier: Apache-2.0
--
--- engine/docker/containers.lua: what a client of the Docker Engine API does with containers, but for their output and
--- files. What each method is to give is gantry.engine.interface's.

local answers = require "gantry.engine.docker.answer"
local errors = require "gantry.base.errors"
local exchange = require "gantry.engine.docker.exchange"
local json = require "gantry.json"
local later = require "gantry.base.later"
local by_hand = later "gantry.engine.docker.by_hand"
local podman = later "gantry.engine.docker.podman"
local records = require "gantry.engine.docker.records"
local requests = require "gantry.engine.docker.request"
local types = require "gantry.base.types"

---@class gantry.DockerClient
local Containers = {}

local TYPES <const> = answers.types
local escape, short = exchange.escape, exchange.short

---@param spec gantry.ContainerSpec
---@param made string?
---@return table? request body of POST /containers/create, gantry.Error? err
function Containers:request(spec, made)
  return requests.of(self, spec, made)
end

---@param spec gantry.ContainerSpec
---@param options { directory: string }
---@return string
function Containers:command(spec, options)
  return by_hand.command(spec, self.kind, options.directory)
end

local VERBS <const> = { list = "ps", inspect = "inspect", unpause = "unpause", remove = "rm", pull = "pull" }

---@param action string
---@param subject string?
---@return string
function Containers:by_hand(action, subject)
  local id = subject and (action == "pull" and subject or short(subject))
  return ("%s %s%s"):format(self.kind, VERBS[action], id and " " .. id or "")
end

---@param name string
---@param request table body of POST /containers/create
---@return gantry.CreatedContainer?, gantry.Error?
function Containers:create(name, request)
  local action = "create container " .. name
  local created, err = self:call("POST", "/containers/create?name=" .. escape(name),
    { action = action, body = request, timeout = exchange.START_TIMEOUT, type = TYPES.created })
  if created then return { id = created.Id, warnings = created.Warnings or {} } end
  if err.status == 404 then return nil, errors.new("IMAGE_NOT_FOUND", err.message, { status = 404, cause = err }) end
  -- Podman before 5 has no status of its own for a name that is taken.
  if err.code == "ENGINE_ERROR" and self.kind == "podman" and self:inspect(name) then
    return nil, errors.new("CONFLICT", err.message, { status = err.status, cause = err })
  end
  return nil, err
end

---@param network string
---@param id string
---@param settings table
---@return boolean? ok, gantry.Error?
function Containers:connect_network(network, id, settings)
  local answer, err = self:call("POST", "/networks/" .. escape(network) .. "/connect", {
    action = "connect the container to network " .. network,
    body = { Container = id, EndpointConfig = settings },
  })
  return answer and true, err
end

---@param id string
---@return boolean? ok, gantry.Error?
function Containers:start(id)
  local answer, err = self:call("POST", "/containers/" .. id .. "/start",
    { action = "start container " .. short(id), timeout = exchange.START_TIMEOUT, type = answers.nothing })
  return answer and true, err
end

---@param id string
---@return { exit_code: integer }?, gantry.Error?
function Containers:wait(id)
  local result, err = self:call("POST", "/containers/" .. id .. "/wait", { action = "wait for container "
    .. short(id), forever = true, type = TYPES.waited })
  return result and { exit_code = result.StatusCode }, err
end

---@param id string or name
---@return gantry.Container?, gantry.Error?
function Containers:inspect(id)
  local action = "inspect container " .. short(id)
  local found, err = self:call("GET", "/containers/" .. escape(id) .. "/json", { action = action,
    type = TYPES.inspected })
  if not found then return nil, err end
  if #id == #found.Id and found.Id ~= id then -- a proxy that mixes up answers
    return answers.unexpected({ status = 200 }, action, "it is container " .. short(found.Id))
  end
  local container = records.container(found)
  -- Podman calls every one "oci"; its service has one for all containers.
  if self.kind == "podman" then container.runtime = self.known_info and self.known_info.default_runtime end
  return container
end

---@param id string
---@return gantry.EngineStats?, gantry.Error?
function Containers:stats(id)
  local info, unasked = self:info()
  if not info then return nil, unasked end
  local answer, err = self:call("GET", "/containers/" .. id .. "/stats?stream=false&one-shot=true",
    { action = "read the statistics of container " .. short(id), type = TYPES.stats })
  return answer and records.stats(answer, info.memory), err
end

---@param id string
---@param signal string
---@return boolean? sent, gantry.Error?
function Containers:kill(id, signal)
  local answer, err = self:call("POST", "/containers/" .. id .. "/kill?signal=" .. escape(signal),
    { action = ("send %s to container %s"):format(signal, short(id)), type = answers.nothing })
  if answer then return true end
  if err.status == 404 or err.status == 409 then return false end
  if err.code ~= "ENGINE_ERROR" or self.kind ~= "podman" then return nil, err end
  -- Podman before 5 has no status of its own for what does not run.
  local found = self:inspect(id)
  if found and not found.state.running then return false end
  return nil, err
end

---@param id string or name
---@return boolean? removed, gantry.Error?
function Containers:remove(id)
  local answer, err = self:call("DELETE", "/containers/" .. escape(id) .. "?force=1&v=1",
    { action = "remove container " .. short(id), type = answers.nothing })
  if answer then return true end
  if err.status == 404 then return false end
  return nil, err
end

---@param labels table<string, string|true> true: whatever its value
---@return string[] filter as the engine takes it
local function label_filter(labels)
  local wanted = {}
  for key, value in pairs(labels) do wanted[#wanted + 1] = value == true and key or key .. "=" .. value end
  return json.array(wanted)
end

---@param labels table<string, string|true>
---@param image string?
---@return gantry.ContainerSummary[]?, gantry.Error?
function Containers:list(labels, image)
  -- Podman before 5 knows an image's id only without its kind.
  local ancestor = image and json.array { (image:gsub("^sha256:", "")) } or nil
  local filters, err = json.encode { label = label_filter(labels), ancestor = ancestor }
  if not filters then return nil, err end
  local listed, failure = self:call("GET", "/containers/json?all=1&filters=" .. escape(filters),
    { action = "list containers", type = TYPES.containers })
  if not listed then return nil, failure end
  local containers = {}
  for i, one in ipairs(listed) do containers[i] = records.listed(one) end
  return containers
end

---@param which { labels: table<string, string>, kinds: string[] }
---@param handlers { on_open: fun(), on_event: fun(event: gantry.EngineEvent) }
---@return boolean? ended, gantry.Error?
function Containers:events(which, handlers)
  local kinds = self.kind == "podman" and podman.event_kinds(which.kinds) or which.kinds
  local filters = assert(json.encode { type = json.array { "container" }, event = json.array(kinds),
    label = label_filter(which.labels) })
  return self:stream("GET", "/events?filters=" .. escape(filters), { action = "follow the engine's events",
    on_open = handlers.on_open,
    on_value = function(value)
      local event = types.first_finding(TYPES.event, value, "it")
      if event then handlers.on_event(records.event(event)) end
    end })
end

return { methods = Containers }
