-- SPDX-License-Identifier: Apache-2.0
--
--- engine/oci/store.lua: the images of a user that no daemon keeps, on disk:
---
---     images/DIGITS/lock        held alone by who makes or removes the root, shared by who runs a container of it
---     images/DIGITS/rootfs      the image, unpacked; shared, and never written to
---     images/DIGITS/image.json  what its config says
---     references/*.json         names of images: each leads to an id, and says by which manifest it was pulled
---     tmp/*                     what is being made, each locked by its maker
---
--- An image's id is the digest of its config as its source has it, so that it has the same one on every engine. The
--- folder is the user's alone: setuid programs of images lie in it.

local core = require "gantry.core"
local errors = require "gantry.base.errors"
local image_name = require "gantry.base.image"
local json = require "gantry.json"
local parsed = require "gantry.base.parsed"
local settings = require "gantry.policy.settings"
local sha256 = require "gantry.base.sha256"
local task = require "gantry.task"
local types = require "gantry.base.types"
local work = require "gantry.engine.oci.work"

local store = {}

local PRIVATE_FOLDER <const>, PRIVATE_FILE <const> = tonumber("700", 8), tonumber("600", 8)
local LARGEST_RECORD <const> = 8 * 1024 * 1024
local SHORTEST_ID <const> = 12

local text, strings = types.text(), types.optional(types.list(types.text()))
local optional = types.optional
local ID <const> = types.string { check = function(value)
  if value:find "^sha256:%x+$" and #value == 71 then return value:lower() end
  return nil, "must be an image's id"
end }
local IMAGE <const> = types.object { id = ID, size = optional(types.integer { min = 0 }), architecture = optional(text),
  created_at = optional(text), entrypoint = strings, command = strings, env = strings, user = optional(text),
  working_dir = optional(text), stop_signal = optional(text), layers = strings }
local REFERENCE <const> = types.object { reference = text, id = ID, digest = optional(ID),
  since = optional(types.number()) }

---@class gantry.StoredImage: gantry.EngineImage
---@field architecture string?
---@field created_at string? RFC 3339
---@field stop_signal string?
---@field references string[]
---@field rootfs string path of its root, which nobody writes to
---@field lock string path of the file that whoever runs a container of it holds a shared lock on

---@class gantry.ImageReference
---@field reference string NAME:TAG or NAME@DIGEST, as docker's own list has them
---@field id string
---@field digest string? of the manifest that it was pulled by
---@field since number? when it got to lead there; seconds since 1970

---@class gantry.ImageStore
---@field path string
local Store = {}
Store.__index = Store

---GANTRY_IMAGE_DIR or the setting image_dir, else /var/lib/gantry/oci for root, else $XDG_DATA_HOME/gantry/oci, else
---~/.local/share/gantry/oci; without a HOME /var/tmp/gantry-UID/oci.
---@param environment table<string, string>? the process's own where nil
---@return string path
function store.path(environment)
  environment = environment or core.system.environment()
  local named = settings.get("image_dir", environment)
  if named then return named end
  if core.system.euid() == 0 then return "/var/lib/gantry/oci" end
  if (environment.XDG_DATA_HOME or ""):sub(1, 1) == "/" then return environment.XDG_DATA_HOME .. "/gantry/oci" end
  if (environment.HOME or "") ~= "" then return environment.HOME .. "/.local/share/gantry/oci" end
  return ("/var/tmp/gantry-%d/oci"):format(core.system.euid())
end

---@param environment table<string, string>?
---@return gantry.ImageStore store nothing of it need be there
function store.of(environment)
  return setmetatable({ path = store.path(environment) }, Store)
end

---Makes the folders that are missing.
---@return boolean? ok, gantry.Error? err
function Store:make()
  for _, folder in ipairs { "", "/images", "/references", "/tmp" } do
    local ok, err = core.files.make_directory(self.path .. folder, PRIVATE_FOLDER)
    if not ok then return nil, err:wrap("make the store of images") end
  end
  return true
end

---@param shape gantry.Type
---@return fun(path: string): table? read nil where it is not there, or none of ours; not to be changed
local function reader(shape)
  local parse = parsed.once(function(content)
    local value = json.decode(content)
    return type(value) == "table" and types.first_finding(shape, value, "it") or nil
  end)
  return function(path)
    local content, status = core.files.read(path, LARGEST_RECORD, true)
    return content and status.uid == core.system.euid() and parse(content) or nil
  end
end

local read_image, read_reference = reader(IMAGE), reader(REFERENCE)
local digits_of_text = parsed.once(sha256)

-- ---- references ----

---A reference as it is kept: with its tag, without what all names of Docker's own registry begin with.
---@param reference string
---@return string
function store.familiar(reference)
  local parts = image_name.parse(reference)
  if not parts or not parts.name then return reference end
  local name = parts.name:gsub("^index%.docker%.io/", ""):gsub("^docker%.io/", ""):gsub("^library/", "")
  if parts.digest then return name .. "@" .. parts.digest end
  return name .. ":" .. (parts.tag or "latest")
end

---@param self gantry.ImageStore
---@param reference string familiar
local function reference_path(self, reference)
  return ("%s/references/%s.json"):format(self.path, digits_of_text(reference))
end

---@return gantry.ImageReference[] references by name
function Store:references()
  local list = {}
  for _, name in ipairs(core.files.list(self.path .. "/references") or {}) do
    list[#list + 1] = name:find "%.json$" and read_reference(self.path .. "/references/" .. name) or nil
  end
  table.sort(list, function(left, right) return left.reference < right.reference end)
  return list
end

---Has a name lead to an image.
---@param reference string
---@param id string
---@param digest string? of the manifest
---@return boolean? ok, gantry.Error? err
function Store:name(reference, id, digest)
  local kept = store.familiar(reference)
  return core.files.replace(reference_path(self, kept),
    json.line { reference = kept, id = id, digest = digest, since = os.time() }, PRIVATE_FILE)
end

---@param reference string
---@return gantry.ImageReference? found
function Store:reference(reference)
  return read_reference(reference_path(self, store.familiar(reference)))
end

---@param reference string
function Store:forget(reference)
  os.remove(reference_path(self, store.familiar(reference)))
end

-- ---- images ----

---@param id string
---@return string digits
local function digits_of(id)
  return id:match "^sha256:(%x+)$"
end

---@param id string
---@return string path of the image's folder
function Store:folder(id)
  return ("%s/images/%s"):format(self.path, digits_of(id))
end

---Whether an image is there and unpacked.
---@param id string
---@return boolean
function Store:has(id)
  return core.system.stat(self:folder(id) .. "/rootfs") ~= nil
    and core.system.stat(self:folder(id) .. "/image.json") ~= nil
end

---Writes down what an image is, once it is unpacked. It follows from the id alone: whoever writes it writes the same.
---@param image table as IMAGE has it
---@return boolean? ok, gantry.Error? err
function Store:describe(image)
  local record = { id = image.id, size = image.size, architecture = image.architecture, created_at = image.created_at,
    user = image.user, working_dir = image.working_dir, stop_signal = image.stop_signal }
  for _, name in ipairs { "entrypoint", "command", "env", "layers" } do
    record[name] = image[name] and json.array(image[name]) or nil
  end
  local line, err = json.encode(record)
  if not line then return nil, err end
  return core.files.replace(self:folder(image.id) .. "/image.json", line .. "\n", PRIVATE_FILE)
end

---@param id string
---@param references gantry.ImageReference[]
---@return gantry.StoredImage? image
function Store:image(id, references)
  local folder = self:folder(id)
  local kept = core.system.stat(folder .. "/rootfs") and read_image(folder .. "/image.json")
  if not kept or kept.id ~= id then return nil end
  local image = { references = {}, digests = {} }
  for name, value in pairs(kept) do image[name] = value end
  local known = {}
  image.entrypoint, image.command = image.entrypoint or {}, image.command or {}
  for _, one in ipairs(references) do
    if one.id == id then
      image.references[#image.references + 1] = one.reference
      local name = one.digest and image_name.parse(one.reference).name
      local digest = name and name .. "@" .. one.digest
      if digest and not known[digest] then
        known[digest], image.digests[#image.digests + 1] = true, digest
      end
    end
  end
  image.rootfs, image.lock = folder .. "/rootfs", folder .. "/lock"
  return image
end

---All ids that have a folder, whatever is in it.
---@return string[] ids
function Store:ids()
  local list = {}
  for _, name in ipairs(core.files.list(self.path .. "/images") or {}) do
    if #name == 64 and not name:find "%X" then list[#list + 1] = "sha256:" .. name end
  end
  table.sort(list)
  return list
end

---The id that a reference leads to.
---@param self gantry.ImageStore
---@param reference string
---@return string? id
local function resolve(self, reference)
  local parts = image_name.parse(reference) or {}
  if parts.id then return parts.id:lower() end
  local named = self:reference(reference)
  if named then return named.id end
  if parts.digest then -- pulled by another name of the same image, or by tag
    for _, one in ipairs(self:references()) do
      if one.digest == parts.digest and image_name.parse(one.reference).name
        == image_name.parse(store.familiar(reference)).name then return one.id end
    end
  end
  if reference:find "^%x+$" and #reference >= SHORTEST_ID then
    local found
    for _, id in ipairs(self:ids()) do
      if digits_of(id):sub(1, #reference) == reference then
        if found then return nil end
        found = id
      end
    end
    return found
  end
end

---@param reference string
---@return gantry.Error
function store.missing(reference)
  return errors.new("IMAGE_NOT_FOUND", ("image %s is not in gantry's own store; pull or load it first (gantry image "
    .. "pull %s), or set pull = \"missing\" in the policy"):format(reference, reference), { status = 404 })
end

---Looks an image up.
---@param reference string name, name:tag, name@digest, id, or the beginning of its digits
---@return gantry.StoredImage? image
---@return gantry.Error? err IMAGE_NOT_FOUND
function Store:find(reference)
  local id = resolve(self, reference)
  local image = id and self:image(id, self:references())
  if image then return image end
  return nil, store.missing(reference)
end

-- ---- what is being made ----

---@class gantry.StoreTemporary a folder of what is being made; to be held in a `<close>` variable
---@field path string
---@field lock userdata
local Temporary = {}
Temporary.__index = Temporary

function Temporary:__close()
  task.shield(function()
    work.run("empty", { self.path })
    self.lock:close()
    os.remove(self.path)
  end)
end

---@return gantry.StoreTemporary? folder, gantry.Error? err
function Store:temporary()
  local ok, err = self:make()
  if not ok then return nil, err end
  local path = ("%s/tmp/%s"):format(self.path, assert(core.system.random(8)))
  ok, err = core.files.make_directory(path, PRIVATE_FOLDER)
  local lock
  if ok then lock, err = core.files.lock(path) end -- the folder itself
  if not lock then return nil, err end
  if core.system.stat(path).type == "directory" then return setmetatable({ path = path, lock = lock }, Temporary) end
  lock:close() -- it was swept away before it was locked, and the lock made a file
  os.remove(path)
  return self:temporary()
end

---What killed makers left behind.
---@return string[] paths
function Store:unfinished()
  local list = {}
  for _, name in ipairs(core.files.list(self.path .. "/tmp") or {}) do
    local path = self.path .. "/tmp/" .. name
    local lock <close> = core.files.lock(path)
    if lock then list[#list + 1] = path end
  end
  return list
end

---Removes what a killed maker left behind.
---@param path string
---@return boolean? removed, gantry.Error? err
function store.sweep(path)
  local lock <close>, busy = core.files.lock(path)
  if not lock then return nil, busy end
  local ok, err = work.run("empty", { path })
  if not ok then return nil, err end
  os.remove(path)
  return true
end

---Whether somebody holds an image's lock.
---@param id string
---@return boolean
function Store:in_use(id)
  local lock <close>, err = core.files.lock(self:folder(id) .. "/lock")
  return not lock and err.code == "LOCK_BUSY"
end

return store
