-- SPDX-License-Identifier: Apache-2.0
--
--- endpoint.lua: where the engine is: --engine, the variables and contexts that users know from other tools, or the
--- usual sockets.

local contexts = require "gantry.engine.docker.contexts"
local errors = require "gantry.base.errors"
local later = require "gantry.base.later"
local settings = require "gantry.policy.settings"
local system = require("gantry.core").system
local tls = later "gantry.engine.docker.tls"
local user_runtime = require "gantry.base.user_runtime"

local endpoint = {}

---@class gantry.Endpoint
---@field name string what the user sees, such as unix:///var/run/docker.sock
---@field source string what named it: "--engine", "DOCKER_HOST", "docker context 'prod'", "default"
---@field runtime string? the OCI runtime that an address of kind oci names
---@field kind "docker"|"oci"|nil which folder of gantry.engine has its client; docker where nil
---@field url string? base of all requests, where there are such
---@field unix_socket string? path of the socket, where it is one
---@field ca_file string?
---@field cert_file string?
---@field key_file string?
---@field verify boolean?
---@field tls_source string? what named the certificates

---@param url string
---@param source string
---@return gantry.Error
local function address_error(url, source)
  local host = url:match("^ssh://(.+)$")
  if host then
    return errors.new("ENGINE_ADDRESS", ("%s: gantry does not speak ssh (%s): its plugins meet it on sockets of the "
      .. "engine's own machine; run gantry there"):format(source, url))
  end
  return errors.new("ENGINE_ADDRESS", ("%s: '%s' is not an engine's address; use unix:///path/to/socket, "
    .. "tcp://host:port, https://host:port or oci:"):format(source, url))
end

-- What an address of the engine without a daemon may name after "oci:".
local OCI_RUNTIMES <const> = { [""] = true, crun = true, runc = true, runsc = true }

---@param url string that begins with "oci:"
---@param source string
---@return gantry.Endpoint?, gantry.Error?
local function without_daemon(url, source)
  local runtime = url:match "^oci:(.*)$"
  if OCI_RUNTIMES[runtime] then
    return { name = url, source = source, kind = "oci", runtime = runtime ~= "" and runtime or nil }
  end
  return nil, errors.new("ENGINE_ADDRESS", ("%s: '%s' names no OCI runtime that gantry can run containers by; use "
    .. "oci:, oci:crun, oci:runc or oci:runsc"):format(source, url))
end

---@param url string
---@param source string
---@param environment table<string, string>
---@param files gantry.TlsFiles? those of a context; the environment's where nil
---@return gantry.Endpoint?, gantry.Error?
function endpoint.parse(url, source, environment, files)
  if url:find "^oci:" then return without_daemon(url, source) end
  local path = url:match("^unix://(/.+)$")
  if path then return { name = url, source = source, url = "http://engine", unix_socket = path } end

  local scheme, address = url:match("^(%a+)://([^/]+)/?$")
  if scheme ~= "tcp" and scheme ~= "http" and scheme ~= "https" then return nil, address_error(url, source) end
  local err
  if not files and scheme ~= "http" then files, err = tls.of_environment(environment) end
  if err then return nil, err end
  local secure = scheme == "https" or files ~= nil
  local port = address:match(":%d+$") and "" or secure and ":2376" or ":2375"
  files = files or { verify = true, source = "nothing (set DOCKER_CERT_PATH)" }
  return { name = url, source = source, url = (secure and "https://" or "http://") .. address .. port,
    ca_file = files.ca_file, cert_file = files.cert_file, key_file = files.key_file, verify = files.verify,
    tls_source = files.source }
end

---The engines that the docker command's contexts name.
---@param environment table<string, string>
---@return { name: string, host: string }[]
function endpoint.of_contexts(environment)
  return contexts.list(environment)
end

---The usual sockets, in the order in which they are tried: rootful Docker, rootless Docker, Podman.
---@param environment table<string, string>
---@return string[] urls
function endpoint.usual(environment)
  local urls = { "unix:///var/run/docker.sock" }
  local function add(folder, path) -- folder: string|false|nil
    if folder then urls[#urls + 1] = "unix://" .. folder .. path end
  end
  local runtime = user_runtime.path(environment)
  add(runtime, "/docker.sock")
  add((environment.HOME or "") ~= "" and environment.HOME, "/.docker/run/docker.sock")
  add(runtime, "/podman/podman.sock")
  add(user_runtime.podman(), "/podman/podman.sock")
  add("", "/run/podman/podman.sock")
  return urls
end

---The address that the user chose: GANTRY_ENGINE, then in the docker command's order DOCKER_HOST, DOCKER_CONTEXT, then
---what podman reads, then gantry's settings, then the current context.
---@param url string? from --engine or from the caller
---@param environment table<string, string>
---@return gantry.Endpoint? one nil, nil where nothing was chosen
---@return gantry.Error?
local function chosen(url, environment)
  local function set(name) return (environment[name] or "") ~= "" end
  local setting, where, wrong = settings.find("engine", environment)
  if wrong then return nil, wrong end
  if url then return endpoint.parse(url, "--engine", environment) end
  if where == "GANTRY_ENGINE" then return endpoint.parse(setting, where, environment) end
  if set "DOCKER_HOST" then return endpoint.parse(environment.DOCKER_HOST, "DOCKER_HOST", environment) end
  if set "CONTAINER_HOST" and not set "DOCKER_CONTEXT" then
    return endpoint.parse(environment.CONTAINER_HOST, "CONTAINER_HOST", environment)
  end
  if setting and not set "DOCKER_CONTEXT" then return endpoint.parse(setting, where --[[@as string]], environment) end
  local name, source = contexts.current(environment)
  if not name then return nil, source end
  local context, err = contexts.find(name, source, environment)
  if not context then return nil, err end
  return endpoint.parse(context.host, context.source, environment, context.tls)
end

---The endpoints to try, first that answers wins. One alone where the user chose it.
---@param url string? from --engine or from the caller
---@param environment table<string, string>? the process's own where nil
---@return gantry.Endpoint[]?, gantry.Error?
function endpoint.candidates(url, environment)
  environment = environment or system.environment()
  local one, err = chosen(url, environment)
  if err then return nil, err end
  if one then return { one } end
  local list = {}
  for _, usual in ipairs(endpoint.usual(environment)) do
    list[#list + 1] = endpoint.parse(usual, "default", environment)
  end
  list[#list + 1] = endpoint.parse("oci:", "default", environment)
  return list
end

return endpoint
