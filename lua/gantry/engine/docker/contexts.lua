-- SPDX-License-Identifier: Apache-2.0
--
--- engine/docker/contexts.lua: the docker command's contexts: named engines with their certificates, in
--- ~/.docker/contexts. Only read.

local core = require "gantry.core"
local docker_config = require "gantry.engine.docker.docker_config"
local errors = require "gantry.base.errors"
local later = require "gantry.base.later"
local nearest = require "gantry.base.nearest"
local tls = later "gantry.engine.docker.tls"

local contexts = {}

-- The context that stands for "no context": DOCKER_HOST or the usual sockets.
local DEFAULT <const> = "default"

---The context in use, if any: DOCKER_CONTEXT, else the current one of `docker context use`.
---@param environment table<string, string>
---@return string? name nil, nil for none
---@return string|gantry.Error|nil source what named it, or the error
function contexts.current(environment)
  if (environment.DOCKER_CONTEXT or "") ~= "" then
    if environment.DOCKER_CONTEXT == DEFAULT then return nil end
    return environment.DOCKER_CONTEXT, "DOCKER_CONTEXT"
  end
  local config, err = docker_config.load(environment)
  if not config then return nil, err end
  local name = config.currentContext
  if type(name) ~= "string" or name == "" or name == DEFAULT then return nil end
  return name, docker_config.folder(environment) .. "/config.json"
end

---Each context lies in a folder named by a hash of its name; the name is in its file.
---@param folder string
---@return table<string, { id: string, meta: table }> contexts by name
---@return gantry.Error? err of a file that cannot be read
local function read_all(folder)
  local found, first_error = {}, nil
  for _, id in ipairs(core.files.list(folder .. "/contexts/meta") or {}) do
    local meta, err = docker_config.read_json(("%s/contexts/meta/%s/meta.json"):format(folder, id))
    if meta and type(meta.Name) == "string" then found[meta.Name] = { id = id, meta = meta } end
    first_error = first_error or err
  end
  return found, first_error
end

---@param name string
---@param source string
---@param known table<string, any>
---@param unreadable gantry.Error?
---@return gantry.Error
local function unknown_error(name, source, known, unreadable)
  if unreadable then return unreadable end
  local names = {}
  for one in pairs(known) do names[#names + 1] = one end
  table.sort(names)
  local near = nearest.find(name, names)
  local hint = near and (" (did you mean '%s'?)"):format(near) or ""
  return errors.new("CONTEXT_UNKNOWN", ("%s names the docker context '%s', which does not exist%s; there %s; choose "
    .. "with docker context use, or name the engine with --engine"):format(source, name, hint,
    #names > 0 and "is " .. table.concat(names, ", ") or "are none"))
end

---The docker command's contexts that name an engine, whichever is in use.
---@param environment table<string, string>
---@return { name: string, host: string }[]
function contexts.list(environment)
  local list = {}
  for name, one in pairs((read_all(docker_config.folder(environment) or "."))) do
    local docker = type(one.meta.Endpoints) == "table" and one.meta.Endpoints.docker
    local host = type(docker) == "table" and docker.Host
    if type(host) == "string" then list[#list + 1] = { name = name, host = host } end
  end
  return list
end

---The engine of a context.
---@param name string
---@param source string what named it
---@param environment table<string, string>
---@return { host: string, source: string, tls: gantry.TlsFiles? }? context
---@return gantry.Error?
function contexts.find(name, source, environment)
  local folder = docker_config.folder(environment) or "."
  local known, unreadable = read_all(folder)
  local one = known[name]
  if not one then return nil, unknown_error(name, source, known, unreadable) end
  local docker = type(one.meta.Endpoints) == "table" and one.meta.Endpoints.docker
  if type(docker) ~= "table" or type(docker.Host) ~= "string" then
    return nil, errors.new("CONTEXT_INVALID", ("docker context '%s' names no Docker engine; make it anew with docker "
      .. "context create %s --docker host=..."):format(name, name))
  end
  local title = ("docker context '%s'"):format(name)
  local verify = docker.SkipTLSVerify ~= true
  local files, err = tls.of_folder(("%s/contexts/tls/%s/docker"):format(folder, one.id), {
    source = title, verify = verify, needs = false,
    remedy = ("make the context anew: docker context create %s --docker host=...,ca=...,cert=...,key=..."):format(name),
  })
  if not files then return nil, err end
  local wanted = files.ca_file or files.cert_file or not verify
  return { host = docker.Host, source = title, tls = wanted and files or nil }
end

return contexts
