-- SPDX-License-Identifier: Apache-2.0
--
--- engine/oci/signals.lua: signals to a container's first process, and its end. Who looks after it has its monitor
--- for that; anybody else the runtime, and the files of its directory.

local cgroups = require "gantry.engine.oci.cgroups"
local container_cgroup = require "gantry.engine.oci.container_cgroup"
local core = require "gantry.core"
local errors = require "gantry.base.errors"
local monitors = require "gantry.engine.oci.monitors"
local records = require "gantry.engine.oci.records"
local runtime_calls = require "gantry.engine.oci.runtime_calls"
local task = require "gantry.task"

local signals = {}

-- Seconds between two looks where nothing tells of a change; for a process to be gone that SIGKILL has been sent to.
local LOOK_AGAIN <const>, KILL_TIMEOUT <const> = 1, 10

---Calls a look at a container again whenever something has changed in its directory, until that gives something.
---@param directory string
---@param look fun(lives: boolean): any lives: whether it has a monitor
---@return any found, gantry.Error? err
local function watch(directory, look)
  local changed = task.event()
  local inotify <close>, err = core.inotify.open(task.loop(), function() changed:set() end)
  if not inotify then return nil, err end
  inotify:add(directory) -- of one that is gone, nothing is to be waited for
  while true do
    local found = look(monitors.lives(directory))
    if found ~= nil then return found end
    -- A monitor that is killed tells nobody.
    task.deadline(LOOK_AGAIN, changed.wait, changed)
    if changed:is_set() then changed = task.event() end
  end
end

---The state of a container once the runtime has written down its process, which runs. One that hangs is killed by the
---monitor, which tells of it.
---@param place gantry.OciLayout
---@param record gantry.OciRecord
---@param owned gantry.OciOwned?
---@return gantry.ContainerState? state, gantry.Error? err DEADLINE_EXCEEDED
local function settled_state(place, record, owned)
  local function look()
    local state = records.state(place, record, owned)
    return (state.pid or not state.running) and state or nil
  end
  local state = look()
  if state then return state end
  return task.deadline(runtime_calls.TIMEOUT + KILL_TIMEOUT, watch, place:container(record.id), look)
end

---A runtime that is still at work on the start is waited for.
---@param place gantry.OciLayout
---@param record gantry.OciRecord
---@param signal string
---@param owned gantry.OciOwned?
---@return boolean? sent, gantry.Error? err
local function send(place, record, signal, owned)
  if owned and owned.starting and not owned.monitor.started:wait() then return false end
  local state, err = settled_state(place, record, owned)
  if not state then return nil, err end
  if not state.running then return false end
  local sent
  -- The process that this machine has of gVisor is the sandbox, which hands nothing on.
  if owned and owned.monitor.handle and (record.runtime ~= "runsc" or signal == "KILL") then
    sent, err = owned.monitor.handle:signal(signal)
  else
    local action = "signal container " .. record.id:sub(1, 12)
    sent, err = runtime_calls.call(runtime_calls.kill(place, record, signal), action)
    -- gVisor signals none that somebody has paused, which nobody else sees.
    if not sent and record.runtime == "runsc" and runtime_calls.call(runtime_calls.resume(place, record), action) then
      sent, err = runtime_calls.call(runtime_calls.kill(place, record, signal), action)
    end
  end
  if sent then return true end
  if not records.state(place, record, owned).running or cgroups.is_ending(state.pid) then return false end
  return nil, err
end

---Waits until a container runs whose runtime stays for as long: that one is still to make it when its monitor has told
---of its process.
---@param place gantry.OciLayout
---@param record gantry.OciRecord
---@param owned gantry.OciOwned
---@param pid integer as its monitor has told it
---@return integer? pid
---@return gantry.Error? err of reason "deadline" where it hung, and was killed
function signals.await_start(place, record, owned, pid)
  if not runtime_calls.stays(record) then return pid end
  local directory = place:container(record.id)
  local begun, err = task.deadline(runtime_calls.TIMEOUT, watch, directory, function(lives)
    local started, how = records.started(directory), records.how(place, record, owned)
    if how and how.failed then return { err = errors.new("ENGINE_ERROR", how.failed) } end
    return (started or how or not lives) and { pid = started and started.pid or pid } or nil
  end)
  if begun then return begun.pid, begun.err end
  if err.code ~= "DEADLINE_EXCEEDED" then return nil, err end
  if owned.monitor.handle then owned.monitor.handle:signal "KILL" end
  task.deadline(KILL_TIMEOUT, signals.await_end, place, record, owned) -- its monitor writes that down
  return nil, errors.new("MONITOR_FAILED", err.message, { reason = "deadline" })
end

---Sends a signal to a container that runs. SIGKILL has ended it by the answer, if it can.
---@param place gantry.OciLayout
---@param record gantry.OciRecord
---@param signal string such as "TERM"
---@param owned gantry.OciOwned? where it is this process's
---@return boolean? sent, gantry.Error? err
function signals.kill(place, record, signal, owned)
  local sent, err = send(place, record, signal, owned)
  if not sent or signal ~= "KILL" then return sent, err end
  if records.state(place, record, owned).paused then container_cgroup.thaw(record) end
  task.deadline(KILL_TIMEOUT, signals.await_end, place, record, owned)
  return true
end

---Waits until a container has ended.
---@param place gantry.OciLayout
---@param record gantry.OciRecord
---@param owned gantry.OciOwned? where it is this process's
---@return { code: integer, at: number }? how nil where nobody will ever know
---@return gantry.Error? err
function signals.await_end(place, record, owned)
  local directory = place:container(record.id)
  local how, err = watch(directory, function(lives)
    local how = records.how(place, record, owned)
    if how then return how end
    local state = records.state(place, record, owned)
    if not lives or state.exit_code or not core.system.stat(directory) then return false end
  end)
  return how or nil, err
end

return signals
