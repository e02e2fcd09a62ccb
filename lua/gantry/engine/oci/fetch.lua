-- SPDX-License-Identifier: Apache-2.0
--
--- engine/oci/fetch.lua: one image, or an archive of them, on its way into the store: what its source says of it, its
--- blobs, then its root. What was fetched is held against its digests, whoever brought it.

local c_module = require "gantry.base.c_module"
local core = require "gantry.core"
local elf = require "gantry.base.elf"
local errors = require "gantry.base.errors"
local image_name = require "gantry.base.image"
local manifest = require "gantry.engine.oci.manifest"
local registry_auth = require "gantry.engine.docker.registry_auth"
local skopeo = require "gantry.engine.oci.skopeo"
local store = require "gantry.engine.oci.store"
local task = require "gantry.task"
local units = require "gantry.base.units"
local unpack = require "gantry.engine.oci.unpack"
local work = require "gantry.engine.oci.work"

local fetch = {}

local LARGEST_CONFIG <const> = 8 * 1024 * 1024
-- Seconds between two looks at how much has come.
local LOOK_INTERVAL <const> = 0.5
local SHORT_ID <const> = 12
-- How compressed files begin.
local GZIP <const>, ZSTD <const> = "\x1f\x8b", "\x28\xb5\x2f\xfd"
local DOCKER_SOCKET <const> = "unix:///var/run/docker.sock"

---@class gantry.Fetching to be held in a `<close>` variable
---@field store gantry.ImageStore
---@field environment table<string, string>
---@field temporary gantry.StoreTemporary
---@field tool gantry.Skopeo
---@field bounds { entries: integer, bytes: integer }
---@field architecture string this machine's
---@field say fun(message: gantry.PullMessage)
local Fetching = {}
Fetching.__index = Fetching

function Fetching:__close() self.temporary:__close() end

---@return string? architecture of this machine, as images have it
local function own_architecture()
  local file <close> = core.files.open "/proc/self/exe"
  local own = file and elf.read(file)
  return own and own.architecture
end

---@param of gantry.ImageStore
---@param environment table<string, string>
---@param on_message fun(message: gantry.PullMessage)?
---@return gantry.Fetching? fetching, gantry.Error? err
function fetch.begin(of, environment, on_message)
  for _, path in ipairs(of:unfinished()) do store.sweep(path) end -- room for what is to come
  local temporary, err = of:temporary()
  if not temporary then return nil, err end
  local bounds = unpack.bounds(environment)
  local tool
  tool, err = skopeo.new(environment, temporary.path, bounds.bytes)
  if not tool then
    temporary:__close()
    return nil, err
  end
  return setmetatable({ store = of, environment = environment, temporary = temporary, tool = tool, bounds = bounds,
    architecture = own_architecture() or "amd64", say = on_message or function() end }, Fetching)
end

---@param bytes string
---@return string? digest, gantry.Error? err
local function digest_of(bytes)
  local module, err = c_module.load "digest"
  if not module then return nil, err end
  local sum
  sum, err = module.new()
  if not sum then return nil, err end
  sum:add(bytes)
  return "sha256:" .. sum:hex()
end

---@param what string
---@param wanted string
---@param found string
---@return gantry.Error
local function digest_error(what, wanted, found)
  return errors.new("IMAGE_CORRUPT", ("%s is not what it should be: its digest is %s, and should be %s"):format(what,
    found, wanted))
end

---Reads a config that was fetched.
---@param folder string of the blobs
---@param found gantry.ImageManifest
---@param reference string
---@return table? image as the store keeps it, gantry.Error? err
function Fetching:config(folder, found, reference)
  local bytes, err = core.files.read(("%s/%s"):format(folder, found.config.digest:match "%x+$"), LARGEST_CONFIG, true)
  if not bytes then
    return nil, errors.new("IMAGE_CORRUPT", ("image %s came without its config"):format(reference), { cause = err })
  end
  local digest, failure = digest_of(bytes)
  if not digest then return nil, failure end
  if digest ~= found.config.digest then
    return nil, digest_error("the config of image " .. reference, found.config.digest, digest)
  end
  return manifest.image(bytes, found, reference, self.architecture)
