-- SPDX-License-Identifier: Apache-2.0
--
--- engine/docker/tls.lua: the certificates for an engine on TCP: where they come from, and what to do where they do
--- not pass.

local docker_config = require "gantry.engine.docker.docker_config"
local errors = require "gantry.base.errors"
local system = require("gantry.core").system

local tls = {}

---@class gantry.TlsFiles
---@field ca_file string? who may have signed the engine's certificate; the system's authorities where nil
---@field cert_file string? what gantry shows of itself
---@field key_file string?
---@field verify boolean whether the engine must prove who it is
---@field source string what named them, for messages

---@param source string
---@param path string
---@param remedy string
---@return gantry.Error
local function missing(source, path, remedy)
  local why = system.stat(path) and "is not readable" or "is missing"
  return errors.new("ENGINE_TLS_FILE", ("%s: %s %s; %s"):format(source, path, why, remedy))
end

---The files ca.pem, cert.pem and key.pem of a folder.
---@param folder string
---@param options { source: string, verify: boolean, needs: boolean, remedy: string } needs: a file left out is an error
---@return gantry.TlsFiles?, gantry.Error?
function tls.of_folder(folder, options)
  local found = { verify = options.verify, source = options.source }
  for field, name in pairs { ca_file = "ca.pem", cert_file = "cert.pem", key_file = "key.pem" } do
    local path = folder .. "/" .. name
    if system.accessible(path, "r") then
      found[field] = path
    elseif system.stat(path) or (options.needs and (field ~= "ca_file" or options.verify)) then
      return nil, missing(options.source, path, options.remedy)
    end
  end
  if (found.cert_file == nil) ~= (found.key_file == nil) then
    return nil, missing(options.source, folder .. (found.cert_file and "/key.pem" or "/cert.pem"), options.remedy)
  end
  return found
end

---What DOCKER_TLS_VERIFY, DOCKER_TLS and DOCKER_CERT_PATH ask for.
---@param environment table<string, string>
---@return gantry.TlsFiles? files nil, nil where the user asked for plain TCP
---@return gantry.Error?
function tls.of_environment(environment)
  local function set(name) return (environment[name] or "") ~= "" end
  local variable
  for _, name in ipairs { "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_TLS" } do
    if set(name) then variable = variable or name end
  end
  if not variable then return nil end
  local folder = set "DOCKER_CERT_PATH" and environment.DOCKER_CERT_PATH or docker_config.folder(environment) or "."
  return tls.of_folder(folder, {
    source = variable, verify = set "DOCKER_TLS_VERIFY", needs = set "DOCKER_CERT_PATH" or set "DOCKER_TLS_VERIFY",
    remedy = "put the engine's ca.pem, cert.pem and key.pem there, or set DOCKER_CERT_PATH to their folder, or unset "
      .. variable,
  })
end

-- What to do about each of the ways in which TLS fails, by the core's code.
local REMEDIES = {
  HTTP_TLS_FILE = function(where)
    return ("the files named by %s cannot be used: make them PEM files that belong together"):format(where.tls_source)
  end,
  HTTP_TLS_UNTRUSTED = function(where)
    return ("use the ca.pem that signed the engine's certificate (%s has another)"):format(where.tls_source)
  end,
  HTTP_TLS_EXPIRED = function()
    return "renew the engine's certificate (dockerd --tlscert), or set this machine's clock"
  end,
  HTTP_TLS_NAME = function(where)
    return ("use a name that the engine's certificate has instead of %s, or have it made for this one")
      :format(where.name)
  end,
  HTTP_TLS_REFUSED = function(where)
    if where.cert_file then return ("use a certificate that the engine's --tlscacert has signed, instead of %s")
      :format(where.cert_file) end
    return "the engine wants a certificate of its clients: set DOCKER_CERT_PATH to the folder of cert.pem and key.pem"
  end,
  HTTP_TLS_FAILED = function(where)
    return ("see whether the engine speaks TLS at %s, and whether it accepts %s"):format(where.name,
      where.cert_file or "clients without a certificate")
  end,
}

---An engine's failure of TLS with its remedy; any other error as it is.
---@param where gantry.Endpoint
---@param err gantry.Error
---@return gantry.Error
function tls.explain(where, err)
  local remedy = REMEDIES[err.code]
  if not remedy then return err end
  local code = err.code:gsub("^HTTP", "ENGINE")
  return errors.new(code, ("%s; %s"):format(err.message, remedy(where)), { cause = err })
end

return tls
