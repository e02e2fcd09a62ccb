-- SPDX-License-Identifier: Apache-2.0
--
--- engine/oci/layout.lua: where the containers of a user that no daemon keeps are on disk. All of it is gone after the
--- machine's next start, as they are:
---
---     containers/ID/config.json  what the runtime is told
---     containers/ID/record.json  what gantry knows of it: name, labels, image, runtime
---     containers/ID/owner        held by the gantry that looks after it
---     containers/ID/lock …       its monitor's: see src/monitor
---     names/NAME                 holds the ID of the container that has that name
---     runtime/crun …             --root of each runtime, ours alone
---     versions.json              what runtimes have said of their versions
---
--- The folder is the user's alone: config.json may hold secrets.

local core = require "gantry.core"
local errors = require "gantry.base.errors"
local settings = require "gantry.policy.settings"
local user_runtime = require "gantry.base.user_runtime"

local layout = {}

local PRIVATE_FOLDER <const>, PRIVATE_FILE <const> = tonumber("700", 8), tonumber("600", 8)
local OURS <const> = "/.oci"
local LARGEST <const> = 4 * 1024 * 1024
local ID <const> = "^" .. ("%x"):rep(64) .. "$"
local NAME <const> = "^[%w][%w_.-]*$"

---@class gantry.OciLayout
---@field path string
local Layout = {}
Layout.__index = Layout

---The folder .oci (no plugin's name) of GANTRY_RUNTIME_DIR or of the setting runtime_dir, else of /run/gantry for root;
---else of the folder gantry in XDG_RUNTIME_DIR or in /run/user/UID, where that is this user's; without one of
---/tmp/gantry-UID.
---@param environment table<string, string>? the process's own where nil
---@return string path
function layout.path(environment)
  environment = environment or core.system.environment()
  local named = settings.get("runtime_dir", environment)
  if named then return named .. OURS end
  if core.system.euid() == 0 then return "/run/gantry" .. OURS end
  local own = user_runtime.path(environment)
  return (own and own .. "/gantry" or "/tmp/gantry-" .. core.system.euid()) .. OURS
end

---@param environment table<string, string>?
---@return gantry.OciLayout layout nothing of it need be there
function layout.of(environment)
  return setmetatable({ path = layout.path(environment) }, Layout)
end

---Makes the folders that are missing, in a place that nobody else can exchange.
---@return boolean? ok, gantry.Error? err RUNTIME_DIR_FAILED, RUNTIME_DIR_UNSAFE
function Layout:make()
  local ok, err = core.socket_dir.root(self.path:match "^(.*)/")
  if ok then ok, err = core.socket_dir.root(self.path) end
  for _, name in ipairs { "/containers", "/names", "/runtime" } do
    if ok then ok, err = core.files.make_directory(self.path .. name, PRIVATE_FOLDER) end
  end
  if not ok then return nil, err end
  return true
end

---@param id string
---@return boolean
function layout.is_id(id)
  return id:find(ID) ~= nil
end

---@param id string
---@return string path of a container's directory
function Layout:container(id)
  return ("%s/containers/%s"):format(self.path, id)
end

---@param runtime string
---@return string path
function Layout:runtime_root(runtime)
  return ("%s/runtime/%s"):format(self.path, runtime)
end

---@return string[] ids of all containers that have a directory, whatever is in it
function Layout:ids()
  local ids = {}
  for _, name in ipairs(core.files.list(self.path .. "/containers") or {}) do
    if layout.is_id(name) then ids[#ids + 1] = name end
  end
  table.sort(ids)
  return ids
end

---@param name string
---@return string path
function Layout:name_path(name)
  return ("%s/names/%s"):format(self.path, name)
end

---The container that has a name, if that is still there.
---@param name string
---@return string? id
function Layout:named(name)
  if not name:find(NAME) then return nil end
  local id = core.files.read(self:name_path(name), 65, true)
  id = id and id:match "^%x+"
  if id and layout.is_id(id) and core.system.stat(self:container(id)) then return id end
end

---Takes away a name's file. Two who find a stale one take turns by its lock: the second would else take away what the
---first has put in its place.
---@param self gantry.OciLayout
---@param name string
---@param is_free fun(): boolean? asked under the lock
local function remove_name(self, name, is_free)
  local path = self:name_path(name)
  local lock <close> = core.files.lock(path)
  if lock and is_free() then os.remove(path) end
end

---@param self gantry.OciLayout
---@param name string
local function drop_stale_name(self, name)
  remove_name(self, name, function() return not self:named(name) end)
end

---Takes a name for a container, whose directory is there. That of one that is gone is taken over.
---@param name string
---@param id string
---@return boolean? ok, gantry.Error? err CONFLICT, ENGINE_REFUSED
function Layout:take_name(name, id)
  if not name:find(NAME) or #name > 200 then
    return nil, errors.new("ENGINE_REFUSED", ("'%s' is no name of a container: it has letters, digits, '_', '.' and "
      .. "'-' alone"):format(name))
  end
  for _ = 1, 2 do
    local ok, err = core.files.create(self:name_path(name), id, PRIVATE_FILE)
    if ok then return true end
    if err.code ~= "FILE_EXISTS" then return nil, err end
    local other = self:named(name)
    if other then
      return nil, errors.new("CONFLICT", ("the name '%s' is that of container %s; remove that, or take another name")
        :format(name, other:sub(1, 12)), { status = 409 })
    end
    drop_stale_name(self, name)
  end
  return nil, errors.new("CONFLICT", ("the name '%s' is being taken by somebody else"):format(name), { status = 409 })
end

---Lets go of a name, where it is that container's.
---@param name string
---@param id string
function Layout:drop_name(name, id)
  if not name:find(NAME) then return end
  local function is_its() return (core.files.read(self:name_path(name), 65, true) or ""):match "^%x+" == id end
  if is_its() then remove_name(self, name, is_its) end
end

---Lets go of names of containers that are gone: their monitors, which removed them, know of no names. A container's
---directory is there before its name is.
function Layout:drop_stale_names()
  for _, name in ipairs(core.files.list(self.path .. "/names") or {}) do
    if name:find(NAME) and not self:named(name) then drop_stale_name(self, name) end
  end
end

---@param path string
---@return string? text nil where it is not there, or not this user's
function layout.read(path)
  local text, status = core.files.read(path, LARGEST, true)
  if not text or status.type ~= "file" or status.uid ~= core.system.euid() then return nil end
  return text
end

---@param path string
---@param text string
---@return boolean? ok, gantry.Error? err
function layout.write(path, text)
  return core.files.replace(path, text, PRIVATE_FILE)
end

return layout
