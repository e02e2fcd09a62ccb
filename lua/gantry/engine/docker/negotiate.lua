-- SPDX-License-Identifier: Apache-2.0
--
--- engine/docker/negotiate.lua: the version of the API that gantry and an engine both speak. Decided by what the
--- engine's ping says and, where gantry asks for another version than the engine's newest, by whether it takes that
--- one.

local answers = require "gantry.engine.docker.answer"
local errors = require "gantry.base.errors"

local negotiate = {}

-- The versions that gantry speaks. 1.40 brought non-recursive binds; newer engines refuse what is older than 1.44.
local OLDEST <const>, NEWEST <const> = "1.40", "1.44"

---@param left string
---@param right string
---@return boolean
local function older(left, right)
  local left_major, left_minor = left:match("^(%d+)%.(%d+)$")
  local right_major, right_minor = right:match("^(%d+)%.(%d+)$")
  if left_major ~= right_major then return tonumber(left_major) < tonumber(right_major) end
  return tonumber(left_minor) < tonumber(right_minor)
end

---@param message string
---@param fields table?
---@return nil, gantry.Error
local function refuse(message, fields)
  return nil, errors.new("API_VERSION", message, fields)
end

---@param where gantry.Endpoint
---@param response table
---@return nil, gantry.Error
local function ping_error(where, response)
  local remedy = "see whether it is an engine's address"
  if response.status == 400 and where.url:find("^http:") and not where.unix_socket then
    remedy = "if it speaks TLS, set DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH"
  end
  return nil, errors.new("ENGINE_ADDRESS", ("%s answers the engine's ping with status %d; %s"):format(where.name,
    response.status, remedy), { status = response.status })
end

---What the user set, in the form of the API.
---@param text string?
---@return string? version, gantry.Error?
local function override(text)
  if (text or "") == "" then return nil end
  local version = text:match("^v?(%d+%.%d+)$")
  if not version then
    return refuse(("DOCKER_API_VERSION is '%s', which is no version; set it to one such as %s, or unset it")
      :format(text, NEWEST))
  end
  if older(version, OLDEST) then
    return refuse(("DOCKER_API_VERSION asks for API %s, gantry needs %s or newer; unset it"):format(version, OLDEST))
  end
  return version
end

---The engine does not take the version: says which ones it does.
local function range_error(where, version, overridden, ask)
  local response = ask "/version"
  local answer = response and response.status == 200 and answers.read(response, "ask for its versions",
    answers.types.version)
  local range = answer and ("speaks API %s to %s"):format(answer.MinAPIVersion, answer.ApiVersion)
    or "does not take it"
  if overridden then
    return refuse(("DOCKER_API_VERSION asks for API %s, the engine at %s %s; unset it"):format(version, where.name,
      range), { status = 400 })
  end
  return refuse(("the engine at %s %s, gantry %s to %s; upgrade gantry, or lower the engine's minimum "
    .. "(DOCKER_MIN_API_VERSION)"):format(where.name, range, OLDEST, NEWEST), { status = 400 })
end

---@param where gantry.Endpoint
---@param ask fun(path: string): table?, gantry.Error? a GET
---@param wanted string? DOCKER_API_VERSION
---@return { api: string, kind: "docker"|"podman", server: string? }? agreed
---@return gantry.Error?
function negotiate.run(where, ask, wanted)
  local version, wrong = override(wanted)
  if wrong then return nil, wrong end
  local response, err = ask "/_ping"
  if not response then return nil, err end
  if response.status ~= 200 then return ping_error(where, response) end

  local headers = response.headers
  local newest = (headers["api-version"] or ""):match("^%d+%.%d+$") or NEWEST
  if older(newest, OLDEST) then
    return refuse(("the engine at %s speaks API %s at most, gantry needs %s or newer; upgrade the engine (Docker 19.03 "
      .. "or newer)"):format(where.name, newest, OLDEST))
  end
  local api = version or (older(newest, NEWEST) and newest or NEWEST)
  if api ~= newest then
    response, err = ask("/v" .. api .. "/_ping")
    if not response then return nil, err end
    if response.status == 400 then return range_error(where, api, version ~= nil, ask) end
  end
  return { api = api, kind = headers["libpod-api-version"] and "podman" or "docker", server = headers.server }
end

return negotiate
