-- SPDX-License-Identifier: Apache-2.0
--
--- engine/docker.lua: a client of the Docker Engine API, as Docker and Podman serve it. Every method waits (yields in a
--- task) and fails as `nil, err`; `err.status` is the HTTP status where the engine answered with one.

local core = require "gantry.core"
local errors = require "gantry.errors"
local json = require "gantry.json"
local task = require "gantry.task"

local docker = {}

-- The versions that this client speaks. 1.40 brought non-recursive binds; newer engines refuse what is older than 1.44.
local OLDEST_API, NEWEST_API = "1.40", "1.44"

-- Seconds for an answer to a short request; a start waits for the runtime, and a loaded engine takes its time.
local REQUEST_TIMEOUT, START_TIMEOUT = 30, 120

local CODES = { [400] = "ENGINE_REFUSED", [404] = "NOT_FOUND", [409] = "CONFLICT" }

---@class gantry.Engine
---@field endpoint gantry.Endpoint
---@field kind "docker"|"podman"
---@field api string negotiated API version
---@field server string? the engine's own software name and version
---@field swept table<string, boolean> socket directories whose leftovers this client has removed
local Docker = {}
Docker.__index = Docker

---@param left string
---@param right string
---@return boolean
local function older(left, right)
  local left_major, left_minor = left:match("^(%d+)%.(%d+)$")
  local right_major, right_minor = right:match("^(%d+)%.(%d+)$")
  if left_major ~= right_major then return tonumber(left_major) < tonumber(right_major) end
  return tonumber(left_minor) < tonumber(right_minor)
end

---Sends one request and waits for its whole answer.
---@return table? response status, headers, body
---@return gantry.Error?
local function exchange(http, request)
  return task.await(function(resume)
    request.on_done = function(err, response)
      if err then resume(nil, err) else resume(response) end
    end
    local sent = http:request(request)
    return function() sent:cancel() end
  end)
end

---What the engine said of a failure: JSON with a message, or plain text from a proxy or an upgraded connection.
---@param body string?
---@return string
local function engine_message(body)
  local answer = json.decode(body or "")
  if type(answer) == "table" and type(answer.message) == "string" then return answer.message end
  local text = (body or ""):gsub("%s+", " "):sub(1, 300)
  return text ~= "" and text or "no reason given"
end

---@param action string such as "create container gantry-kv-1"
---@param status integer
---@param body string?
---@return gantry.Error
local function api_error(action, status, body)
  return errors.new(CODES[status] or "ENGINE_ERROR", ("%s: the engine says: %s"):format(action, engine_message(body)),
    { status = status })
end

---@param text string
---@return string
local function escape(text)
  return (text:gsub("[^%w%-%._~]", function(byte) return ("%%%02X"):format(byte:byte()) end))
end

---One API call: JSON in, JSON out. `action` starts the error message.
---@param method string
---@param path string below the version
---@param options { action: string, body: table?, timeout: number?, forever: boolean? }
---@return table|string|nil answer
---@return gantry.Error?
function Docker:call(method, path, options)
  local timeout = not options.forever and (options.timeout or REQUEST_TIMEOUT) or nil
  local request = { method = method, path = "/v" .. self.api .. path, timeout = timeout }
  if options.body then
    local body, unencodable = json.encode(options.body)
    if not body then return nil, unencodable end
    request.body, request.headers = body, { "Content-Type: application/json" }
  end
  local response, err = exchange(self.http, request)
  if not response then return nil, err:wrap(options.action) end
  if response.status >= 300 and response.status ~= 304 then
    return nil, api_error(options.action, response.status, response.body)
  end
  if response.body == "" then return {} end
  return json.decode(response.body)
end

---Pings and negotiates. DOCKER_API_VERSION overrides, as it does for other clients.
---@param where gantry.Endpoint
---@param options { api_version: string? }?
---@return gantry.Engine?, gantry.Error?
function docker.connect(where, options)
  local http, err = core.http.new(task.loop(), where)
  if not http then return nil, err end
  local response, failure = exchange(http, { method = "GET", path = "/_ping", timeout = REQUEST_TIMEOUT })
  if not response then http:close() return nil, failure end
  if response.status ~= 200 then http:close() return nil, api_error("ping " .. where.name, response.status,
    response.body) end

  local headers = response.headers
  local newest = headers["api-version"] or NEWEST_API
  local api = older(newest, NEWEST_API) and newest or NEWEST_API
  if options and (options.api_version or "") ~= "" then api = options.api_version end
  if older(api, OLDEST_API) then
    http:close()
    return nil, errors.new("API_VERSION", ("the engine at %s speaks API %s at most, gantry needs %s or newer; "
      .. "upgrade the engine (Docker 19.03 or newer)"):format(where.name, api, OLDEST_API))
  end
  local kind = headers["libpod-api-version"] and "podman" or "docker"
  return setmetatable({ endpoint = where, http = http, api = api, kind = kind, server = headers.server, swept = {} },
    Docker)
end

---What the engine is and has: version, runtimes, security options. Asked once.
---@return table? info as the engine gives it
---@return gantry.Error?
function Docker:info()
  if not self.known_info then
    local info, err = self:call("GET", "/info", { action = "ask the engine what it is" })
    if not info then return nil, err end
    self.known_info = info
  end
  return self.known_info
end

