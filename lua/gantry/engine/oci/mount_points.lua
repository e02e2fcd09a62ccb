-- SPDX-License-Identifier: Apache-2.0
--
--- engine/oci/mount_points.lua: mount points that a container needs in its root file system. That of an image is shared
--- by all its containers: its owner makes them once, under the image's lock, before a runtime would.

local core = require "gantry.core"

local mount_points = {}

local MODE <const>, TMPFS_MODE <const> = tonumber("755", 8), tonumber("1777", 8)
local FILE_MODE <const> = tonumber("644", 8)

---@class gantry.MountPoint
---@field path string inside
---@field kind "directory"|"file"
---@field mode integer that it gets if it is missing

---@param path string
---@param folder string
---@return boolean whether a path is below a folder
local function is_below(path, folder)
  return path:sub(1, #folder + 1) == folder .. "/"
end

---runc before 1.2 gives memory the mode of what it is mounted on, whatever the options say.
---@param mount table of config.json
---@return integer
local function mode_of(mount)
  if mount.type ~= "tmpfs" then return MODE end
  for _, option in ipairs(mount.options) do
    local mode = option:match "^mode=([0-7]+)$"
    if mode then return tonumber(mode, 8) end
  end
  return TMPFS_MODE
end

---What must be there: mount points that lie on no other mount, and the working directory. gVisor makes all of the
---host's in the root file system, whatever lies over them.
---@param mounts table[] of config.json, outer ones first
---@param kinds table<string, "file"|"directory"> of the host's sources, by path; a directory where unknown
---@param working_dir string
---@param runtime "crun"|"runc"|"runsc"
---@return gantry.MountPoint[]
function mount_points.of(mounts, kinds, working_dir, runtime)
  local points = {}
  local function covered(path, last)
    for place = 1, last do
      if is_below(path, mounts[place].destination) then return true end
    end
    return false
  end
  for place, one in ipairs(mounts) do
    if runtime == "runsc" and one.type == "bind" or not covered(one.destination, place - 1) then
      local kind = one.type == "bind" and kinds[one.source] or "directory"
      points[#points + 1] = { path = one.destination, kind = kind, mode = kind == "file" and FILE_MODE or mode_of(one) }
    end
  end
  if working_dir ~= "/" and not covered(working_dir .. "/.", #mounts) then
    points[#points + 1] = { path = working_dir, kind = "directory", mode = MODE }
  end
  return points
end

---Makes those that are missing. Links of the image's lead nowhere outside of it.
---@param root string
---@param points gantry.MountPoint[]
---@return boolean? ok, gantry.Error? err DIRECTORY_FAILED
function mount_points.make(root, points)
  for _, point in ipairs(points) do
    local made, err = core.files.make_in_root(root, point.path, point.kind, point.mode)
    if made == nil then return nil, err end
  end
  return true
end

return mount_points
