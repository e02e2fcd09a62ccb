-- SPDX-License-Identifier: Apache-2.0
--
--- engine/absent.lua: an engine that nobody asks: what a request would be is built from what was said of it, for plans
--- without an engine and for tests of policies. It has each image and each binary, and believes each pin.

local podman = require "gantry.engine.podman"

local absent = {}

---@class gantry.AbsentEngine
local Absent = {}
Absent.__index = Absent

---@param description gantry.ContextEngine
---@return gantry.AbsentEngine
function absent.new(description)
  return setmetatable({ description = description, kind = description.kind, api = description.api,
    endpoint = { name = "ctx.engine" }, swept = {} }, Absent)
end

---Nobody looks at a binary for it either.
Absent.believes = true

---What the engine would say of itself, as far as requests depend on it.
---@return table info
function Absent:info()
  local about = self.description
  local runtimes = {}
  for name in pairs(about.runtimes) do runtimes[name] = { path = name } end
  return { Runtimes = runtimes, DefaultRuntime = about.default_runtime, ServerVersion = about.version,
    CgroupVersion = tostring(about.cgroup_version),
    SecurityOptions = about.rootless and { "name=rootless" } or {} }
end

---@return gantry.ContextEngine
function Absent:describe()
  return self.description
end

---@param reference string
---@param pin string? 64 hex digits
---@return table image
function Absent.inspect_image(_, reference, pin)
  return { Id = pin and "sha256:" .. pin or reference }
end

---@param request table
---@return table? request, gantry.Error? err
function Absent:fit(request)
  if self.kind ~= "podman" then return request end
  return podman.fit(request, self:info())
end

return absent
