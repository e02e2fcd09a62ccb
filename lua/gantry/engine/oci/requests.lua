-- SPDX-License-Identifier: Apache-2.0
--
--- engine/oci/requests.lua: from what a container is to be to what its runtime is told: the OCI runtime specification's
--- config.json, which `gantry plan` prints, and what gantry keeps beside it.

local binary_image = require "gantry.engine.binary_image"
local cgroups = require "gantry.engine.oci.cgroups"
local core = require "gantry.core"
local errors = require "gantry.base.errors"
local runtime_facts = require "gantry.engine.oci.runtime_facts"
local runtime_spec = require "gantry.engine.oci.runtime_spec"
local runtimes = require "gantry.engine.oci.runtimes"
local shell = require "gantry.base.shell"
local writable_root = require "gantry.engine.oci.writable_root"

---@class gantry.OciClient
local Requests = {}

---@class gantry.OciPrepared what goes with a config.json
---@field record gantry.OciRecord but for its name
---@field built gantry.RuntimeSpec
---@field writable gantry.WritableRoot?
---@field own_cgroup string? the list of the processes of this process's own cgroup, as its container is made
---@field missing gantry.Error? of an image that is not there

-- By config.json: what a person is shown is that alone.
local prepared_of = setmetatable({}, { __mode = "k" })

---@param spec gantry.ContainerSpec
---@return { kind: string, source: string?, target: string }[]
local function mounts_of(spec)
  local list = {}
  for _, mount in ipairs(spec.mounts) do
    list[#list + 1] = { kind = mount.kind, source = mount.source, target = mount.target }
  end
  for path in pairs(spec.tmpfs or {}) do list[#list + 1] = { kind = "tmpfs", target = path } end
  return list
end

---@param self gantry.OciClient
---@param spec gantry.ContainerSpec
---@param image gantry.StoredImage
---@param runtime gantry.OciRuntime
---@return gantry.OciRecord
local function record_of(self, spec, image, runtime)
  return { id = core.system.random(32), image = spec.image, image_id = image.id, root = image.rootfs, lock = image.lock,
    runtime = runtime.name, path = runtime.path, labels = spec.labels, mounts = mounts_of(spec),
    tmpfs = spec.tmpfs or {}, network = spec.network or "none", stop_signal = spec.stop_signal or image.stop_signal,
    cgroup_version = self.places.version, outlives = spec.outlives or false }
end

---@param spec gantry.ContainerSpec
---@return gantry.OciRuntime? runtime, gantry.Error? err
local function runtime_of(self, spec)
  local wrong = runtimes.check(spec.runtime, self.runtimes)
  if wrong then return nil, wrong end
  return spec.runtime and self.runtimes[spec.runtime] or self.choice.runtime
end

---The image, or what is known of one that is not there: a plan loads no binary. Nothing is made of it.
---@param reference string
---@return gantry.StoredImage? image, gantry.Error? err
function Requests:known_image(reference)
  local image, err = self:image(reference)
  if image or err.code ~= "IMAGE_NOT_FOUND" then return image, err end
  local root = self.store.store:folder(reference:find "^sha256:%x+$" and reference or "sha256:0") .. "/rootfs"
  return { id = reference, rootfs = root, digests = {}, references = {}, entrypoint = { binary_image.PROGRAM },
    command = {}, missing = err }
end

---A mount whose source does not exist yet, since its launch makes it.
---@param spec gantry.ContainerSpec
---@param made string?
local function mark_made(spec, made)
  for _, mount in ipairs(spec.mounts) do
    if made and mount.source == made then mount.own = true end
  end
end

---@param spec gantry.ContainerSpec
---@param made string?
---@return table? request config.json
---@return gantry.Error? err
function Requests:request(spec, made)
  local runtime, err = runtime_of(self, spec)
  if not runtime then return nil, err end
  local image
  image, err = self:known_image(spec.image)
  if not image then return nil, err end
  mark_made(spec, made)
  local record = record_of(self, spec, image, runtime)
  local directory = self.layout:container(record.id)
  local writable
  if spec.read_only == false then
    writable, err = writable_root.of(image.rootfs, directory, core.system.euid() ~= 0)
    if not writable then return nil, err end
    record.unmake = writable.unmake
  end
  local facts
  facts, err = runtime_facts.gather(spec, image, { runtime = runtime.name, id = record.id, directory = directory,
    root = image.rootfs, writable_root = writable and writable.path, places = self.places, init = self.init })
  if not facts then return nil, err end
  local built
  built, err = runtime_spec.build(spec, image, facts)
  if not built then return nil, err end
  record.arguments, record.env = built.arguments, built.config.process.env
  record.helper = built.network.helper
  record.cgroup = built.config.linux.cgroupsPath
  prepared_of[built.config] = { record = record, built = built, writable = writable, missing = image.missing }
  return built.config
end

---What goes with a request of this process's.
---@param request table
---@return gantry.OciPrepared? prepared, gantry.Error? err ENGINE_REFUSED
local function find(request)
  local prepared = prepared_of[request]
  if prepared and prepared.missing then return nil, prepared.missing end
  if prepared then return prepared end
  return nil, errors.new("ENGINE_REFUSED", "create a container: the request is none of this engine's own")
end

---There is no line for a shell: a runtime reads its container from a file.
---@return nil
function Requests.command() end

local VERBS <const> = { list = "list", inspect = "state", unpause = "resume" }

---A runtime is told where its containers are, by their whole ids. What is left of one, gantry alone removes.
---@param action string
---@param subject string?
---@return string? line
function Requests:by_hand(action, subject)
  if action == "pull" then return ("gantry image pull --engine %s %s"):format(self.endpoint.name, subject) end
  if not VERBS[action] then return nil end
  local record = subject and self:find(subject)
  local runtime = record and record.runtime or self.choice.runtime.name
  local root = shell.quote(self.layout:runtime_root(runtime))
  return ("%s --root %s %s%s"):format(runtime, root, VERBS[action], subject and " " .. subject or "")
end

---Has limits take hold below where this process may make cgroups.
function Requests:prepare_cgroups()
  if self.cgroups_prepared then return end
  self.cgroups_prepared = true
  cgroups.prepare(self.places)
end

return { methods = Requests, find = find }
