-- SPDX-License-Identifier: Apache-2.0
--
--- engine/oci/unrecorded.lua: a container of this process's whose directory is gone, as where somebody has emptied
--- /run: what is left of it is the connection to its monitor, which still has its output and its end, and the record
--- here.

local container_cgroup = require "gantry.engine.oci.container_cgroup"
local core = require "gantry.core"
local network_start = require "gantry.engine.oci.network_start"
local task = require "gantry.task"

local unrecorded = {}

-- Seconds for a process to be gone that SIGKILL has been sent to.
local KILL_TIMEOUT <const> = 10

---@param place gantry.OciLayout
---@param owned gantry.OciOwned?
---@return gantry.OciRecord? record where it is one
function unrecorded.record(place, owned)
  local record = owned and owned.record
  if not record or not (owned.monitor:running() or owned.monitor.how) then return nil end
  return not core.system.stat(place:container(record.id) .. "/record.json") and record or nil
end

---@param owned gantry.OciOwned
---@return gantry.ContainerState
function unrecorded.state(owned)
  local pid, how = owned.monitor:running(), owned.monitor.how
  return { status = pid and "running" or "exited", running = pid ~= nil, paused = false, pid = pid,
    exit_code = how and how.code }
end

---@param owned gantry.OciOwned
---@return { code: integer, at: number }? how
function unrecorded.await_end(owned)
  owned.monitor.ended:wait()
  return owned.monitor.how
end

---Ends what runs of it, and takes away what can be found without its directory: what its runtime kept went with that.
---@param place gantry.OciLayout
---@param owned gantry.OciOwned
---@return boolean removed
function unrecorded.remove(place, owned)
  local was_running = owned.monitor:running() ~= nil
  if was_running then
    owned.monitor.handle:signal "KILL"
    task.deadline(KILL_TIMEOUT, owned.monitor.ended.wait, owned.monitor.ended)
  end
  container_cgroup.remove(owned.record)
  network_start.end_left_over(place, owned.record)
  if owned.monitor.handle then owned.monitor.handle:done() end
  return was_running
end

return unrecorded
