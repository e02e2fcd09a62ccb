-- SPDX-License-Identifier: Apache-2.0
--
--- engine/oci/skopeo.lua: images brought here by skopeo, which knows registries, their tokens and mirrors, and the
--- formats of archives. It says what failed in words alone, so that those of the registries' own API are looked for.

local core = require "gantry.core"
local errors = require "gantry.base.errors"
local json = require "gantry.json"
local registry_auth = require "gantry.engine.docker.registry_auth"
local work = require "gantry.engine.oci.work"

local skopeo = {}

-- Seconds for an answer of a registry; and for a whole image, which may be large.
local ANSWER_TIMEOUT <const>, COPY_TIMEOUT <const> = 60, 3600
local PRIVATE_FILE <const> = tonumber("600", 8)
local USUAL_PATH <const> = "/usr/local/bin:/usr/bin:/bin"

---@class gantry.Skopeo
---@field program string its whole path
---@field environment table<string, string>
---@field folder string of what it may leave behind while it runs
---@field most integer bytes of the largest file
---@field registry string?
---@field has_login boolean?
---@field options string[] of every call
local Skopeo = {}
Skopeo.__index = Skopeo

---@param environment table<string, string>
---@return string? path
local function find(environment)
  for folder in (environment.PATH or USUAL_PATH):gmatch "[^:]+" do
    local path = folder .. "/skopeo"
    local status = folder:sub(1, 1) == "/" and core.system.stat(path)
    if status and status.type == "file" then return path end
  end
end

---Where the site says whose images it trusts; where it says nothing, all are, as with Docker.
---@param environment table<string, string>
---@return boolean
local function has_trust_policy(environment)
  local home = environment.HOME or ""
  return core.system.stat "/etc/containers/policy.json" ~= nil
    or home ~= "" and core.system.stat(home .. "/.config/containers/policy.json") ~= nil
end

---@param environment table<string, string>
---@param folder string
---@param most integer
---@return gantry.Skopeo? found, gantry.Error? err SKOPEO_MISSING
function skopeo.new(environment, folder, most)
  local program = find(environment)
  if not program then
    return nil, errors.new("SKOPEO_MISSING", "skopeo, which fetches images where no daemon does, is not installed; "
      .. "install it (apt-get install skopeo)")
  end
  return setmetatable({ program = program, environment = environment, folder = folder, most = most,
    options = has_trust_policy(environment) and {} or { "--insecure-policy" } }, Skopeo)
end

---@param auth table of registry_auth's
---@return string base64
local function packed(auth)
  if auth.username and auth.password then return core.base64.encode(auth.username .. ":" .. auth.password) end
  return core.base64.encode "<token>:"
end

---Has it log in to a registry by what docker's config.json has for it. Where that has nothing, skopeo looks where it
---always does.
---@param registry string as registry_auth has it
---@return boolean? ok, gantry.Error? err
function Skopeo:log_in(registry)
  self.registry = registry
  local auth, err = registry_auth.find(registry, self.environment)
  if err then return nil, err end
  self.has_login = auth ~= nil
  if not auth then return true end
  local host = registry:gsub("^%a+://", ""):match "^[^/]*"
  if host == "index.docker.io" then host = "docker.io" end
  local content, unwritable = json.encode { auths = { [host] = { auth = packed(auth),
    identitytoken = auth.identitytoken } } }
  if not content then
    return nil, errors.new("REGISTRY_AUTH", ("the login that docker's config.json has for %s is no text; log in again")
      :format(registry), { cause = unwritable })
  end
  self.auth_file = self.folder .. "/auth.json"
  return core.files.replace(self.auth_file, content, PRIVATE_FILE)
end

