-- SPDX-License-Identifier: Apache-2.0
--
--- endpoint.lua: where the engine is: --engine, the variables that users know from other tools, or the usual sockets.

local errors = require "gantry.errors"
local system = require("gantry.core").system

local endpoint = {}

---@class gantry.Endpoint
---@field name string what the user sees, such as unix:///var/run/docker.sock
---@field source string what named it: "--engine", "DOCKER_HOST", "default"
---@field url string base of all requests
---@field unix_socket string? path of the socket, where it is one
---@field ca_file string?
---@field cert_file string?
---@field key_file string?
---@field verify boolean?

---The files and the strictness of TLS as DOCKER_CERT_PATH and DOCKER_TLS_VERIFY give them.
---@param environment table<string, string>
---@return table? tls nil where the user asked for plain TCP
local function tls_settings(environment)
  local folder = environment.DOCKER_CERT_PATH
  local verify = (environment.DOCKER_TLS_VERIFY or "") ~= ""
  if not verify and not folder then return nil end
  folder = folder or (environment.HOME or "") .. "/.docker"
  return {
    ca_file = folder .. "/ca.pem", cert_file = folder .. "/cert.pem", key_file = folder .. "/key.pem", verify = verify,
  }
end

---@param url string
---@param source string
---@param environment table<string, string>
---@return gantry.Endpoint?, gantry.Error?
function endpoint.parse(url, source, environment)
  local path = url:match("^unix://(/.+)$")
  if path then return { name = url, source = source, url = "http://engine", unix_socket = path } end

  local scheme, address = url:match("^(%a+)://([^/]+)/?$")
  if scheme == "tcp" or scheme == "http" or scheme == "https" then
    local tls = scheme ~= "http" and tls_settings(environment) or nil
    local secure = scheme == "https" or tls
    local port = address:match(":%d+$") and "" or secure and ":2376" or ":2375"
    local found = { name = url, source = source, url = (secure and "https://" or "http://") .. address .. port }
    for key, value in pairs(tls or {}) do found[key] = value end
    return found
  end
  return nil, errors.new("ENGINE_ADDRESS", ("%s: '%s' is not an engine's address; use unix:///path/to/socket, "
    .. "tcp://host:port or https://host:port"):format(source, url))
end

---The usual sockets, in the order in which they are tried: rootful Docker, rootless Docker, Podman.
---@param environment table<string, string>
---@return string[] urls
function endpoint.usual(environment)
  local urls = { "unix:///var/run/docker.sock" }
  local runtime = environment.XDG_RUNTIME_DIR
  if runtime then urls[#urls + 1] = "unix://" .. runtime .. "/docker.sock" end
  if environment.HOME then urls[#urls + 1] = "unix://" .. environment.HOME .. "/.docker/run/docker.sock" end
  if runtime then urls[#urls + 1] = "unix://" .. runtime .. "/podman/podman.sock" end
  urls[#urls + 1] = "unix:///run/podman/podman.sock"
  return urls
end

---The endpoints to try, first that answers wins. One alone where the user named it.
---@param url string? from --engine or from the caller
---@param environment table<string, string>? the process's own where nil
---@return gantry.Endpoint[]?, gantry.Error?
function endpoint.candidates(url, environment)
  environment = environment or system.environment()
  local named, source = url, "--engine"
  for _, variable in ipairs { "DOCKER_HOST", "CONTAINER_HOST" } do
    if not named and (environment[variable] or "") ~= "" then named, source = environment[variable], variable end
  end
  if named then
    local one, err = endpoint.parse(named, source, environment)
    if not one then return nil, err end
    return { one }
  end
  local list = {}
  for _, usual in ipairs(endpoint.usual(environment)) do
    list[#list + 1] = endpoint.parse(usual, "default", environment)
  end
  return list
end

return endpoint
