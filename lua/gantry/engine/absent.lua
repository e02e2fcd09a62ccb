-- SPDX-License-Identifier: Apache-2.0
--
--- engine/absent.lua: an engine that nobody asks: what a request would be is built from what was said of it, for plans
--- without an engine and for tests of policies. It has each image and each binary, and believes each pin.

local capabilities = require "gantry.engine.docker.capabilities"
local later = require "gantry.base.later"
local made_up = later "gantry.engine.oci.made_up"
local docker_info = require("gantry.engine.docker.info").methods
local requests = require "gantry.engine.docker.request"

local absent = {}

---@class gantry.AbsentEngine
local Absent = {}
Absent.__index = Absent

---@param description gantry.ContextEngine
---@return gantry.AbsentEngine
function absent.new(description)
  local kind, api = description.kind, description.kind ~= "oci" and description.api or nil
  return setmetatable({ description = description, kind = kind, api = api, endpoint = { name = "ctx.engine" },
    capabilities = kind == "oci" and made_up.CAPABILITIES or capabilities.of(kind, api), swept = {} }, Absent)
end

---Nobody looks at a binary for it either.
Absent.believes = true

---What the engine would say of itself, as far as requests depend on it.
---@return gantry.EngineInfo info
function Absent:info()
  local about = self.description
  local runtimes = {}
  for name in pairs(about.runtimes) do runtimes[name] = { path = name } end
  return { kind = self.kind, runtimes = runtimes, default_runtime = about.default_runtime, version = about.version,
    cgroup_version = about.cgroup_version, rootless = about.rootless, selinux = false, apparmor = false }
end

---@return nil
function Absent.caller_inside() end

---@return gantry.ContextEngine
function Absent:describe()
  return self.description
end

---@param reference string
---@param pin string? 64 hex digits
---@return gantry.EngineImage image
function Absent.image(_, reference, pin)
  return { id = pin and "sha256:" .. pin or reference, digests = {} }
end

---@param name string?
---@return boolean? ok, gantry.Error? err RUNTIME_UNKNOWN, RUNTIME_MISSING
function Absent:check_runtime(name)
  if self.kind == "oci" then return made_up.check_runtime(self.description, name) end
  return docker_info.check_runtime(self, name)
end

---@param spec gantry.ContainerSpec
---@param made string?
---@return table? request, gantry.Error? err
function Absent:request(spec, made)
  if self.kind == "oci" then return made_up.request(spec, self.image(spec.image), self.description) end
  return requests.of(self, spec, made)
end

return absent