---The engine as a policy sees it in ctx.engine.
---@return table? description kind, version, api, rootless, runtimes (name -> true), cgroup_version
---@return gantry.Error?
function Docker:describe()
  local info, err = self:info()
  if not info then return nil, err end
  local runtimes, rootless = {}, false
  for name in pairs(info.Runtimes or {}) do runtimes[name] = true end
  for _, option in ipairs(info.SecurityOptions or {}) do rootless = rootless or option:find("name=rootless", 1,
    true) ~= nil end
  return {
    kind = self.kind, version = info.ServerVersion, api = self.api, rootless = rootless, runtimes = runtimes,
    default_runtime = info.DefaultRuntime, cgroup_version = tonumber(info.CgroupVersion) or 1,
  }
end

---@param reference string name, name:tag, name@digest or id
---@return table? image the engine's inspect
---@return gantry.Error?
function Docker:inspect_image(reference)
  local image, err = self:call("GET", "/images/" .. reference .. "/json", { action = "look up image " .. reference })
  if not image and err.status == 404 then
    return nil, errors.new("IMAGE_NOT_FOUND", ("image %s is not on the engine at %s; pull or build it first "
      .. "(docker pull %s)"):format(reference, self.endpoint.name, reference), { status = 404 })
  end
  return image, err
end

---@param name string
---@param request table body of POST /containers/create
---@return table? created Id, Warnings
---@return gantry.Error?
function Docker:create(name, request)
  return self:call("POST", "/containers/create?name=" .. escape(name),
    { action = "create container " .. name, body = request, timeout = START_TIMEOUT })
end

---Connects a created container to one more network.
function Docker:connect_network(network, id, endpoint_config)
  return self:call("POST", "/networks/" .. escape(network) .. "/connect", {
    action = "connect the container to network " .. network,
    body = { Container = id, EndpointConfig = endpoint_config },
  })
end

---@param id string
---@return table? answer, gantry.Error?
function Docker:start(id)
  return self:call("POST", "/containers/" .. id .. "/start",
    { action = "start container " .. id:sub(1, 12), timeout = START_TIMEOUT })
end

---The live output of a container, from before its start: one connection for as long as it runs. Nothing is replayed.
---@param id string
---@param handlers { on_output: fun(bytes: string), on_end: fun(err: gantry.Error?) } bytes are framed (see stdcopy)
---@return table? stream :pause(), :resume(), :cancel()
---@return gantry.Error?
function Docker:attach(id, handlers)
  local action = "attach to container " .. id:sub(1, 12)
  local stream, status
  local refusal = {}
  local ok, err = task.await(function(resume)
    local waiting = true
    local function answer(...)
      if waiting then
        waiting = false
        resume(...)
      end
    end
    stream = self.http:request {
      method = "POST", path = ("/v%s/containers/%s/attach?stream=1&stdout=1&stderr=1"):format(self.api, id),
      on_headers = function(code)
        status = code
        if code == 200 or code == 101 then answer(true) end
      end,
      on_data = function(bytes)
        if status == 200 or status == 101 then handlers.on_output(bytes) else refusal[#refusal + 1] = bytes end
      end,
      on_done = function(failure)
        if not waiting then return handlers.on_end(failure) end
        answer(nil, failure and failure:wrap(action) or api_error(action, status, table.concat(refusal)))
      end,
    }
    return function() stream:cancel() end
  end)
  if not ok then return nil, err end
  return stream
end

---Waits until a container has stopped.
---@param id string
---@return table? result StatusCode, Error
---@return gantry.Error?
function Docker:wait(id)
  return self:call("POST", "/containers/" .. id .. "/wait", { action = "wait for container " .. id:sub(1, 12),
    forever = true })
end

---@param id string or name
---@return table? container the engine's inspect
---@return gantry.Error?
function Docker:inspect(id)
  return self:call("GET", "/containers/" .. escape(id) .. "/json", { action = "inspect container " .. id:sub(1, 12) })
end

---@param id string
---@param signal string such as "TERM"
---@return boolean? sent false when it was not running or is gone
---@return gantry.Error?
function Docker:kill(id, signal)
  local answer, err = self:call("POST", "/containers/" .. id .. "/kill?signal=" .. escape(signal),
    { action = ("send %s to container %s"):format(signal, id:sub(1, 12)) })
  if answer then return true end
  if err.status == 404 or err.status == 409 then return false end
  return nil, err
end

---Removes a container with its anonymous volumes, killing it where it runs. One that is gone already is a success.
---@param id string or name
---@return boolean? removed false when it was gone
---@return gantry.Error? err of status 409 while it is being started, or removed by somebody else
function Docker:remove(id)
  local answer, err = self:call("DELETE", "/containers/" .. escape(id) .. "?force=1&v=1",
    { action = "remove container " .. id:sub(1, 12), timeout = START_TIMEOUT })
  if answer then return true end
  if err.status == 404 then return false end
  return nil, err
end

---All containers, running or not, that carry every one of these labels.
---@param labels table<string, string>
---@return table[]? containers Id, Names, State, Labels, Created
---@return gantry.Error?
function Docker:list(labels)
  local wanted = {}
  for key, value in pairs(labels) do wanted[#wanted + 1] = key .. "=" .. value end
  local filters, err = json.encode { label = json.array(wanted) }
  if not filters then return nil, err end
  return self:call("GET", "/containers/json?all=1&filters=" .. escape(filters), { action = "list containers" })
end

---Ends all that is in flight and drops the connections.
function Docker:close()
  self.http:close()
end

Docker.__close = Docker.close

return docker
