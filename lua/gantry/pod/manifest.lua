-- SPDX-License-Identifier: Apache-2.0
--
--- pod/manifest.lua: sidecars put together: a pod of its own, or a patch for a workload that is there.

local json = require "gantry.json"
local places = require "gantry.pod.places"

local manifest = {}

---@class gantry.PodOptions
---@field host_image string of the host, with gantry in it
---@field gate_image string? has the gate's program; the host's where nil
---@field gate string where the program lies in it
---@field name string of the pod
---@field container string the host's container
---@field user integer who host and plugins run as
---@field group integer
---@field plugins string? the folder where the host looks for plugins: policies are put there from a ConfigMap
---@field policies table<string, string>? texts of files by name, for that folder
---@field patch { kind: string, name: string }? the workload to be patched

-- What the gate's own container needs for a moment.
local INSTALL_LIMITS <const> = { memory = "32Mi", cpu = "100m" }
local EXECUTABLE <const> = tonumber("755", 8)
-- Seconds more than the plugins need to end.
local MARGIN <const> = 5

---@param options gantry.PodOptions
---@param context table a container's security context
---@return table the same
local function run_as(options, context)
  context.runAsUser = context.runAsUser or options.user
  context.runAsGroup = context.runAsGroup or options.group
  return context
end

---@param options gantry.PodOptions
---@return table container which puts the gate where sidecars find it
local function installer(options)
  return {
    name = "gantry", image = options.gate_image or options.host_image,
    command = { options.gate, "--install", places.folder },
    resources = { limits = INSTALL_LIMITS },
    securityContext = run_as(options, { allowPrivilegeEscalation = false, readOnlyRootFilesystem = true,
      runAsNonRoot = options.user ~= 0, capabilities = { drop = { "ALL" } },
      seccompProfile = { type = "RuntimeDefault" } }),
    volumeMounts = { { name = "gantry", mountPath = places.folder } },
  }
end

---@param options gantry.PodOptions
---@param sidecar gantry.Sidecar
---@return table container
local function settle(options, sidecar)
  local container = sidecar.container
  run_as(options, container.securityContext)
  local command = { places.gate, "--socket", places.socket(sidecar.name), "--serve" }
  table.move(sidecar.options, 1, #sidecar.options, #command + 1, command)
  if container.securityContext.runAsUser ~= options.user then
    table.move({ "--asker", tostring(options.user) }, 1, 2, #command + 1, command)
  end
  command[#command + 1] = "--"
  table.move(sidecar.program, 1, #sidecar.program, #command + 1, command)
  container.command = command
  return container
end

---A mount a file: those of a folder would be links to elsewhere, and Vault starts nothing outside of its folder.
---@param options gantry.PodOptions
---@return table[] mounts
local function files_of(options)
  local mounts = {}
  for name in pairs(options.policies) do
    mounts[#mounts + 1] = { name = "gantry-policies", mountPath = ("%s/%s"):format(options.plugins, name),
      subPath = name, readOnly = true }
  end
  table.sort(mounts, function(left, right) return left.subPath < right.subPath end)
  return mounts
end

---@param options gantry.PodOptions
---@param sidecars gantry.Sidecar[]
---@return table container what the host's needs
local function host_of(options, sidecars)
  local host = { name = options.container, volumeMounts = {},
    env = { { name = "GANTRY_GATES", value = places.plugins } } }
  local function mount(name, path, read_only)
    table.insert(host.volumeMounts, { name = name, mountPath = path, readOnly = read_only })
  end
  local shares
  for _, sidecar in ipairs(sidecars) do
    mount("plugin-" .. sidecar.label, places.of(sidecar.name))
    shares = shares or sidecar.shares_tmp
  end
  if shares then
    mount("gantry-tmp", places.temporary)
    table.insert(host.env, { name = "TMPDIR", value = places.temporary })
  end
  for _, mounted in ipairs(options.plugins and files_of(options) or {}) do table.insert(host.volumeMounts, mounted) end
  return host, shares
end

---@param options gantry.PodOptions
---@param sidecars gantry.Sidecar[]
---@param shares boolean?
---@return table[]
local function volumes_of(options, sidecars, shares)
  local volumes = { { name = "gantry", emptyDir = { sizeLimit = "16Mi" } } }
  for _, sidecar in ipairs(sidecars) do table.move(sidecar.volumes, 1, #sidecar.volumes, #volumes + 1, volumes) end
  if shares then
    volumes[#volumes + 1] = { name = "gantry-tmp", emptyDir = {} } -- on disk: hosts keep more there than sockets
  end
  if options.plugins then
    volumes[#volumes + 1] = { name = "gantry-policies",
      configMap = { name = options.name .. "-policies", defaultMode = EXECUTABLE } }
  end
  return volumes
end

---What is the same of a pod and of a patch.
---@param options gantry.PodOptions
---@param sidecars gantry.Sidecar[]
---@return table spec of a pod
local function spec_of(options, sidecars)
  local host, shares = host_of(options, sidecars)
  local spec = { initContainers = { installer(options) }, containers = { host },
    volumes = volumes_of(options, sidecars, shares) }
  local groups, longest = {}, 0
  for _, sidecar in ipairs(sidecars) do
    spec.initContainers[#spec.initContainers + 1] = settle(options, sidecar)
    spec.runtimeClassName = spec.runtimeClassName or sidecar.pod.runtimeClassName
    table.move(sidecar.pod.groups, 1, #sidecar.pod.groups, #groups + 1, groups)
    longest = math.max(longest, sidecar.config.stop_timeout)
  end
  spec.terminationGracePeriodSeconds = math.max(30, math.ceil(longest) + MARGIN)
  spec.securityContext = { fsGroup = options.group, supplementalGroups = #groups > 0 and groups or nil }
  return spec
end

---@param options gantry.PodOptions
---@param spec table
---@return table document
local function pod_of(options, spec)
  local host, context = spec.containers[1], spec.securityContext
  host.image = options.host_image
  host.securityContext = { allowPrivilegeEscalation = false, readOnlyRootFilesystem = true,
    capabilities = { drop = { "ALL" } } }
  context.runAsNonRoot, context.runAsUser, context.runAsGroup = options.user ~= 0, options.user, options.group
  context.seccompProfile = { type = "RuntimeDefault" }
  spec.automountServiceAccountToken = false
  return { apiVersion = "v1", kind = "Pod", metadata = { name = options.name }, spec = spec }
end

---A strategic merge patch: lists of containers, volumes and variables are merged by name, those of mounts by path.
---@param options gantry.PodOptions
---@param spec table
---@return table document
local function patch_of(options, spec)
  spec.terminationGracePeriodSeconds = nil -- the workload's own, which people know
  return { apiVersion = "apps/v1", kind = options.patch.kind, metadata = { name = options.patch.name },
    spec = { template = { spec = spec } } }
end

---@param options gantry.PodOptions
---@param sidecars gantry.Sidecar[]
---@return table[] documents
function manifest.of(options, sidecars)
  local documents = {}
  if options.plugins then
    documents[1] = { apiVersion = "v1", kind = "ConfigMap", metadata = { name = options.name .. "-policies" },
      data = options.policies }
  end
  local make = options.patch and patch_of or pod_of
  documents[#documents + 1] = make(options, spec_of(options, sidecars))
  return json.array(documents)
end

return manifest