---@param self gantry.Skopeo
---@return string[]
local function variables(self)
  local list = { "TMPDIR=" .. self.folder }
  for name, value in pairs(self.environment) do
    if name ~= "TMPDIR" then list[#list + 1] = name .. "=" .. value end
  end
  return list
end

---What it says of its failure.
---@param complaint string
---@return string
local function reason(complaint)
  local said
  for line in complaint:gmatch "[^\n]+" do said = line:match 'level=fatal msg="(.*)"' or said or line end
  return ((said or "nothing"):gsub('\\(["\\])', "%1"):gsub("\\[nt]", " "))
end

---@param said string
---@param ... string
local function says(said, ...)
  said = said:lower()
  for _, words in ipairs { ... } do
    if said:find(words, 1, true) then return true end
  end
  return false
end

---@param self gantry.Skopeo
---@return string command
local function login_command(self)
  return self.registry:find "^https:" and "docker login" or "docker login " .. self.registry
end

---@param self gantry.Skopeo
---@param message string
---@param said string
---@return gantry.Error
local function registry_error(self, message, said)
  if says(said, "unauthorized", "authentication required", "denied", "status code 401", "status code 403",
    "401 (unauthorized)", "403 (forbidden)") then
    local remedy = self.has_login and "does not accept the login that docker's config.json has for it: log in again"
      or "wants a login, and docker's config.json has no login for it: log in"
    return errors.new("REGISTRY_AUTH", ("%s; registry %s %s (%s)"):format(message, self.registry, remedy,
      login_command(self)))
  elseif says(said, "manifest unknown", "name unknown", "not found", "status code 404",
    "repository name not known") then
    return errors.new("IMAGE_NOT_FOUND", ("%s; see whether the name and tag are right, and whether registry %s shows "
      .. "it %s"):format(message, self.registry, self.has_login and "to this login" or "without a login ("
      .. login_command(self) .. ")"), { status = 404 })
  end
  return errors.new("REGISTRY_FAILED", ("%s; see whether registry %s can be reached from here"):format(message,
    self.registry))
end

---@param self gantry.Skopeo
---@param action string
---@param said string
---@return gantry.Error
local function explain(self, action, said)
  local message = ("%s: skopeo says: %s"):format(action, said)
  if says(said, "no space left on device", "disk quota exceeded") then
    return errors.new("STORE_FULL", message .. "; make room, or name another folder with GANTRY_IMAGE_DIR")
  elseif says(said, "file too large") then
    return errors.new("IMAGE_TOO_LARGE", ("%s; the bound is the setting image_size"):format(message))
  elseif self.registry then
    return registry_error(self, message, said)
  elseif says(said, "no such image", "not found", "reference does not exist") then
    return errors.new("IMAGE_NOT_FOUND", message, { status = 404 })
  end
  return errors.new(self.archive and "IMAGE_CORRUPT" or "IMAGE_PULL_FAILED", message)
end

---@param self gantry.Skopeo
---@param seconds number
---@param action string
---@param arguments string[]
---@return string? output, gantry.Error? err
local function run(self, seconds, action, arguments)
  local command = { self.program }
  for _, list in ipairs { self.options, arguments } do table.move(list, 1, #list, #command + 1, command) end
  local ended, err = work.command(command, self.most, { environment = variables(self), seconds = seconds })
  if not ended then
    if err.code ~= "DEADLINE_EXCEEDED" then return nil, err:wrap(action) end
    return nil, errors.new(self.registry and "REGISTRY_FAILED" or "IMAGE_PULL_FAILED",
      ("%s: skopeo was not done within %d s"):format(action, seconds), { cause = err })
  end
  if ended.code == 0 then return ended.output end
  if ended.signal then
    return nil, errors.new("IMAGE_PULL_FAILED", ("%s: skopeo was ended by signal %d"):format(action, ended.signal))
  end
  return nil, explain(self, action, reason(ended.complaint))
end

---Docker takes plain HTTP, and any certificate, of registries of this machine.
---@param registry string
---@return boolean
local function is_local(registry)
  local host = registry:match "^%[(.-)%]" or registry:match "^[^:/]*"
  return host == "localhost" or host == "::1" or host:find "^127%.%d+%.%d+%.%d+$" ~= nil
end

---@param self gantry.Skopeo
---@param arguments string[]
---@param prefix string
local function add_registry_options(self, arguments, prefix)
  if self.registry and is_local(self.registry) then
    arguments[#arguments + 1] = ("--%stls-verify=false"):format(prefix)
  end
  if self.auth_file then
    arguments[#arguments + 1] = "--authfile"
    arguments[#arguments + 1] = self.auth_file
  end
end

---The manifest of an image as its source has it, or the index.
---@param source string such as docker://NAME:TAG
---@param action string
---@return string? bytes, gantry.Error? err
function Skopeo:manifest(source, action)
  local arguments = { "inspect", "--raw" }
  add_registry_options(self, arguments, "")
  arguments[#arguments + 1] = source
  return run(self, ANSWER_TIMEOUT, action, arguments)
end

---Copies an image as it is: its manifest, its config, its layers.
---@param source string
---@param to string folder, which it makes
---@param action string
---@return boolean? ok, gantry.Error? err
function Skopeo:copy(source, to, action)
  local arguments = { "copy", "--quiet" }
  add_registry_options(self, arguments, "src-")
  if self.daemon_host then
    arguments[#arguments + 1] = "--src-daemon-host"
    arguments[#arguments + 1] = self.daemon_host
  end
  arguments[#arguments + 1] = source
  arguments[#arguments + 1] = "dir:" .. to
  local ok, err = run(self, COPY_TIMEOUT, action, arguments)
  return ok and true, err
end

return skopeo
