-- SPDX-License-Identifier: Apache-2.0
--
--- engine/docker/pull.lua: fetches an image from its registry, through the engine. The engine answers with a stream of
--- what it does, in which a failure may hide behind status 200: it is read to its end.

local answers = require "gantry.engine.docker.answer"
local errors = require "gantry.base.errors"
local exchange = require "gantry.engine.docker.exchange"
local image = require "gantry.base.image"
local registry_auth = require "gantry.engine.docker.registry_auth"
local types = require "gantry.base.types"
local system = require("gantry.core").system

local pull = {}

local UNAUTHORIZED <const>, FORBIDDEN <const>, NOT_FOUND <const> = 401, 403, 404

---@class gantry.Pull one attempt
---@field engine gantry.DockerClient
---@field reference string
---@field registry string
---@field header string? with the password

---A number of bytes, such as can be reckoned with.
local bytes = types.integer { min = 0, max = 1 << 53 }

---@param value table one line of the stream
---@return gantry.PullMessage
local function message_of(value)
  local detail = type(value.progressDetail) == "table" and value.progressDetail or {}
  local function text(one) return type(one) == "string" and one or nil end
  return { id = text(value.id), status = text(value.status), current = types.first_finding(bytes, detail.current, ""),
    total = types.first_finding(bytes, detail.total, "") }
end

---Asks for the image and reads what the engine says.
---@param self gantry.Pull
---@param on_message fun(message: gantry.PullMessage)?
---@return boolean? ok, gantry.Error? err with the engine's own words
local function fetch(self, on_message)
  local parts = image.parse(self.reference)
  local refused
  local ok, err = self.engine:stream("POST", ("/images/create?fromImage=%s&tag=%s"):format(
    exchange.escape(parts.name), exchange.escape(parts.digest or parts.tag or "latest")), {
    action = "pull image " .. self.reference, headers = self.header and { self.header },
    on_value = function(value)
      local failure = answers.failure(value)
      if failure then
        refused = errors.new("ENGINE_ERROR", ("pull image %s: the engine says: %s"):format(self.reference, failure))
      elseif on_message then
        on_message(message_of(value))
      end
    end,
  })
  if not ok then return nil, err end
  if refused then return nil, refused end
  return true
end

---The registry's own answer, where the engine gives one status for all failures of a pull: it is asked for the image's
---description, whose status is the registry's.
---@param self gantry.Pull
---@return integer? status
local function registry_status(self)
  local _, err = self.engine:call("GET", "/distribution/" .. self.reference .. "/json",
    { action = "ask registry " .. self.registry, headers = self.header and { self.header } })
  return err and err.status
end

---@param self gantry.Pull
---@return string
local function login_command(self)
  return self.registry:find("^https:") and "docker login" or "docker login " .. self.registry
end

---@param self gantry.Pull
---@param err gantry.Error
local function auth_error(self, err)
  return errors.new("REGISTRY_AUTH", ("%s; registry %s does not accept the login that docker's config.json has for it: "
    .. "log in again (%s)"):format(err.message, self.registry, login_command(self)), { cause = err,
    status = err.status })
end

---@param self gantry.Pull
---@param err gantry.Error
local function missing_error(self, err)
  return errors.new("IMAGE_NOT_FOUND", ("%s; see whether the name and tag are right, and whether registry %s shows it "
    .. "%s"):format(err.message, self.registry, self.header and "to this login" or "without a login ("
    .. login_command(self) .. ")"), { cause = err, status = NOT_FOUND })
end

---@param self gantry.Pull
---@param err gantry.Error
local function other_error(self, err)
  local remedy = ("see whether registry %s can be reached from the engine"):format(self.registry)
  if not self.header then
    remedy = ("%s; docker's config.json has no login for it, so if it wants one: %s"):format(remedy,
      login_command(self))
  end
  return errors.new("REGISTRY_FAILED", ("%s; %s"):format(err.message, remedy), { cause = err, status = err.status })
end

---What a failed pull means, by status.
---@param self gantry.Pull
---@param err gantry.Error
---@return gantry.Error
local function explain(self, err)
  local status = err.status
  if not status and err.code ~= "ENGINE_ERROR" then return err end -- the engine itself went away
  if status ~= UNAUTHORIZED and status ~= FORBIDDEN and status ~= NOT_FOUND and self.engine.kind == "docker" then
    status = registry_status(self)
  end
  if status == UNAUTHORIZED or status == FORBIDDEN then return auth_error(self, err) end
  if status == NOT_FOUND then return missing_error(self, err) end
  return other_error(self, err)
end

---Pulls an image.
---@param engine gantry.DockerClient
---@param reference string with its tag or digest
---@param options { environment: table<string, string>?, on_message: fun(message: gantry.PullMessage)? }?
---@return boolean? pulled, gantry.Error? err
function pull.run(engine, reference, options)
  options = options or {}
  local registry = registry_auth.registry(reference)
  local auth, broken = registry_auth.find(registry, options.environment or system.environment())
  if broken then return nil, broken end
  local self = { engine = engine, reference = reference, registry = registry }
  if auth then self.header, broken = registry_auth.header(registry, auth) end
  if broken then return nil, broken end
  local ok, err = fetch(self, options.on_message)
  if not ok then return nil, explain(self, err) end
  return true
end

return pull