end

---@param found gantry.ImageManifest
---@param reference string
---@return integer? bytes of its blobs, gantry.Error? err
function Fetching:check_size(found, reference)
  local total = 0
  for _, layer in ipairs(found.layers) do total = total + (layer.size or 0) end
  if total <= self.bounds.bytes then return total end
  return nil, errors.new("IMAGE_TOO_LARGE", ("image %s has layers of %s, and may have %s; raise the setting image_size")
    :format(reference, units.format_bytes(total), units.format_bytes(self.bounds.bytes)))
end

---@param err gantry.Error
---@return gantry.Error err with what can be done
local function with_remedy(err)
  if err.code ~= "IMAGE_TOO_LARGE" then return err end
  err.message = err.message .. "; the bounds are the settings image_size and image_entries"
  return err
end

---Makes the root of an image whose blobs are here, and has names lead to it.
---@param folder string of the blobs
---@param found gantry.ImageManifest
---@param references { name: string, digest: string? }[]
---@param reference string for messages
---@return string? id, gantry.Error? err
function Fetching:unpack(folder, found, references, reference)
  local image, err = self:config(folder, found, reference)
  if not image then return nil, err end
  local layers = {}
  for i, layer in ipairs(found.layers) do
    layers[i] = { path = ("%s/%s"):format(folder, layer.digest:match "%x+$"), digest = layer.digest,
      diff_id = image.layers[i] }
  end
  local handlers = {
    on_waiting = function() self.say { status = "Waiting for another gantry that unpacks this image" } end,
    on_progress = function(layer, bytes)
      local of = found.layers[layer]
      self.say { id = of.digest:match("%x+$"):sub(1, SHORT_ID), status = "Unpacking", current = bytes,
        total = of.size }
    end,
  }
  local ok
  ok, err = unpack.image(self.store, self.temporary, { id = image.id, layers = layers, bounds = self.bounds }, handlers,
    function()
      local described, failure = self.store:describe(image)
      if not described then return nil, failure end
      return self:name_all(image.id, references)
    end)
  if not ok then return nil, with_remedy(err):wrap("unpack image " .. reference) end
  return image.id
end

---@param id string
---@param references { name: string, digest: string? }[]
---@return boolean? ok, gantry.Error? err
function Fetching:name_all(id, references)
  for _, one in ipairs(references) do
    local ok, err = self.store:name(one.name, id, one.digest)
    if not ok then return nil, err end
  end
  return true
end

---How much of an image has come.
---@param folder string
---@return integer bytes
local function size_of(folder)
  local total = 0
  for _, name in ipairs(core.files.list(folder) or {}) do
    local status = core.system.stat(folder .. "/" .. name)
    total = total + (status and status.size or 0)
  end
  return total
end

---Copies the blobs of an image, and tells how far it is now and then.
---@param source string
---@param folder string which is made
---@param total integer? bytes
---@param action string
---@return boolean? ok, gantry.Error? err
function Fetching:copy(source, folder, total, action)
  local scope <close> = task.scope()
  task.spawn(function()
    while true do
      task.sleep(LOOK_INTERVAL)
      self.say { id = "blobs", status = "Downloading", current = size_of(folder), total = total }
    end
  end)
  local ok, err = self.tool:copy(source, folder, action)
  scope:close()
  return ok, err
end

-- ---- registries ----

