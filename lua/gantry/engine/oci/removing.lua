-- SPDX-License-Identifier: Apache-2.0
--
--- engine/oci/removing.lua: takes a container away: its processes, what its runtime keeps of it, its cgroups, its
--- directory. What is removed is what its record says, in the folder that is this user's alone.

local container_cgroup = require "gantry.engine.oci.container_cgroup"
local core = require "gantry.core"
local errors = require "gantry.base.errors"
local monitors = require "gantry.engine.oci.monitors"
local network_start = require "gantry.engine.oci.network_start"
local records = require "gantry.engine.oci.records"
local runtime_calls = require "gantry.engine.oci.runtime_calls"
local signals = require "gantry.engine.oci.signals"
local task = require "gantry.task"
local work = require "gantry.engine.oci.work"

local removing = {}

-- Seconds after which a directory without a record is nobody's who is just making it: before its maker holds the file
-- `owner`, and once it should.
local UNOWNED <const>, BROKEN_OFF <const> = 5, 2
local RECORD <const> = "record.json"

---@param record gantry.OciRecord
---@param text string
---@return nil, gantry.Error
local function conflict(record, text)
  return nil, errors.new("CONFLICT", ("remove container %s: %s"):format(record.id:sub(1, 12), text), { status = 409 })
end

---Removes a container's directory with what gantry, the runtime and the monitor made in it: its record last, so that
---another gantry finds what a killed one was about to remove.
---@param place gantry.OciLayout
---@param id string
---@param record gantry.OciRecord? nil where there is none
---@return boolean? ok, gantry.Error? err
local function remove_directory(place, id, record)
  local directory = place:container(id)
  if record and record.unmake then runtime_calls.call(record.unmake, "unmount the container's own root") end
  for _, name in ipairs(core.files.list(directory) or {}) do
    local path = directory .. "/" .. name
    if name ~= RECORD and not os.remove(path) then
      work.run("empty", { path })
      os.remove(path)
    end
  end
  os.remove(directory .. "/" .. RECORD)
  local removed, reason = os.remove(directory)
  if removed or not core.system.stat(directory) then return true end
  return nil, errors.new("ENGINE_ERROR", "remove container: " .. reason)
end

---Takes away what a make in vain has made.
---@param place gantry.OciLayout
---@param record gantry.OciRecord
function removing.undo(place, record)
  remove_directory(place, record.id, record)
  place:drop_name(record.name, record.id)
end

---Removes the directory of a container whose making was broken off, before it had a record.
---@param place gantry.OciLayout
---@param id string
function removing.broken_off(place, id)
  local directory = place:container(id)
  local status = core.system.stat(directory)
  local wait = core.system.stat(directory .. "/owner") and BROKEN_OFF or UNOWNED
  if not status or os.time() - status.mtime < wait or monitors.lives(directory) then return end
  local lock <close> = core.files.lock(directory .. "/owner")
  if lock then task.shield(remove_directory, place, id) end
end

---Ends what runs of a container.
---@param place gantry.OciLayout
---@param record gantry.OciRecord
---@param state gantry.ContainerState
---@param owned gantry.OciOwned?
---@return boolean? ok, gantry.Error? err
local function stop(place, record, state, owned)
  if state.running then
    local sent, err = signals.kill(place, record, "KILL", owned)
    if sent == nil then return nil, err end
    if not records.state(place, record, owned).running then return true end
    return conflict(record, "its process does not end after SIGKILL")
  end
  -- One that has lost its monitor may live on: `delete --force` ends it.
  return true
end

---Whether a runtime has anything of a container.
---@param place gantry.OciLayout
---@param record gantry.OciRecord
---@return boolean
local function is_known(place, record)
  local root = place:runtime_root(record.runtime)
  return record.runtime == "runsc" or core.system.stat(("%s/%s"):format(root, record.id)) ~= nil
end

---@param place gantry.OciLayout
---@param record gantry.OciRecord
---@return boolean? ok, gantry.Error? err
local function delete(place, record)
  local started = core.system.stat(place:container(record.id) .. "/runtime.log")
    or core.system.stat(place:container(record.id) .. "/pid")
  if started and is_known(place, record) then
    local ok, err = runtime_calls.call(runtime_calls.delete(place, record), "delete container " .. record.id:sub(1, 12))
    if not ok and is_known(place, record) and record.runtime ~= "runsc" then return nil, err end
  end
  container_cgroup.remove(record)
  network_start.end_left_over(place, record)
  return true
end

---@param place gantry.OciLayout
---@param record gantry.OciRecord
---@param owned gantry.OciOwned? where it is this process's
---@return boolean? removed, gantry.Error? err CONFLICT
function removing.remove(place, record, owned)
  local directory = place:container(record.id)
  local lock <close> = core.files.lock(directory .. "/removing")
  if not lock then
    if not core.system.stat(directory) then return false end
    return conflict(record, "somebody else is at it")
  end
  local state = records.state(place, record, owned)
  local waiting = state.status == "created" and not state.error
  if waiting and (not owned or owned.starting) then return conflict(record, "it is being started") end
  if waiting then owned.monitor:close() end
  local ok, err = stop(place, record, state, owned)
  if ok then ok, err = delete(place, record) end
  if ok then ok, err = remove_directory(place, record.id, record) end
  if not ok then return nil, err end
  place:drop_name(record.name, record.id)
  if owned and owned.monitor.handle then owned.monitor.handle:done() end
  return true
end

return removing
