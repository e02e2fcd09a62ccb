-- SPDX-License-Identifier: Apache-2.0
--
--- ownership.lua: who owns a container, and whether its owner lives. A label says which user of which machine launched
--- it, so that another's on a shared engine is never touched; another says where its socket directory is, on which its
--- owner holds a lock for as long as it lives. Whoever gets that lock owns what is left.

local LABEL = require("gantry.container").LABEL
local core = require "gantry.core"

local ownership = {}

---What is known of a socket directory's owner.
---@alias gantry.OwnerState
---| "dead" # nobody held the lock; it is ours now
---| "alive" # another living process holds it
---| "no_directory" # there is nothing to lock: it is gone, or in a file system that we do not see
---| "unknown" # it cannot be locked, and not because somebody holds it

---This user on this machine, as the label says it.
---@return string
function ownership.owner()
  return ("%d@%s"):format(core.system.euid(), core.system.hostname())
end

---The labels by which a container of ours is found again.
---@param name string the plugin's
---@param directory string path of its socket directory
---@return table<string, string>
function ownership.labels(name, directory)
  return { [LABEL.plugin] = name, [LABEL.owner] = ownership.owner(), [LABEL.directory] = directory }
end

---Containers of this user's on this machine, running or not.
---@param engine gantry.Engine
---@return table[]? containers as the engine lists them, gantry.Error? err
function ownership.containers(engine)
  return engine:list { [LABEL.owner] = ownership.owner() }
end

---The path of a socket directory in its two parts.
---@param path string?
---@return string? root nil where the path is none of a socket directory, string? name
function ownership.split(path)
  return (path or ""):match("^(.*)/([^/]+)$")
end

---Takes the lock of a socket directory whose owner is dead. The directory is left as it is.
---@param path string?
---@return table? directory the caller's to close or remove; only where the owner is dead
---@return gantry.OwnerState state
function ownership.lock(path)
  local root, name = ownership.split(path)
  if not root then return nil, "unknown" end
  local directory, err = core.socket_dir.adopt(root, name)
  if directory then return directory, "dead" end
  if err.code == "SOCKET_DIR_BUSY" then return nil, "alive" end
  return nil, core.system.stat(path) and "unknown" or "no_directory"
end

---What is known of the owner at this moment. Nothing stays locked.
---@param path string?
---@return gantry.OwnerState
function ownership.state(path)
  local directory, state = ownership.lock(path)
  if directory then directory:close() end
  return state
end

return ownership
