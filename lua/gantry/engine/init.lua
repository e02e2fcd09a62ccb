-- SPDX-License-Identifier: Apache-2.0
--
--- engine/init.lua: finds the engine and gives a client for it. What a client can do is interface.lua's; each folder
--- beside is one engine: docker speaks Docker's API to Docker and to Podman, oci calls an OCI runtime without a daemon.
--- One more is a folder, a form of address in endpoint.lua, and a line in CLIENTS.

local docker = require "gantry.engine.docker"
local endpoint = require "gantry.engine.endpoint"
local errors = require "gantry.base.errors"
local group = require("gantry.core").group
local later = require "gantry.base.later"
local oci = later "gantry.engine.oci"
local system = require("gantry.core").system

local engine = {}

-- Who makes the client of an endpoint, by its kind: `connect(where, environment)`.
local CLIENTS <const> = { docker = docker, oci = oci }

local ENOENT, EACCES, ECONNREFUSED = 2, 13, 111

---Why one endpoint did not answer, in a few words, with the remedy where the reason is a permission.
---@param where gantry.Endpoint
---@param err gantry.Error
---@return string
local function why_not(where, err)
  if err.os_error == ENOENT then return where.name .. " (no such socket)" end
  if err.os_error == ECONNREFUSED then return where.name .. " (nothing listens there)" end
  if err.os_error == EACCES then return where.name .. " (permission denied)" end
  return where.name .. " (" .. err.message .. ")"
end

---@param where gantry.Endpoint
---@return gantry.Error
local function permission_error(where)
  local status = system.stat(where.unix_socket)
  local gid = status and status.gid
  local owner = gid and (group.name(gid) or tostring(gid)) or "unknown"
  return errors.new("ENGINE_PERMISSION", ("permission denied on the engine's socket %s, which belongs to group '%s'; "
    .. "become a member (usermod -aG %s YOU, then log in again) or choose another engine with --engine")
    :format(where.unix_socket, owner, owner))
end

---@param tried { where: gantry.Endpoint, err: gantry.Error }[]
---@return gantry.Error
local function unreachable_error(tried)
  -- Nobody who names that engine alone is helped by starting another.
  if #tried == 1 and tried[1].err.code == "RUNTIME_MISSING" then return tried[1].err end
  local reasons = {}
  for _, one in ipairs(tried) do
    if one.err.os_error == EACCES then return permission_error(one.where) end
    reasons[#reasons + 1] = why_not(one.where, one.err)
  end
  local source = tried[1].where.source
  local named = source ~= "default" and (" (named by %s)"):format(source) or ""
  return errors.new("ENGINE_UNREACHABLE",
    ("no engine answers%s: tried %s; start one (systemctl start docker) or name it "
    .. "with --engine URL or DOCKER_HOST"):format(named, table.concat(reasons, ", ")), { cause = tried[#tried].err })
end

-- Of what another endpoint could not do better: it answered and is no use, or nobody can be asked at all.
local FINAL <const> = { API_VERSION = true, ENGINE_ADDRESS = true, LIBRARY_MISSING = true, OUT_OF_MEMORY = true }

---@param err gantry.Error
---@return boolean
local function is_final(err)
  return FINAL[err.code] or err.code:find("^ENGINE_TLS") ~= nil
end

---Finds the engine that answers and negotiates its API version.
---@param options { url: string?, environment: table<string, string>? }?
---@return gantry.EngineClient?, gantry.Error?
function engine.connect(options)
  options = options or {}
  local environment = options.environment or system.environment()
  local candidates, err = endpoint.candidates(options.url, environment)
  if not candidates then return nil, err end

  local tried = {}
  for _, where in ipairs(candidates) do
    local client, failure = CLIENTS[where.kind or "docker"].connect(where, environment)
    if client then return client end
    tried[#tried + 1] = { where = where, err = failure }
    if is_final(failure) then return nil, failure end
  end
  return nil, unreachable_error(tried)
end

local default -- of this Lua state

---@param named gantry.EngineClient|string|nil a client, an address, or nil: the one that is found and connected at the
--- first call, and kept
---@return gantry.EngineClient?, gantry.Error?
function engine.of(named)
  if type(named) == "table" then return named end
  if named then return engine.connect { url = named } end
  if not default or default.closed then
    local found, err = engine.connect()
    if not found then return nil, err end
    default = found
  end
  return default
end

return engine
