-- SPDX-License-Identifier: Apache-2.0
--
--- engine/oci/files.lua: files of a container's image, which are on this machine: read as the container's own processes
--- find them. What is mounted over them is the host's and is not looked at.

local core = require "gantry.core"
local errors = require "gantry.base.errors"

---@class gantry.OciClient
local Files = {}

local LARGEST <const> = 16 * 1024 * 1024
local KINDS <const> = { file = "file", directory = "folder" }
local ENOENT <const>, ENOTDIR <const> = 2, 20

---@param record gantry.OciRecord
---@return string root
local function root_of(self, record)
  return record.unmake and self.layout:container(record.id) .. "/root" or record.root
end

---@param err gantry.Error
---@param id string
---@param path string
---@return nil, gantry.Error
local function unreadable(err, id, path)
  local missing = err.os_error == ENOENT or err.os_error == ENOTDIR
  return nil, errors.new(missing and "NOT_FOUND" or "ENGINE_ERROR", ("read %s of container %s: %s"):format(path,
    id:sub(1, 12), missing and "it is not there" or err.message), { cause = err, status = missing and 404 or nil })
end

---@param id string
---@param path string
---@return string? text, gantry.Error? err NOT_FOUND
function Files:read_file(id, path)
  local record, err = self:find(id)
  if not record then return nil, err end
  local text, status = core.files.read_in_root(root_of(self, record), path, LARGEST)
  if not text then return unreadable(status, id, path) end
  return text
end

---@param id string
---@param path string
---@param most integer
---@return gantry.FileHead? head, gantry.Error? err NOT_FOUND
function Files:read_head(id, path, most)
  local record, err = self:find(id)
  if not record then return nil, err end
  local bytes, status = core.files.read_in_root(root_of(self, record), path, most)
  if not bytes then return unreadable(status, id, path) end
  return { kind = KINDS[status.type] or "other", mode = status.mode, target = "", bytes = bytes }
end

---@param path string
---@return boolean sees, gantry.Error? err
function Files.sees_folder(_, path)
  local status, err = core.system.stat(path)
  return status ~= nil, err
end

return { methods = Files }
