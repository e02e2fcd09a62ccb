-- SPDX-License-Identifier: Apache-2.0
--
--- engine/oci/images.lua: images where no daemon keeps them: fetched from registries, archives and a local Docker, made
--- of a plugin's binary, looked up, listed and removed. What the client of the engine `oci` does with images is this.

local binary_image = require "gantry.engine.binary_image"
local core = require "gantry.core"
local errors = require "gantry.base.errors"
local fetch = require "gantry.engine.oci.fetch"
local image_name = require "gantry.base.image"
local image_store = require "gantry.engine.oci.store"
local unpack = require "gantry.engine.oci.unpack"

local images = {}

---@class gantry.OciImages
---@field environment table<string, string> of the caller's
---@field store gantry.ImageStore
local Images = {}
Images.__index = Images

---@param environment table<string, string>? the process's own where nil
---@return gantry.OciImages
function images.of(environment)
  environment = environment or core.system.environment()
  return setmetatable({ environment = environment, store = image_store.of(environment) }, Images)
end

---Looks an image up. Its root is `rootfs`; whoever runs a container of it holds a shared lock on the file `lock`.
---@param reference string name, name:tag, name@digest, id, or the beginning of its digits
---@return gantry.StoredImage? image
---@return gantry.Error? err IMAGE_NOT_FOUND
function Images:image(reference)
  return self.store:find(reference)
end

---@class gantry.ImagePullOptions
---@field environment table<string, string>? of the caller's
---@field on_message fun(message: gantry.PullMessage)?

---Fetches an image: from its registry, or where the name begins with docker-daemon: from the local Docker.
---@param reference string
---@param options gantry.ImagePullOptions?
---@return boolean? pulled
---@return gantry.Error? err
function Images:pull(reference, options)
  options = options or {}
  local fetching <close>, err = fetch.begin(self.store, options.environment or self.environment, options.on_message)
  if not fetching then return nil, err end
  local name = reference:match "^docker%-daemon:(.+)$"
  if name then return fetching:from_docker(name) end
  return fetching:from_registry(reference:gsub("^docker://", "", 1))
end

---Loads the images of an archive, as `docker save` and others write it.
---@param path string? of the archive; standard input where nil
---@param options gantry.ImagePullOptions?
---@return { id: string, references: string[] }[]? loaded
---@return gantry.Error? err
function Images:load_archive(path, options)
  options = options or {}
  local fetching <close>, err = fetch.begin(self.store, options.environment or self.environment, options.on_message)
  if not fetching then return nil, err end
  return fetching:from_archive(path)
end

---Makes the image of a plugin's binary, unless it is there: a root that holds the program, and the empty folders that a
---runtime mounts over.
---@param binary gantry.Binary
---@return boolean? loaded
---@return gantry.Error? err FILE_CHANGED where the file is another one by now
function Images:load_binary(binary)
  local id, reference = binary_image.id(binary), binary_image.reference(binary.sha256)
  if self.store:has(id) and self.store:reference(reference) then return true end
  local temporary <close>, err = self.store:temporary()
  if not temporary then return nil, err end
  local ok
  ok, err = unpack.program(self.store, temporary, { id = id, path = binary.path, sha256 = binary.sha256 }, function()
    local described, failure = self.store:describe { id = id, size = binary.size, architecture = binary.architecture,
      entrypoint = { binary_image.PROGRAM }, layers = { "sha256:" .. binary.layer } }
    if not described then return nil, failure end
    return self.store:name(reference, id)
  end)
  if ok then return true end
  return nil, err:wrap("load binary " .. binary.path)
end

---All images, those without a name too.
---@return gantry.StoredImage[] images
function Images:list()
  local list, references = {}, self.store:references()
  for _, id in ipairs(self.store:ids()) do list[#list + 1] = self.store:image(id, references) end
  return list
end

---@param id string
---@return boolean? removed, gantry.Error? err
local function remove_image(self, id)
  local removed, err = unpack.remove(self.store, id)
  if removed == nil and err.code == "IN_USE" then
    return nil, errors.new("CONFLICT", ("image %s is in use by a container; stop that first"):format(id:sub(1, 19)),
      { status = 409, cause = err })
  end
  return removed, err
end

---Takes an image's name away, and the image with its last one; by its id, all its names and the image. One that is gone
---already is a success.
---@param reference string
---@return boolean? removed false when it was gone
---@return gantry.Error? err CONFLICT while a container uses it
function Images:remove(reference)
  local image, err = self.store:find(reference)
  if not image then
    local dead = self.store:reference(reference) -- leads nowhere: its image was broken off or taken away by hand
    if dead then self.store:forget(reference) end
    if dead or err.code == "IMAGE_NOT_FOUND" then return false end
    return nil, err
  end
  local named = self.store:reference(reference)
  if named and #image.references > 1 then
    self.store:forget(reference)
    return true
  end
  local removed
  removed, err = remove_image(self, image.id)
  if removed == nil then return nil, err end
  for _, name in ipairs(image.references) do self.store:forget(name) end
  return true
end

---@class gantry.UnnamedImage what nobody can want any more
---@field id string? of an image without a name that nobody uses: its tag leads to another one, or it was never whole
---@field path string? of what a killed gantry left of one

---What can go: what a reference leads to, or a container is of, is none of it.
---@return gantry.UnnamedImage[] found
function Images:unnamed()
  local named, found = {}, {}
  for _, one in ipairs(self.store:references()) do named[one.id] = true end
  for _, id in ipairs(self.store:ids()) do
    if not named[id] and not self.store:in_use(id) then found[#found + 1] = { id = id } end
  end
  for _, path in ipairs(self.store:unfinished()) do found[#found + 1] = { path = path } end
  return found
end

---Removes such a one, unless somebody has it by now.
---@param one gantry.UnnamedImage
---@return boolean? removed, gantry.Error? err
function Images:discard(one)
  if one.path then return image_store.sweep(one.path) end
  return unpack.remove(self.store, one.id)
end

---Whether a text can be the name of an image that is pulled.
---@param reference string
---@return boolean? ok, string? reason
function images.check_reference(reference)
  local plain = reference:gsub("^docker%-daemon:", ""):gsub("^docker://", "")
  local parts, reason = image_name.parse(plain)
  if not parts then return nil, reason end
  return true
end

return images
