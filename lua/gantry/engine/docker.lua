-- SPDX-License-Identifier: Apache-2.0
--
--- engine/docker.lua: a client of the Docker Engine API, as Docker and Podman serve it. Every method waits (yields in a
--- task) and fails as `nil, err`; `err.status` is the HTTP status where the engine answered with one.

local answers = require "gantry.engine.answer"
local core = require "gantry.core"
local errors = require "gantry.errors"
local json = require "gantry.json"
local negotiate = require "gantry.engine.negotiate"
local podman = require "gantry.engine.podman"
local task = require "gantry.task"
local tls = require "gantry.engine.tls"

local docker = {}

-- Seconds for an answer to a short request; a start waits for the runtime, and a loaded engine takes its time.
local REQUEST_TIMEOUT, START_TIMEOUT = 30, 120

local SHAPES <const> = answers.shapes
local CODES = { [400] = "ENGINE_REFUSED", [404] = "NOT_FOUND", [409] = "CONFLICT" }

---@class gantry.Engine
---@field endpoint gantry.Endpoint
---@field kind "docker"|"podman"
---@field api string negotiated API version
---@field server string? the engine's own software name and version
---@field swept table<string, boolean> socket directories whose leftovers this client has removed
local Docker = {}
Docker.__index = Docker

-- The longest line of a stream of values.
local LONGEST_VALUE <const> = 1024 * 1024

---Sends one request and waits for its whole answer.
---@return table? response status, headers, body
---@return gantry.Error?
local function exchange(http, request)
  local done = task.event()
  request.on_done = function(err, response) done:set(not err and response or nil, err) end
  local sent <close>, refused = http:request(request) -- closing it takes back what has not ended
  if not sent then return nil, refused end
  return done:wait()
end

---What the engine said of a failure: JSON with a message, or plain text from a proxy or an upgraded connection.
---@param body string?
---@return string
local function engine_message(body)
  local answer = json.decode(body or "")
  if type(answer) == "table" and type(answer.message) == "string" then return answer.message end
  local text = (body or ""):gsub("%s+", " "):gsub("%c", "?"):sub(1, 300)
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

Docker.escape = escape

---@param id string or name
---@return string for messages
local function short(id)
  return #id == 64 and id:sub(1, 12) or id
end

function Docker:__tostring()
  return ("engine %s  %s  API %s"):format(self.kind, self.endpoint.name, self.api)
end

---One API call: JSON in, JSON out. `action` starts the error message.
---@param method string
---@param path string below the version
---@param options { action: string, headers: string[]?, body: table?, timeout: number?, forever: boolean?,
---  shape: gantry.Shape?, list: gantry.Shape? } what the answer must look like: see gantry.engine.answer
---@return table? answer
---@return gantry.Error?
function Docker:call(method, path, options)
  local timeout = not options.forever and (options.timeout or REQUEST_TIMEOUT) or nil
  local request = { method = method, path = "/v" .. self.api .. path, timeout = timeout, headers = options.headers }
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
  return answers.read(response, options.action, options)
end

---Whether an answer is no success; "not modified" means that it already is as asked.
---@param status integer
---@return boolean
local function failed(status)
  return status >= 300 and status ~= 304
end