---The manifest for this machine, of an image that its registry has.
---@param name string
---@param version string :TAG or @DIGEST
---@param action string
---@return gantry.ImageManifest? found, string|gantry.Error digest_or_err what the reference leads to
---@return string? exact digest of the manifest itself
function Fetching:registry_manifest(name, version, action)
  local reference = name .. version
  local bytes, err = self.tool:manifest("docker://" .. reference, action)
  if not bytes then return nil, err end
  local digest, failure = digest_of(bytes)
  if not digest then return nil, failure end
  local wanted = version:match "^@(.*)$"
  if wanted and wanted ~= digest then
    return nil, digest_error("the manifest of image " .. reference, wanted, digest)
  end
  local found, exact = manifest.read(bytes, reference, self.architecture)
  if found then return found, digest, digest end
  if type(exact) ~= "string" then return nil, exact end
  bytes, err = self.tool:manifest(("docker://%s@%s"):format(name, exact), action)
  if not bytes then return nil, err end
  local inner
  inner, failure = digest_of(bytes)
  if not inner then return nil, failure end
  if inner ~= exact then return nil, digest_error("the manifest of image " .. reference, exact, inner) end
  found, err = manifest.read(bytes, reference, self.architecture)
  if found then return found, digest, exact end
  return nil, type(err) ~= "string" and err or errors.new("IMAGE_CORRUPT",
    ("the index of image %s leads to another index"):format(reference))
end

---@param reference string with its tag or digest
---@return boolean? pulled, gantry.Error? err
function Fetching:from_registry(reference)
  local action = "pull image " .. reference
  local parts, reason = image_name.parse(reference)
  if not parts or not parts.name then
    return nil, errors.new("USAGE", ("%s: '%s' %s"):format(action, reference, reason or "is an id, which no registry "
      .. "knows; name the image"))
  end
  local ok, err = self.tool:log_in(registry_auth.registry(reference))
  if not ok then return nil, err end
  local version = parts.digest and "@" .. parts.digest or ":" .. (parts.tag or "latest")
  local found, digest, exact = self:registry_manifest(parts.name, version, action)
  if not found then return nil, digest --[[@as gantry.Error]] end
  local references = { { name = parts.name .. version, digest = digest } }
  self.say { id = parts.tag, status = "Pulling from " .. parts.name }
  local before = self.store:reference(reference)
  local id = found.config.digest
  if self.store:has(id) then
    ok, err = self:name_all(id, references)
    if not ok then return nil, err end
  else
    local total
    total, err = self:check_size(found, reference)
    if not total then return nil, err end
    local folder = self.temporary.path .. "/blobs"
    ok, err = self:copy(("docker://%s@%s"):format(parts.name, exact), folder, total, action)
    if not ok then return nil, err end
    id, err = self:unpack(folder, found, references, reference)
    if not id then return nil, err end
  end
  self.say { status = "Digest: " .. digest }
  self.say { status = ("Status: %s for %s"):format(before and before.id == id and "Image is up to date"
    or "Downloaded newer image", store.familiar(reference)) }
  return true
end

-- ---- archives, and a local Docker ----

---Copies and unpacks an image from where a manifest is made on the way.
---@param source string
---@param folder string
---@param references { name: string, digest: string? }[]
---@param reference string for messages
---@return string? id, gantry.Error? err
function Fetching:take(source, folder, references, reference)
  local ok, err = self:copy(source, folder, nil, "load image " .. reference)
  if not ok then return nil, err end
  local bytes, unread = core.files.read(folder .. "/manifest.json", LARGEST_CONFIG, true)
  if not bytes then return nil, unread end
  local found, failure = manifest.read(bytes, reference, self.architecture)
  if not found then
    return nil, type(failure) ~= "string" and failure or errors.new("IMAGE_CORRUPT", ("image %s is an index"):format(
      reference))
  end
  return self:unpack(folder, found, references, reference)
end

---@param reference string NAME, NAME:TAG or an id
---@return boolean? pulled, gantry.Error? err
function Fetching:from_docker(reference)
  local parts, reason = image_name.parse(reference)
  if not parts or parts.digest then
    return nil, errors.new("USAGE", ("pull image docker-daemon:%s: %s"):format(reference, reason
      or "name it by its tag or its id"))
  end
  local host = self.environment.DOCKER_HOST or ""
  self.tool.daemon_host = host ~= "" and host or DOCKER_SOCKET
  local whole = parts.id or parts.name .. ":" .. (parts.tag or "latest")
  local id, err = self:take("docker-daemon:" .. whole, self.temporary.path .. "/blobs",
    parts.id and {} or { { name = whole } }, whole)
  if not id then return nil, err end
  self.say { status = ("Status: Loaded %s from %s"):format(whole, self.tool.daemon_host) }
  return true
