-- SPDX-License-Identifier: Apache-2.0
--
--- engine/docker/docker_config.lua: the docker command's own settings, ~/.docker/config.json: the current context and
--- where the passwords of registries are. Only read.

local errors = require "gantry.base.errors"
local json = require "gantry.json"

local docker_config = {}

-- What another user's HOME may give: such settings are nobody's here.
local ABSENT = { [2] = "ENOENT", [13] = "EACCES", [20] = "ENOTDIR" }

---The folder of the docker command's settings: DOCKER_CONFIG, else ~/.docker.
---@param environment table<string, string>
---@return string? folder nil where neither that nor HOME is set
function docker_config.folder(environment)
  if (environment.DOCKER_CONFIG or "") ~= "" then return environment.DOCKER_CONFIG end
  if (environment.HOME or "") ~= "" then return environment.HOME .. "/.docker" end
end

---A file of JSON.
---@param path string
---@return table? content nil, nil where there is no such file that this user may read
---@return gantry.Error? err
function docker_config.read_json(path)
  local file, reason, os_error = io.open(path, "rb")
  if not file and ABSENT[os_error] then return nil end
  if not file then return nil, errors.new("DOCKER_CONFIG", ("read %s: %s; make it readable, or set DOCKER_CONFIG to "
    .. "another folder"):format(path, reason:match(": (.*)$") or reason)) end
  local text = file:read("a")
  file:close()
  local content, err = json.decode(text or "")
  if type(content) == "table" then return content end
  return nil, errors.new("DOCKER_CONFIG", ("read %s: it is not a JSON object%s; repair it, or set DOCKER_CONFIG to "
    .. "another folder"):format(path, err and " (" .. err.message .. ")" or ""))
end

---@param environment table<string, string>
---@return table config empty where there is none
---@return gantry.Error? err where there is one that cannot be used; config is nil then
function docker_config.load(environment)
  local folder = docker_config.folder(environment)
  if not folder then return {} end
  local config, err = docker_config.read_json(folder .. "/config.json")
  if err then return nil, err end
  return config or {}
end

return docker_config
