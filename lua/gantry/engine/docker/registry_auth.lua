-- SPDX-License-Identifier: Apache-2.0
--
--- engine/docker/registry_auth.lua: the password for a registry, as `docker login` keeps it: in docker's config.json
--- itself (auths), or with a program that it names (credHelpers, credsStore). Nothing here is ever printed or kept.

local core = require "gantry.core"
local docker_config = require "gantry.engine.docker.docker_config"
local errors = require "gantry.base.errors"
local image = require "gantry.base.image"
local json = require "gantry.json"
local task = require "gantry.task"

local base64 = core.base64

local registry_auth = {}

-- The key of Docker's own registry, for images whose name has none.
local DOCKER_HUB <const> = "https://index.docker.io/v1/"

-- Seconds for a helper, which may ask a keychain or a cloud.
local HELPER_TIMEOUT <const> = 30

-- The name by which a helper says that its secret is a token.
local TOKEN_USER <const> = "<token>"

---The registry of an image's name, by Docker's own rule.
---@param reference string
---@return string registry host[:port], or Docker Hub's key
function registry_auth.registry(reference)
  local registry = image.registry(reference)
  if not registry or registry == "docker.io" or registry == "index.docker.io" then return DOCKER_HUB end
  return registry
end

---@param key string as in config.json: host[:port], perhaps as a URL
---@return string host
local function host_of(key)
  return key:gsub("^%a+://", ""):match("^[^/]*")
end

---The entry of a map for a registry: by its own name, or by a URL of that host.
---@param map any
---@param registry string
---@return any entry
local function entry_for(map, registry)
  if type(map) ~= "table" then return nil end
  if map[registry] ~= nil then return map[registry] end
  for key, value in pairs(map) do
    if type(key) == "string" and host_of(key) == host_of(registry) then return value end
  end
end

---@param entry any of `auths`
---@return table? auth
local function from_entry(entry)
  if type(entry) ~= "table" then return nil end
  local function text(name)
    local value = entry[name]
    return type(value) == "string" and value ~= "" and value or nil
  end
  local user, password = text "username", text "password"
  local packed = text "auth"
  if packed then
    local plain = base64.decode(packed)
    user, password = (plain or ""):match("^([^:]*):(.*)$")
    password = password and password:gsub("%z+$", "")
  end
  local auth = { username = user, password = password, identitytoken = text "identitytoken",
    registrytoken = text "registrytoken" }
  return next(auth) and auth or nil
end

---Runs `docker-credential-NAME get` with the registry on its standard input.
---@return string? output nil where the helper knows nothing, or is not there
---@return gantry.Error? err
local function run_helper(program, registry)
  local output, ended = {}, task.event()
  local process <close>, err = core.process.spawn(task.loop(), {
    program, "get", input = "pipe", output = "pipe", error = "null",
    on_output = function(_, bytes) output[#output + 1] = bytes end,
    on_exit = function(exit) ended:set(exit) end,
  })
  if not process then return nil, err end
  process:write(registry)
  process:close_input()
  local exit = ended:wait()
  return exit.code == 0 and table.concat(output) or nil
end

---@param name string of the helper
---@param registry string
---@return table? auth nil, nil where the helper knows nothing
---@return gantry.Error?
local function from_helper(name, registry)
  local program = "docker-credential-" .. name
  if not name:find "^[%w._-]+$" then
    return nil, errors.new("REGISTRY_HELPER", ("config.json names the credential helper %q for %s, which is no name; "
      .. "change credHelpers or credsStore"):format(name, registry))
  end
  local output, err = task.deadline(HELPER_TIMEOUT, run_helper, program, registry)
  if err then
    return nil, errors.new("REGISTRY_HELPER", ("the docker credential helper %s, which config.json names for %s, could "
      .. "not be asked: %s; install it, or change credHelpers or credsStore"):format(program, registry, err.message),
      { cause = err })
  end
  local answer = output and json.decode(output)
  if type(answer) ~= "table" or type(answer.Secret) ~= "string" then return nil end
  if answer.Username == TOKEN_USER then return { identitytoken = answer.Secret } end
  local user = type(answer.Username) == "string" and answer.Username or nil
  return { username = user, password = answer.Secret }
end

---What docker's config.json has for a registry.
---@param registry string
---@param environment table<string, string>
---@return table? auth username, password, identitytoken, registrytoken; nil, nil where there is none
---@return gantry.Error? err
function registry_auth.find(registry, environment)
  local config, err = docker_config.load(environment)
  if not config then return nil, err end
  local helper = entry_for(config.credHelpers, registry)
  if not helper and type(config.credsStore) == "string" and config.credsStore ~= "" then helper = config.credsStore end
  if type(helper) == "string" then
    local auth, failure = from_helper(helper, registry)
    if auth or failure then return auth, failure end
  end
  return from_entry(entry_for(config.auths, registry))
end

---The header by which an engine is told the password.
---@param registry string
---@param auth table
---@return string? header, gantry.Error? err where it is no text
function registry_auth.header(registry, auth)
  local all = { serveraddress = registry }
  for name, value in pairs(auth) do all[name] = value end
  local text, unwritable = json.encode(all)
  if not text then
    return nil, errors.new("REGISTRY_AUTH", ("the login that docker's config.json has for %s is no text; log in again")
      :format(registry), { cause = unwritable })
  end
  return "X-Registry-Auth: " .. base64.encode(text):gsub("[+/]", { ["+"] = "-", ["/"] = "_" })
end

return registry_auth
