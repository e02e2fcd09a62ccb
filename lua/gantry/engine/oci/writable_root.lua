-- SPDX-License-Identifier: Apache-2.0
--
--- engine/oci/writable_root.lua: a root file system of a container's own, where a policy says read_only = false. The
--- image's is shared and is never written to. Root lays a folder over it; an ordinary user, whom runtimes do not let do
--- that, gets a copy, whose blocks are shared where the file system can.

local refusal = require "gantry.engine.oci.refusal"

local writable_root = {}

---@class gantry.WritableRoot
---@field path string of the root file system
---@field directories string[] to be made before, 0755
---@field make string[] the command that makes it, to be run without a shell
---@field unmake string[]? the one that undoes what removing the directories does not

---@param image string the image's root file system
---@param directory string the container's own directory
---@param rootless boolean
---@return gantry.WritableRoot? root, gantry.Error? err
function writable_root.of(image, directory, rootless)
  local path = directory .. "/root"
  if rootless then
    return { path = path, directories = { path },
      make = { "/bin/cp", "-a", "--reflink=auto", "--", image .. "/.", path .. "/" } }
  end
  for _, one in ipairs { image, directory } do
    if one:find "[,:\\]" then
      return refusal.unsupported("read_only", "a writable root is an overlay, and that takes no path with a comma, "
        .. "colon or backslash (%s); leave read_only = false out of the policy", one)
    end
  end
  local upper, work = directory .. "/upper", directory .. "/work"
  local options = ("nosuid,nodev,lowerdir=%s,upperdir=%s,workdir=%s"):format(image, upper, work)
  return { path = path, directories = { path, upper, work },
    make = { "/bin/mount", "-t", "overlay", "-o", options, "overlay", path },
    unmake = { "/bin/umount", "--", path } }
end

return writable_root
