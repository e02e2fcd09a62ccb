-- SPDX-License-Identifier: Apache-2.0
--
--- engine/oci/manifest.lua: what describes an image at its source: an index of manifests for several processors, a
--- manifest, and the config that it names. In the words of OCI's image specification or of Docker's registry API, which
--- say the same. Pure functions; what is read is foreign, and believed as far as its shape goes.

local errors = require "gantry.base.errors"
local json = require "gantry.json"
local types = require "gantry.base.types"

local manifest = {}

local optional, text = types.optional, types.text()
-- What an image may have; more is refused rather than tried.
local MOST_LAYERS <const> = 512

local DIGEST <const> = types.string { one_line = true, check = function(value)
  if #value == 71 and value:find "^sha256:%x+$" then return value:lower() end
  return nil, "must be sha256: with 64 hex digits"
end }
local SIZE <const> = types.integer { min = 0, max = 1 << 52 }
local DESCRIPTOR <const> = types.object { digest = DIGEST, size = optional(SIZE), mediaType = optional(text) }
local INDEX <const> = types.object { manifests = types.list(types.object { digest = DIGEST, mediaType = optional(text),
  platform = optional(types.object { architecture = optional(text), os = optional(text), variant = optional(text) }),
  annotations = optional(types.any()) }) }
local MANIFEST <const> = types.object { config = DESCRIPTOR, layers = types.list(DESCRIPTOR) }
local strings = optional(types.list(text))
local CONFIG <const> = types.object {
  architecture = text, os = text, created = optional(text),
  rootfs = types.object { diff_ids = types.list(DIGEST) },
  config = optional(types.object { Entrypoint = strings, Cmd = strings, Env = strings, User = optional(text),
    WorkingDir = optional(text), StopSignal = optional(text) }),
}

-- What a processor runs beside its own.
local ALSO <const> = { amd64 = "386", arm64 = "arm" }

---@param what string
---@param reason string
---@return gantry.Error
local function corrupt(what, reason)
  return errors.new("IMAGE_CORRUPT", ("%s cannot be read: %s"):format(what, reason))
end

---Without what JSON writes for "not there", which means the same.
---@param value any
---@return any
local function without_null(value)
  if value == json.null then return nil end
  if type(value) ~= "table" then return value end
  for key, one in pairs(value) do value[key] = without_null(one) end
  return value
end

---@param bytes string
---@param shape gantry.Type
---@param what string
---@return table? value, gantry.Error? err
local function read(bytes, shape, what)
  local value = json.decode(bytes)
  if type(value) ~= "table" then return nil, corrupt(what, "it is no JSON") end
  local found, finding = types.first_finding(shape, without_null(value), "it")
  if not found then return nil, corrupt(what, finding or "it is empty") end
  return found
end

---@class gantry.ImageManifest
---@field config { digest: string, size: integer? }
---@field layers { digest: string, size: integer?, mediaType: string? }[]