---One API call that answers with JSON values, a line each, for as long as it likes.
---@param method string
---@param path string below the version
---@param options { action: string, headers: string[]?, on_open: fun()?, on_value: fun(value: table) } on_open: the
--- engine has agreed
---@return boolean? ended, gantry.Error? err
function Docker:stream(method, path, options)
  local status
  local refusal, lines = {}, core.lines.new(LONGEST_VALUE)
  local function on_line(line)
    local value = json.decode(line)
    if type(value) == "table" then options.on_value(value) end
  end
  local response, err = exchange(self.http, {
    method = method, path = "/v" .. self.api .. path, headers = options.headers,
    on_headers = function(code)
      status = code
      if options.on_open and not failed(code) then options.on_open() end
    end,
    on_data = function(bytes)
      if failed(status) then refusal[#refusal + 1] = bytes else lines:feed(bytes, on_line) end
    end,
  })
  if not response then return nil, err:wrap(options.action) end
  if failed(status) then return nil, api_error(options.action, status, table.concat(refusal)) end
  lines:finish(on_line)
  return true
end

---Pings and negotiates. DOCKER_API_VERSION overrides, as it does for other clients.
---@param where gantry.Endpoint
---@param options { api_version: string? }?
---@return gantry.Engine?, gantry.Error?
function docker.connect(where, options)
  local http, err = core.http.new(task.loop(), where)
  if not http then return nil, err end
  local agreed, failure = negotiate.run(where, function(path)
    return exchange(http, { method = "GET", path = path, timeout = REQUEST_TIMEOUT })
  end, options and options.api_version)
  if not agreed then
    http:close()
    return nil, tls.explain(where, failure)
  end
  return setmetatable({ endpoint = where, http = http, api = agreed.api, kind = agreed.kind, server = agreed.server,
    swept = {} }, Docker)
end

---What the engine is and has: version, runtimes, security options. Asked once.
---@return table? info as the engine gives it
---@return gantry.Error?
function Docker:info()
  if not self.known_info then
    local info, err = self:call("GET", "/info", { action = "ask the engine what it is", shape = SHAPES.info })
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
  local image, err = self:call("GET", "/images/" .. reference .. "/json", { action = "look up image " .. reference,
    shape = SHAPES.image })
  if not image and err.status == 404 then
    return nil, errors.new("IMAGE_NOT_FOUND", ("image %s is not on the engine at %s; pull or build it first "
      .. "(docker pull %s), or set pull = \"missing\" in the policy"):format(reference, self.endpoint.name, reference),
      { status = 404 })
  end
  return image, err
end

---Fits a create request to what this kind of engine takes, or refuses what it would ignore.
---@param request table
---@return table? request, gantry.Error? err
function Docker:fit(request)
  if self.kind ~= "podman" then return request end
  local info, err = self:info()
  if not info then return nil, err end
  return podman.fit(request, info)
end

---@param name string
---@param request table body of POST /containers/create
---@return table? created Id, Warnings
---@return gantry.Error?
function Docker:create(name, request)
  return self:call("POST", "/containers/create?name=" .. escape(name),
    { action = "create container " .. name, body = request, timeout = START_TIMEOUT, shape = SHAPES.created })
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
  local opened, status = task.event(), nil
  local refusal = {}
  local stream, unsendable = self.http:request {
    method = "POST", path = ("/v%s/containers/%s/attach?stream=1&stdout=1&stderr=1"):format(self.api, id),
    on_headers = function(code)
      status = code
      if code == 200 or code == 101 then opened:set(true) end
    end,
    on_data = function(bytes)
      if status == 200 or status == 101 then handlers.on_output(bytes) else refusal[#refusal + 1] = bytes end
    end,
    on_done = function(failure)
      if opened:is_set() then return handlers.on_end(failure) end
      opened:set(nil, failure and failure:wrap(action) or api_error(action, status, table.concat(refusal)))
    end,
  }
  if not stream then return nil, unsendable end

  local attached, err
  local _ <close> = setmetatable({}, { __close = function()
    if not attached then stream:cancel() end
  end })
  attached, err = task.deadline(REQUEST_TIMEOUT, opened.wait, opened)
  if not attached then return nil, err.code == "DEADLINE_EXCEEDED" and err:wrap(action) or err end
  return stream
end

---Waits until a container has stopped.
---@param id string
---@return table? result StatusCode, Error
---@return gantry.Error?
function Docker:wait(id)
  return self:call("POST", "/containers/" .. id .. "/wait", { action = "wait for container " .. id:sub(1, 12),
    forever = true, shape = SHAPES.waited })
end

---@param id string or name
---@return table? container the engine's inspect
---@return gantry.Error?
function Docker:inspect(id)
  return self:call("GET", "/containers/" .. escape(id) .. "/json", { action = "inspect container " .. short(id),
    shape = SHAPES.inspected })
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
    { action = "remove container " .. short(id), timeout = START_TIMEOUT })
  if answer then return true end
  if err.status == 404 then return false end
  return nil, err
end

---@param labels table<string, string>
---@return string[] filter as the engine takes it
local function label_filter(labels)
  local wanted = {}
  for key, value in pairs(labels) do wanted[#wanted + 1] = key .. "=" .. value end
  return json.array(wanted)
end

---Follows what happens to containers, from now on, until the engine ends it.
---@param which { labels: table<string, string>, kinds: string[] } kinds such as "die"
---@param handlers { on_open: fun(), on_event: fun(event: table) }
---@return boolean? ended, gantry.Error? err
function Docker:events(which, handlers)
  local kinds = self.kind == "podman" and podman.event_kinds(which.kinds) or which.kinds
  local filters = assert(json.encode { type = json.array { "container" }, event = json.array(kinds),
    label = label_filter(which.labels) })
  return self:stream("GET", "/events?filters=" .. escape(filters), { action = "follow the engine's events",
    on_open = handlers.on_open, on_value = handlers.on_event })
end

---All containers, running or not, that carry every one of these labels.
---@param labels table<string, string>
---@return table[]? containers Id, Names, State, Labels, Created
---@return gantry.Error?
function Docker:list(labels)
  local filters, err = json.encode { label = label_filter(labels) }
  if not filters then return nil, err end
  return self:call("GET", "/containers/json?all=1&filters=" .. escape(filters), { action = "list containers",
    list = SHAPES.listed })
end

---Makes a request whose answer another process is to read: its connection, once the headers have come.
---@param path string below the version
---@param action string
---@return integer? descriptor the caller's
---@return gantry.Error? err of code HTTP_NOT_PLAIN where the connection is encrypted
---@return table? answer where it was already there as a whole
function Docker:hand_over(path, action)
  return task.await(function(resume)
    local request
    request = self.http:request {
      method = "POST", path = "/v" .. self.api .. path,
      on_headers = function(status)
        if status ~= 200 and status ~= 101 then return end
        local descriptor, err = request:take_socket()
        if descriptor then return resume(descriptor) end
        if err.code ~= "HTTP_NOT_PLAIN" then return end
        request:cancel()
        resume(nil, err)
      end,
      on_done = function(failure, response)
        if failure then return resume(nil, failure:wrap(action)) end
        if response.status >= 300 then return resume(nil, api_error(action, response.status, response.body)) end
        resume(nil, nil, json.decode(response.body))
      end,
    }
    return function() request:cancel() end
  end)
end

---The connection that brings a container's output, from before its start: as attach, for another process to read.
---@param id string
---@return integer? descriptor, gantry.Error? err
function Docker:hand_over_output(id)
  return self:hand_over("/containers/" .. id .. "/attach?stream=1&stdout=1&stderr=1",
    "attach to container " .. id:sub(1, 12))
end

---The connection that will bring the exit code of a started container, for another process to read.
---@param id string
---@return integer? descriptor, gantry.Error? err
---@return table? result where it has ended already: StatusCode
function Docker:hand_over_exit(id)
  return self:hand_over("/containers/" .. id .. "/wait", "wait for container " .. id:sub(1, 12))
end

---Ends all that is in flight and drops the connections.
function Docker:close()
  self.closed = true
  self.http:close()
end

Docker.__close = Docker.close

return docker
