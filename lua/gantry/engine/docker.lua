-- SPDX-License-Identifier: Apache-2.0
--
--- engine/docker.lua: a client of the Docker Engine API, as Docker and Podman serve it. Every method waits (yields in a
--- task) and fails as `nil, err`; `err.status` is the HTTP status where the engine answered with one.

local answers = require "gantry.engine.answer"
local later = require "gantry.base.later"
local archive = later "gantry.engine.archive"
local c_module = require "gantry.base.c_module"
local core = require "gantry.core"
local errors = require "gantry.base.errors"
local hardening = require "gantry.engine.hardening"
local json = require "gantry.json"
local negotiate = require "gantry.engine.negotiate"
local podman = later "gantry.engine.podman"
local task = require "gantry.task"
local tls = later "gantry.engine.tls"
local types = require "gantry.base.types"

local docker = {}

-- Seconds for an answer to a short request; a start waits for the runtime, and a loaded engine takes its time.
local REQUEST_TIMEOUT, START_TIMEOUT = 30, 120

local TYPES <const> = answers.types
local CODES = { [400] = "ENGINE_REFUSED", [404] = "NOT_FOUND", [409] = "CONFLICT" }

---@class gantry.Engine
---@field endpoint gantry.Endpoint
---@field kind "docker"|"podman"
---@field api string negotiated API version
---@field server string? the engine's own software name and version
---@field swept table<string, boolean> socket directories whose leftovers this client has removed
---@field looked_back boolean? whether what was left before the machine's last start has been looked for
local Docker = {}
Docker.__index = Docker
for name, method in pairs(require "gantry.engine.images") do Docker[name] = method end