---@param list { platform: table? }[]
---@return string what there is, for a message
local function platforms(list)
  local names = {}
  for _, one in ipairs(list) do
    local platform = one.platform or {}
    if platform.os ~= "unknown" then
      names[#names + 1] = ("%s/%s"):format(platform.os or "?", platform.architecture or "?")
    end
  end
  return #names > 0 and table.concat(names, ", ") or "none"
end

---@param architecture string an image's
---@param own string this machine's
---@return boolean
local function runs(architecture, own)
  return architecture == own or ALSO[own] == architecture
end

---@param reference string
---@param found string
---@param own string
---@return gantry.Error
local function architecture_error(reference, found, own)
  return errors.new("IMAGE_ARCHITECTURE", ("image %s is for %s, and this machine is linux/%s; name an image for it")
    :format(reference, found, own))
end

---Reads a manifest, or an index of them, of which it finds the one for this machine.
---@param bytes string
---@param reference string
---@param own string this machine's architecture, as images have it
---@return gantry.ImageManifest? found nil where it is an index
---@return string|gantry.Error|nil digest_or_err that of the index's manifest for this machine
function manifest.read(bytes, reference, own)
  local what = "the manifest of image " .. reference
  local value = json.decode(bytes)
  if type(value) ~= "table" then return nil, corrupt(what, "it is no JSON") end
  if type(value.manifests) == "table" then
    local index, err = read(bytes, INDEX, what)
    if not index then return nil, err end
    for _, wanted in ipairs { own, ALSO[own] } do
      for _, one in ipairs(index.manifests) do
        local platform = one.platform or {}
        if platform.os == "linux" and platform.architecture == wanted then return nil, one.digest end
      end
    end
    return nil, architecture_error(reference, platforms(index.manifests), own)
  end
  if value.schemaVersion == 1 then
    return nil, errors.new("IMAGE_CORRUPT", ("%s is in the format of 2015 (schema 1), which has no id; push the image "
      .. "anew"):format(what))
  end
  local found, err = read(bytes, MANIFEST, what)
  if found and #found.layers > MOST_LAYERS then
    return nil, errors.new("IMAGE_TOO_LARGE", ("image %s has more than %d layers"):format(reference, MOST_LAYERS))
  end
  return found, err
end

---@param bytes string
---@param found gantry.ImageManifest
---@param reference string
---@param own string this machine's architecture
---@return table? image as the store keeps it, gantry.Error? err
function manifest.image(bytes, found, reference, own)
  local what = "the config of image " .. reference
  local config, err = read(bytes, CONFIG, what)
  if not config then return nil, err end
  if config.os ~= "linux" or not runs(config.architecture, own) then
    return nil, architecture_error(reference, config.os .. "/" .. config.architecture, own)
  end
  local layers = config.rootfs.diff_ids
  if #layers ~= #found.layers then
    return nil, corrupt(what, ("it names %d layers, and the manifest %d"):format(#layers, #found.layers))
  end
  local inner, size = config.config or {}, 0
  for _, layer in ipairs(found.layers) do size = size + (layer.size or 0) end
  local function set(value) return value ~= "" and value or nil end
  return { id = found.config.digest, size = size, architecture = config.architecture, created_at = config.created,
    entrypoint = inner.Entrypoint, command = inner.Cmd, env = inner.Env, user = set(inner.User),
    working_dir = set(inner.WorkingDir), stop_signal = set(inner.StopSignal), layers = layers }
end

-- Where archives of OCI's format have the names of their images.
local NAMES <const> = { "io.containerd.image.name", "org.opencontainers.image.ref.name" }

---@class gantry.ArchivedImage
---@field at integer its place in the archive, from 0
---@field name string? by which the archive finds it
---@field references string[]
---@field digest string? of its manifest

---The images of an archive of OCI's format.
---@param bytes string its index.json
---@return gantry.ArchivedImage[]? images, gantry.Error? err
function manifest.of_oci_archive(bytes)
  local index, err = read(bytes, INDEX, "index.json of the archive")
  if not index then return nil, err end
  local images = {}
  for i, one in ipairs(index.manifests) do
    local notes = type(one.annotations) == "table" and one.annotations or {}
    local references = {}
    for _, key in ipairs(NAMES) do
      local name = notes[key]
      if type(name) == "string" and name:find ":" and #references == 0 then references[1] = name end
    end
    local name = notes[NAMES[2]]
    images[i] = { at = i - 1, name = type(name) == "string" and name or nil, references = references,
      digest = one.digest }
  end
  return images
end

local ARCHIVE <const> = types.list(types.object { Config = text, RepoTags = strings, Layers = types.list(text) })

---The images of an archive of Docker's format.
---@param bytes string its manifest.json
---@return gantry.ArchivedImage[]? images, gantry.Error? err
function manifest.of_docker_archive(bytes)
  local list, err = read(bytes, ARCHIVE, "manifest.json of the archive")
  if not list then return nil, err end
  local images = {}
  for i, one in ipairs(list) do images[i] = { at = i - 1, references = one.RepoTags or {} } end
  return images
end

return manifest
