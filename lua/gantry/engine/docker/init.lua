-- SPDX-License-Identifier: Apache-2.0
--
--- engine/docker/init.lua: a client of the Docker Engine API, as Docker and Podman serve it: the connection, calls and
--- streams. What it does with containers, images and the rest is methods.lua's; what each method is to give is
--- gantry.engine.interface's. `err.status` is the HTTP status where the engine answered.

local answers = require "gantry.engine.docker.answer"
local later = require "gantry.base.later"
local c_module = require "gantry.base.c_module"
local capabilities = require "gantry.engine.docker.capabilities"
local core = require "gantry.core"
local exchange = require "gantry.engine.docker.exchange"
local json = require "gantry.json"
local methods = later "gantry.engine.docker.methods" -- an engine is greeted without them
local negotiate = require "gantry.engine.docker.negotiate"
local task = require "gantry.task"
local tls = later "gantry.engine.docker.tls"

local docker = {}

-- The longest line of a stream of values.
local LONGEST_VALUE <const> = 1024 * 1024

---@class gantry.DockerClient: gantry.EngineClient
---@field http userdata
---@field api string negotiated API version
---@field server string? the engine's own software name and version
local Docker = {}
Docker.__index = Docker
setmetatable(Docker, { __index = methods })

function Docker:__tostring()
  return ("engine %s  %s  API %s"):format(self.kind, self.endpoint.name, self.api)
end

---One API call: JSON in, JSON out. `action` starts the error message.
---@param method string
---@param path string below the version
---@param options { action: string, headers: string[]?, body: table?, timeout: number?, forever: boolean?,
---  type: gantry.Type? } what the answer must look like: see gantry.engine.docker.answer
---@return table? answer
---@return gantry.Error?
function Docker:call(method, path, options)
  local timeout = not options.forever and (options.timeout or exchange.REQUEST_TIMEOUT) or nil
  local request = { method = method, path = "/v" .. self.api .. path, timeout = timeout, headers = options.headers }
  if options.body then
    local body, unencodable = json.encode(options.body)
    if not body then return nil, unencodable end
    request.body, request.headers = body, { "Content-Type: application/json" }
  end
  local response, err = exchange.send(self.http, request)
  if not response then return nil, err:wrap(options.action) end
  if exchange.failed(response.status) then
    return nil, exchange.error(options.action, response.status, response.body)
  end
  return answers.read(response, options.action, options.type)
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
  local response, err = exchange.send(self.http, {
    method = method, path = "/v" .. self.api .. path, headers = options.headers, source = options.source,
    on_headers = function(code)
      status = code
      if options.on_open and not exchange.failed(code) then options.on_open() end
    end,
    on_data = function(bytes)
      if exchange.failed(status) then refusal[#refusal + 1] = bytes else lines:feed(bytes, on_line) end
    end,
  })
  if not response then return nil, err:wrap(options.action) end
  if exchange.failed(status) then return nil, exchange.error(options.action, status, table.concat(refusal)) end
  lines:finish(on_line)
  return true
end

---Pings and negotiates. DOCKER_API_VERSION overrides, as it does for other clients.
---@param where gantry.Endpoint
---@param environment table<string, string>?
---@return gantry.DockerClient?, gantry.Error?
function docker.connect(where, environment)
  local module, missing = c_module.load "http"
  if not module then return nil, missing end
  local http, err = module.new(task.loop(), where)
  if not http then return nil, err end
  local agreed, failure = negotiate.run(where, function(path)
    return exchange.send(http, { method = "GET", path = path, timeout = exchange.REQUEST_TIMEOUT })
  end, environment and environment.DOCKER_API_VERSION)
  if not agreed then
    http:close()
    return nil, tls.explain(where, failure)
  end
  return setmetatable({ endpoint = where, http = http, api = agreed.api, kind = agreed.kind, server = agreed.server,
    capabilities = capabilities.of(agreed.kind, agreed.api), swept = {} }, Docker)
end

---Ends all that is in flight and drops the connections.
function Docker:close()
  self.closed = true
  self.http:close()
end

Docker.__close = Docker.close

return docker