-- The longest message of an engine's that is shown; the longest line of a stream of values.
local LONGEST_MESSAGE <const> = 4096
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
  if type(answer) == "table" and type(answer.message) == "string" then
    return answer.message:sub(1, LONGEST_MESSAGE)
  end
  local text = (body or ""):sub(1, LONGEST_MESSAGE):gsub("%s+", " "):gsub("%c", "?"):sub(1, 300)
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
---  type: gantry.Type? } what the answer must look like: see gantry.engine.answer
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
  return answers.read(response, options.action, options.type)
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
---@param options { action: string, headers: string[]?, source: userdata?, on_open: fun()?,
--- on_value: fun(value: table) } source: of the request's body; on_open: the engine has agreed
---@return boolean? ended, gantry.Error? err
function Docker:stream(method, path, options)
  local status
  local refusal, lines = {}, core.lines.new(LONGEST_VALUE)
  local function on_line(line)
    local value = json.decode(line)
    if type(value) == "table" then options.on_value(value) end
  end
  local response, err = exchange(self.http, {
    method = method, path = "/v" .. self.api .. path, headers = options.headers, source = options.source,
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
  local module, missing = c_module.load "http"
  if not module then return nil, missing end
  local http, err = module.new(task.loop(), where)
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

---What the engine is and has: version, runtimes, security options. Asked once, whoever waits for the answer.
---@return table? info as the engine gives it
---@return gantry.Error?
function Docker:info()
  if self.known_info then return self.known_info end
  return self:ask():wait()
end

---Begins to ask what the engine is. Some take their time to say, which is well spent on other questions.
---@return gantry.Event answer
function Docker:ask()
  if self.asking then return self.asking end
  local answer = task.event()
  self.asking = answer
  task.detach(function()
    local info, err = self:call("GET", "/info", { action = "ask the engine what it is", type = TYPES.info })
    self.known_info, self.asking = info, info and answer or nil
    answer:set(info, err)
  end)
  return answer
end

---The engine as a policy sees it in ctx.engine.
---@return table? description kind, version, api, rootless, remapped (whether it maps users: userns-remap), selinux,
---apparmor, runtimes (name -> true), cgroup_version
---@return gantry.Error?
function Docker:describe()
  local info, err = self:info()
  if not info then return nil, err end
  local runtimes, found = {}, hardening.read(info)
  for name in pairs(info.Runtimes or {}) do runtimes[name] = true end
  return {
    kind = self.kind, version = info.ServerVersion, api = self.api, runtimes = runtimes, rootless = found.rootless,
    remapped = found.remapped ~= nil, selinux = found.selinux, apparmor = found.apparmor,
    default_runtime = info.DefaultRuntime, cgroup_version = math.tointeger(tonumber(info.CgroupVersion)) or 1,
  }
end

---Docker's own way to say no user namespace is the only one that it knows.
---@param request table
---@return table? request, gantry.Error? err
local function docker_only(request)
  local mode = request.HostConfig.UsernsMode
  if not mode or mode == "host" then return request end
  return nil, errors.new("ENGINE_UNSUPPORTED", ("userns_mode: Docker knows \"host\" alone, got '%s'; leave it out, or "
    .. "use Podman"):format(mode))
end

---Fits a create request to what this kind of engine takes, or refuses what it would ignore.
---@param request table
---@param made string? a source of a mount that will be made
---@return table? request, gantry.Error? err
function Docker:fit(request, made)
  if self.kind ~= "podman" then return docker_only(request) end
  local info, err = self:info()
  if not info then return nil, err end
  return podman.fit(request, info, made)
end

---@param name string
---@param request table body of POST /containers/create
---@return table? created Id, Warnings
---@return gantry.Error?
function Docker:create(name, request)
  return self:call("POST", "/containers/create?name=" .. escape(name),
    { action = "create container " .. name, body = request, timeout = START_TIMEOUT, type = TYPES.created })
end

---A file inside a container, which need not run.
---@param id string
---@param path string
---@return string? text, gantry.Error?
function Docker:read_file(id, path)
  local action = ("read %s of container %s"):format(path, short(id))
  local response, err = exchange(self.http, { method = "GET", timeout = REQUEST_TIMEOUT,
    path = ("/v%s/containers/%s/archive?path=%s"):format(self.api, id, escape(path)) })
  if not response then return nil, err:wrap(action) end
  if failed(response.status) then return nil, api_error(action, response.status, response.body) end
  local text = archive.first_file(response.body)
  if text then return text end
  return nil, errors.new("ENGINE_ANSWER", action .. ": the engine's answer holds no such file")
end

---@class gantry.FileHead
---@field kind "file"|"link"|"folder"|"other"
---@field mode integer
---@field target string where a link leads to
---@field bytes string a file's first ones

---The beginning of a file inside a container, which need not run; what follows is not fetched.
---@param id string
---@param path string
---@param most integer bytes
---@return gantry.FileHead? head, gantry.Error? err of status 404 where nothing is there
function Docker:read_head(id, path, most)
  local action = ("look at %s of container %s"):format(path, short(id))
  local pieces, size, status, enough = {}, 0, nil, task.event()
  local sent <close>, refused = self.http:request { method = "GET", timeout = REQUEST_TIMEOUT,
    path = ("/v%s/containers/%s/archive?path=%s"):format(self.api, id, escape(path)),
    on_headers = function(code) status = code end,
    on_data = function(bytes)
      pieces[#pieces + 1], size = bytes, size + #bytes
      if size > most and not failed(status) then enough:set(true) end
    end,
    on_done = function(err) enough:set(not err, err) end }
  if not sent then return nil, refused:wrap(action) end
  local ok, err = enough:wait()
  if not ok then return nil, err:wrap(action) end
  local bytes = table.concat(pieces)
  if failed(status) then return nil, api_error(action, status, bytes) end
  local entry = archive.first(bytes)
  if not entry then return nil, errors.new("ENGINE_ANSWER", action .. ": the engine's answer is no archive") end
  return { kind = entry.kind, mode = entry.mode, target = entry.target,
    bytes = bytes:sub(entry.content, entry.content + math.min(entry.size, most) - 1) }
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
    { action = "start container " .. id:sub(1, 12), timeout = START_TIMEOUT, type = answers.nothing })
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
  if not attached and err.code == "DEADLINE_EXCEEDED" then
    return nil, errors.new("HTTP_TIMEOUT", ("%s: no answer within %d s"):format(action, REQUEST_TIMEOUT))
  end
  if not attached then return nil, err end
  return stream
end

---Waits until a container has stopped.
---@param id string
---@return table? result StatusCode, Error
---@return gantry.Error?
function Docker:wait(id)
  return self:call("POST", "/containers/" .. id .. "/wait", { action = "wait for container " .. id:sub(1, 12),
    forever = true, type = TYPES.waited })
end

---@param id string or name
---@return table? container the engine's inspect
---@return gantry.Error?
function Docker:inspect(id)
  local action = "inspect container " .. short(id)
  local found, err = self:call("GET", "/containers/" .. escape(id) .. "/json", { action = action,
    type = TYPES.inspected })
  if found and #id == #found.Id and found.Id ~= id then -- a proxy that mixes up answers
    return answers.unexpected({ status = 200 }, action, "it is container " .. short(found.Id))
  end
  return found, err
end

---What a container uses, now; an engine takes a second or two to say it.
---@param id string
---@return table? stats as the engine gives them
---@return gantry.Error?
function Docker:stats(id)
  return self:call("GET", "/containers/" .. id .. "/stats?stream=false&one-shot=true",
    { action = "read the statistics of container " .. id:sub(1, 12), type = TYPES.stats })
end

---@param id string
---@param signal string such as "TERM"
---@return boolean? sent false when it was not running or is gone
---@return gantry.Error?
function Docker:kill(id, signal)
  local answer, err = self:call("POST", "/containers/" .. id .. "/kill?signal=" .. escape(signal),
    { action = ("send %s to container %s"):format(signal, id:sub(1, 12)), type = answers.nothing })
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

---Follows what happens to containers, from now on, until the engine ends it.
---@param which { labels: table<string, string>, kinds: string[] } kinds such as "die"
---@param handlers { on_open: fun(), on_event: fun(event: table) }
---@return boolean? ended, gantry.Error? err
function Docker:events(which, handlers)
  local kinds = self.kind == "podman" and podman.event_kinds(which.kinds) or which.kinds
  local filters = assert(json.encode { type = json.array { "container" }, event = json.array(kinds),
    label = label_filter(which.labels) })
  return self:stream("GET", "/events?filters=" .. escape(filters), { action = "follow the engine's events",
    on_open = handlers.on_open,
    on_value = function(value)
      local event = types.first_finding(TYPES.event, value, "it")
      if event then handlers.on_event(event) end
    end })
end

---All containers, running or not, that carry every one of these labels.
---@param labels table<string, string|true> true: whatever its value
---@return table[]? containers Id, Names, State, Labels, Created
---@return gantry.Error?
---@param image string? only those of this image
function Docker:list(labels, image)
  local filters, err = json.encode { label = label_filter(labels), ancestor = image and json.array { image } }
  if not filters then return nil, err end
  return self:call("GET", "/containers/json?all=1&filters=" .. escape(filters), { action = "list containers",
    type = TYPES.containers })
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
        local result, wrong = answers.read(response, action, TYPES.waited)
        resume(nil, wrong, result)
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