end

---What the archive says of itself: its small files by name.
---@param path string
---@return table<string, string>? files, gantry.Error? err
local function look(path)
  local output, err = work.run("look", { path, "manifest.json", "index.json", "oci-layout" })
  if not output then return nil, err end
  local files, at = {}, 1
  while at <= #output do
    local name, size, rest = output:match("^(%S+) (%d+)\n()", at)
    if not name then break end
    files[name] = output:sub(rest, rest + tonumber(size) - 1)
    at = rest + math.tointeger(tonumber(size))
  end
  return files
end

---@param files table<string, string>
---@return gantry.ArchivedImage[]? images, string|gantry.Error transport_or_err
local function images_of(files)
  local images, err
  if files["manifest.json"] then
    images, err = manifest.of_docker_archive(files["manifest.json"])
    return images, err or "docker-archive"
  elseif files["index.json"] and files["oci-layout"] then
    images, err = manifest.of_oci_archive(files["index.json"])
    return images, err or "oci-archive"
  end
  return nil, errors.new("IMAGE_CORRUPT", "this is no archive of images: it has neither manifest.json, as docker save "
    .. "writes it, nor index.json and oci-layout")
end

---By which name skopeo finds one image of an archive.
---@param transport string
---@param image gantry.ArchivedImage
---@param count integer
---@return string
local function selector(transport, image, count)
  if transport == "docker-archive" then return (":@%d"):format(image.at) end
  return count > 1 and image.name and ":" .. image.name or ""
end

---Brings an archive to a path that means nothing to skopeo, as a colon in it would, and uncompressed: skopeo reads it
---more than once.
---@param path string? standard input where nil
---@return string? own, gantry.Error? err
function Fetching:keep(path)
  local own = self.temporary.path .. "/archive"
  if not path then
    local ok, err = work.run("keep", { own, ("%d"):format(self.bounds.bytes) }, { input = "inherit" })
    return ok and own, err and with_remedy(err)
  end
  local whole, err = core.system.real_path(path)
  local status = whole and core.system.stat(whole)
  if not status or status.type ~= "file" then
    return nil, errors.new("IMAGE_UNREADABLE", ("load images of %s: %s"):format(path, err and err.message
      or "it is no file; name an archive, or give it on standard input"), { cause = err })
  end
  local head, unread = core.files.read(whole, #ZSTD)
  if not head then return nil, errors.new("IMAGE_UNREADABLE", unread.message, { cause = unread }) end
  local kept, failure
  if head:sub(1, #GZIP) == GZIP or head == ZSTD then
    kept, failure = work.run("keep", { own, ("%d"):format(self.bounds.bytes), whole })
  else
    kept, failure = work.run("link", { whole, own })
  end
  return kept and own, failure and with_remedy(failure)
end

---@param path string? standard input where nil
---@return { id: string, references: string[] }[]? loaded, gantry.Error? err
function Fetching:from_archive(path)
  self.tool.archive = true
  local own, err = self:keep(path)
  if not own then return nil, err end
  local files, unread = look(own)
  if not files then return nil, unread end
  local images, transport = images_of(files)
  if not images then return nil, transport --[[@as gantry.Error]] end
  local loaded = {}
  for i, image in ipairs(images) do
    local references, shown = {}, image.references[1] or ("%d of the archive"):format(i)
    for n, name in ipairs(image.references) do references[n] = { name = name, digest = image.digest } end
    local id, failure = self:take(("%s:%s%s"):format(transport, own, selector(transport, image, #images)),
      ("%s/blobs-%d"):format(self.temporary.path, i), references, shown)
    if not id then return nil, failure end
    loaded[i] = { id = id, references = image.references }
    self.say { status = "Loaded image: " .. (image.references[1] or id) }
  end
  return loaded
end

return fetch
