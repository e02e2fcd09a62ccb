-- SPDX-License-Identifier: Apache-2.0
--
--- place/memory_dir.lua: folders in memory, for what must be on no disk. Each is made by us, in a folder that is the
--- user's alone, and is removed on the word of the record of its launch.

local core = require "gantry.core"
local errors = require "gantry.base.errors"

local memory_dir = {}

-- Whoever has the folder above may not look into it, so that this can be for whoever sees it inside a container.
local MODE <const> = tonumber("755", 8)
-- The longest path that a folder of ours may have; see socket_dir.h.
local LONGEST <const> = 90
local LONGEST_NAME <const> = 40
local SHARED_MEMORY <const> = "/dev/shm"

---A path for a folder of its own.
---@param root string the runtime directory, which is used where it is in memory
---@param name string of the plugin
---@param unique string? what tells it from another launch's
---@return string? path, gantry.Error? err MEMORY_DIR_MISSING
function memory_dir.path(root, name, unique)
  local last = name:sub(1, LONGEST_NAME) .. (unique and "-" .. unique or "")
  local near = root .. "/.credentials/" .. last
  local there = core.system.real_path(root) or root:match "^(.+)/[^/]+$" or "/"
  if #near <= LONGEST and core.system.in_memory(there) then return near end
  if core.system.in_memory(SHARED_MEMORY) then
    return ("%s/gantry-%d/%s"):format(SHARED_MEMORY, core.system.euid(), last)
  end
  return nil, errors.new("MEMORY_DIR_MISSING", ("credentials: neither %s nor %s is in memory, where they are kept; set "
    .. "GANTRY_RUNTIME_DIR to a short path on a tmpfs"):format(root, SHARED_MEMORY))
end

---@param path string as memory_dir.path gave it
---@return boolean? ok, gantry.Error? err
function memory_dir.make(path)
  local root, name = path:match "^(.*)/([^/]+)$"
  local ok, err = core.socket_dir.root(root)
  if not ok then return nil, err end
  local directory, failure = core.socket_dir.make(root, name, { mode = MODE })
  if not directory then return nil, failure end
  directory:close()
  return true
end

---Removes a folder that we made, or were killed over making; one that is gone is a success.
---@param path string
function memory_dir.remove(path)
  local root, name = path:match "^(/.*)/([^/]+)$"
  local directory = root and core.socket_dir.adopt(root, name)
  if directory then directory:remove() elseif root then core.socket_dir.remove_rest(root, name) end
end

return memory_dir
