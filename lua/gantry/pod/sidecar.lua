-- SPDX-License-Identifier: Apache-2.0
--
--- pod/sidecar.lua: what becomes of one policy: a container, its volumes, what holds for its pod, and what of the
--- policy a pod cannot say.

local errors = require "gantry.base.errors"
local places = require "gantry.pod.places"

local sidecar = {}

---@class gantry.Sidecar
---@field name string the plugin's
---@field label string the container's name
---@field policy gantry.Policy
---@field config gantry.Config
---@field container table of Kubernetes
---@field volumes table[] of Kubernetes, its own
---@field options string[] of its gate
---@field pod { runtimeClassName: string?, groups: integer[] } what holds for all of the pod
---@field shares_tmp boolean?
---@field refused gantry.Error[] what a pod cannot say
---@field warnings string[] what is otherwise there
---@field without table<string, true> fields that are to be left out, knowingly
local Sidecar = {}
Sidecar.__index = Sidecar

-- Of the folder of sockets, which is memory: sockets take none.
local FOLDER_SIZE <const> = "16Mi"

---@param policy gantry.Policy
---@param without table<string, true>
---@return gantry.Sidecar
function sidecar.new(policy, without)
  local label = places.label(policy.name)
  return setmetatable({
    name = policy.name, label = label, policy = policy, config = policy.config, options = {}, refused = {},
    warnings = {}, without = without, pod = { groups = {} },
    volumes = { { name = "plugin-" .. label, emptyDir = { medium = "Memory", sizeLimit = FOLDER_SIZE } } },
    container = {
      name = label, restartPolicy = "Always", resources = {}, env = {},
      securityContext = { allowPrivilegeEscalation = false, readOnlyRootFilesystem = true,
        runAsNonRoot = true, capabilities = { drop = { "ALL" } }, seccompProfile = { type = "RuntimeDefault" } },
      volumeMounts = {
        { name = "gantry", mountPath = places.folder, readOnly = true },
        { name = "plugin-" .. label, mountPath = places.of(policy.name) },
      },
    },
  }, Sidecar)
end

---@param field string
---@return string place "file:line"
function Sidecar:place(field)
  local path, line = self.policy.loader:locate(field)
  return ("%s:%d"):format(path, line)
end

---The policy says what a pod cannot: no manifest.
---@param field string
---@param text string why, and what to do instead
function Sidecar:refuse(field, text)
  local path, line = self.policy.loader:locate(field)
  self.refused[#self.refused + 1] = errors.new("POD_UNSUPPORTED", ("%s:%d: %s: %s"):format(path, line, field, text),
    { field = field, file = path, line = line })
end

---It holds otherwise than on an engine.
---@param field string
---@param text string
function Sidecar:warn(field, text)
  self.warnings[#self.warnings + 1] = ("%s: warning: %s: %s"):format(self:place(field), field, text)
end

---A folder of memory.
---@param path string in the container
---@param size integer? bytes
function Sidecar:add_memory(path, size)
  local name = ("memory-%s-%d"):format(self.label, #self.volumes)
  self.volumes[#self.volumes + 1] = { name = name,
    emptyDir = { medium = "Memory", sizeLimit = size and tostring(size) or nil } }
  table.insert(self.container.volumeMounts, { name = name, mountPath = path })
end

---@param kind "limits"
---@param name string
---@param value string
function Sidecar:limit(kind, name, value)
  local resources = self.container.resources
  resources[kind] = resources[kind] or {}
  resources[kind][name] = value
end

return sidecar
