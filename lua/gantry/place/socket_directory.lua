-- SPDX-License-Identifier: Apache-2.0
--
--- place/socket_directory.lua: socket directories made and removed from a task. A plugin may leave a million files in
--- its own: they are removed in steps, between which the loop does the rest of its work.

local core = require "gantry.core"
local ownership = require "gantry.place.ownership"
local task = require "gantry.task"

local socket_directory = {}

local ENTRIES_PER_STEP <const> = 500

---@param directory table
local function empty(directory)
  while directory:empty_in_part(ENTRIES_PER_STEP) do task.sleep(0) end
end

---Makes the directory, or takes over what a dead owner left, emptied.
---@param root string
---@param name string
---@param options { mode: integer?, group: integer? }
---@param may_take (fun(): boolean?, gantry.Error?)? asked, with the lock held, whether what is left may be taken over
---@return table? directory of gantry.core's; the caller's to remove or close
---@return gantry.Error? err
function socket_directory.make(root, name, options, may_take)
  local left <close> = ownership.lock(root .. "/" .. name)
  if left then
    local free, claimed = true, nil
    if may_take then free, claimed = may_take() end
    if not free then return nil, claimed end
    empty(left)
    left:close()
  end
  return core.socket_dir.make(root, name, options)
end

---Removes it with all that is in it.
---@param directory table
---@return boolean? removed, gantry.Error? err where something had to be left
function socket_directory.remove(directory)
  empty(directory)
  return directory:remove()
end

---Takes away the directory of an owner that was killed, whose name gantry chose and nobody else has.
---@param path string
---@return boolean? gone nil where a living process holds it
function socket_directory.take_away(path)
  local directory, state = ownership.lock(path)
  if state == "alive" then return nil end
  if directory then socket_directory.remove(directory) else core.socket_dir.remove_rest(ownership.split(path)) end
  return true
end

return socket_directory
