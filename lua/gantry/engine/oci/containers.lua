-- SPDX-License-Identifier: Apache-2.0
--
--- engine/oci/containers.lua: containers made, started, looked at, ended and removed. Each has a directory with all
--- that is known of it; this process has, of those that it looks after, the connection to their monitor.

local container_cgroup = require "gantry.engine.oci.container_cgroup"
local core = require "gantry.core"
local errors = require "gantry.base.errors"
local hindrances = require "gantry.engine.oci.hindrances"
local layout = require "gantry.engine.oci.layout"
local limits = require "gantry.engine.oci.limits"
local cgroups = require "gantry.engine.oci.cgroups"
local making = require "gantry.engine.oci.making"
local network_start = require "gantry.engine.oci.network_start"
local records = require "gantry.engine.oci.records"
local requests = require "gantry.engine.oci.requests"
local runtime_calls = require "gantry.engine.oci.runtime_calls"
local removing = require "gantry.engine.oci.removing"
local signals = require "gantry.engine.oci.signals"
local unrecorded = require "gantry.engine.oci.unrecorded"
local task = require "gantry.task"

---@class gantry.OciClient
---@field layout gantry.OciLayout
---@field owned table<string, gantry.OciOwned> by container id
local Containers = {}

-- Seconds for a runtime to tell of a start whose process runs.
local SETTLE_TIMEOUT <const> = 2

---@class gantry.OciOwned a container that this process looks after
---@field monitor gantry.Monitor
---@field lock userdata of the file `owner`
---@field starting boolean?
---@field attached boolean?
---@field record gantry.OciRecord
---@field resources table? linux.resources of its config.json
---@field failed string? why it did not start

---@param id string
---@return gantry.Error
local function not_found(id)
  return errors.new("NOT_FOUND", ("there is no container '%s'"):format(id), { status = 404 })
end

---@param id string or name
---@return gantry.OciRecord? record, gantry.Error? err NOT_FOUND
function Containers:find(id)
  local found = layout.is_id(id) and id or self.layout:named(id)
  if not found and id:find "^%x+$" and #id >= 12 then
    for _, one in ipairs(self.layout:ids()) do
      if one:sub(1, #id) == id then found = one end
    end
  end
  local record = found and records.read(self.layout, found) or unrecorded.record(self.layout, self.owned[id])
  if record then return record end
  return nil, not_found(id)
end

---The same, as it is once the runtime has told of a start that is going on: the plugin may have said its handshake by
---then.
---@param id string or name
---@return gantry.OciRecord? record, gantry.Error? err NOT_FOUND
function Containers:find_settled(id)
  local record, err = self:find(id)
  local owned = record and self.owned[record.id]
  if owned and owned.starting and not owned.monitor.started:is_set() then
    task.deadline(SETTLE_TIMEOUT, owned.monitor.started.wait, owned.monitor.started)
  end
  return record, err
end

-- ---- made ----

-- errno of a full disk, and of one that a user may have no more of.
local FULL <const> = { [28] = true, [122] = true }

---@param self gantry.OciClient
---@param err gantry.Error
---@return gantry.Error
local function with_remedy(self, err)
  if not FULL[err.os_error] then return err end
  return errors.new("RUNTIME_DIR_FAILED", ("%s; make room there (df %s), or have GANTRY_RUNTIME_DIR name another "
    .. "place"):format(err.message, self.layout.path), { os_error = err.os_error, cause = err })
end

---@param name string
---@param request table
---@return gantry.CreatedContainer? created, gantry.Error? err
function Containers:create(name, request)
  local prepared, err = requests.find(request)
  if not prepared then return nil, err end
  self:prepare_cgroups()
  local record = prepared.record
  record.name, record.created = name, os.time()
  -- crun has the kernel begin its process in its cgroup, for which nothing has to be ready; gVisor moves one too late.
  prepared.own_cgroup = record.runtime == "runc" and cgroups.own(self.places) or nil
  local owned
  owned, err = making.make(self.layout, record, prepared)
  if not owned then return nil, with_remedy(self, err):wrap("create container " .. name) end
  owned.record, owned.resources, self.owned[record.id] = record, prepared.built.config.linux.resources, owned
  return { id = record.id, warnings = prepared.built.notes }
end

---@return nil, gantry.Error
local function refuse_network(_, network)
  return nil, errors.new("ENGINE_UNSUPPORTED", ("this engine has no network '%s' to connect a container to"):format(
    network))
end

Containers.connect_network = refuse_network

-- ---- started ----

-- Bytes that a runtime writes as it starts a container, and more.
local ROOM <const> = 128 * 1024

---What a start that failed leaves: its reason, for whoever looks.
---@param self gantry.OciClient
---@param record gantry.OciRecord
---@param owned gantry.OciOwned
---@param err gantry.Error of the monitor
---@return nil, gantry.Error
local function start_failed(self, record, owned, err)
  local said = runtime_calls.said(self.layout, record.id)
  if not said and err.reason == "deadline" then
    said = ("it did not answer within %d s and was killed"):format(runtime_calls.TIMEOUT)
  end
  local text = said or (err.reason and ("it gave no reason (%s %s)"):format(err.reason, err.number)) or err.message
  local hindrance = hindrances.first()
  local message = runtime_calls.start_failure(record, text) .. (hindrance
    and ("; %s: %s"):format(hindrance.text, hindrance.remedy) or "")
  local note = self.layout:container(record.id) .. "/failed"
  -- A runtime need not say that it found no room.
  local room, unwritten = layout.write(note, (" "):rep(ROOM))
  if not room then message = ("%s; %s"):format(message, with_remedy(self, unwritten).message) end
  layout.write(note, message)
  owned.failed = message
  container_cgroup.remove(record)
  return nil, errors.new("ENGINE_ERROR", message, { cause = err })
end

---Holds the limits against what the kernel has: a runtime may have left them out without a word.
---@param self gantry.OciClient
---@param record gantry.OciRecord
---@param owned gantry.OciOwned
---@param pid integer
---@return boolean? ok, gantry.Error? err LIMIT_NOT_DELEGATED
local function verify_limits(self, record, owned, pid)
  if not owned.resources or record.runtime == "runsc" then return true end
  local ok, err = limits.verify(owned.resources, record.cgroup_version, cgroups.reader(pid, record.cgroup_version),
    core.system.euid() ~= 0)
  if ok or cgroups.is_ending(pid) then return true end
  if records.state(self.layout, record, owned).status ~= "running" then return true end
  signals.kill(self.layout, record, "KILL", owned)
  return nil, err
end

---Has the plugin begin once its network is there: until then its container's gate waits.
---@param self gantry.OciClient
---@param record gantry.OciRecord
---@param owned gantry.OciOwned
---@param pid integer
---@return boolean? ok, gantry.Error? err NETWORK_FAILED, GATE_GONE
local function join_network(self, record, owned, pid)
  local ok, err = network_start.run(self.layout, record, owned.monitor, pid)
  if ok then ok, err = owned.monitor:release() end
  if ok then return true end
  signals.kill(self.layout, record, "KILL", owned)
  return nil, err
end

---@param self gantry.OciClient
---@param record gantry.OciRecord
---@param owned gantry.OciOwned
---@return boolean? ok, gantry.Error? err
local function start(self, record, owned)
  if not owned.starting then
    owned.starting = true
    local ok, err = owned.monitor:start()
    if not ok then return nil, err end
  end
  local pid, err = owned.monitor.started:wait()
  if pid then pid, err = signals.await_start(self.layout, record, owned, pid) end
  if not pid then return start_failed(self, record, owned, err) end
  local ok, wrong = verify_limits(self, record, owned, pid)
  if not ok or not record.helper then return ok, wrong end
  return join_network(self, record, owned, pid)
end

---@param id string
---@return boolean? ok, gantry.Error? err
function Containers:start(id)
  local record, err = self:find(id)
  if not record then return nil, err end
  local owned = self.owned[record.id]
  local state = records.state(self.layout, record, owned)
  local starting = owned and owned.starting and not owned.monitor.started:is_set()
  if state.running and not starting then return true end
  if owned and not state.error and (starting or state.status == "created") then
    return task.shield(start, self, record, owned)
  end
  return nil, errors.new("CONFLICT", ("start container %s: %s"):format(record.id:sub(1, 12),
    state.status == "created" and not state.error and "the gantry that made it has to start it"
    or "it runs once; make another one"), { status = 409 })
end

-- ---- looked at ----

---How a container is.
---@param self gantry.OciClient
---@param record gantry.OciRecord
---@return gantry.ContainerState
local function state_of(self, record)
  local owned = self.owned[record.id]
  if unrecorded.record(self.layout, owned) then return unrecorded.state(owned) end
  return records.state(self.layout, record, owned)
end

---@param id string or name
---@return gantry.Container? container, gantry.Error? err
function Containers:inspect(id)
  local record, err = self:find_settled(id)
  if not record then return nil, err end
  return { id = record.id, name = record.name, image = record.image, image_id = record.image_id, env = record.env,
    labels = record.labels, mounts = record.mounts, tmpfs = record.tmpfs, network = record.network,
    runtime = record.runtime, stop_signal = record.stop_signal, state = state_of(self, record) }
end

---@param labels table<string, string>
---@param wanted table<string, string|true>
---@return boolean
local function carries(labels, wanted)
  for name, value in pairs(wanted) do
    if labels[name] == nil or value ~= true and labels[name] ~= value then return false end
  end
  return true
end

---@param labels table<string, string|true>
---@param image string?
---@return gantry.ContainerSummary[] containers
function Containers:list(labels, image)
  local list, ids = {}, self.layout:ids()
  for id, owned in pairs(self.owned) do
    if unrecorded.record(self.layout, owned) and not core.system.stat(self.layout:container(id)) then
      ids[#ids + 1] = id
    end
  end
  for _, id in ipairs(ids) do
    local record = records.read(self.layout, id) or unrecorded.record(self.layout, self.owned[id])
    if not record then
      removing.broken_off(self.layout, id)
    elseif carries(record.labels, labels) and (not image or record.image == image or record.image_id == image) then
      list[#list + 1] = { id = id, name = record.name, image = record.image, labels = record.labels,
        status = state_of(self, record).status, created = record.created }
    end
  end
  self.layout:drop_stale_names()
  return list
end

-- ---- ended ----

---Waits until a container has stopped.
---@param id string
---@return { exit_code: integer }? result, gantry.Error? err
function Containers:wait(id)
  local record, err = self:find(id)
  if not record then return nil, err end
  local owned = self.owned[record.id]
  local how
  if unrecorded.record(self.layout, owned) then
    how = unrecorded.await_end(owned)
  else
    how, err = signals.await_end(self.layout, record, owned)
    -- Its directory may have gone meanwhile.
    if not how and unrecorded.record(self.layout, owned) then how = unrecorded.await_end(owned) end
  end
  if how then return { exit_code = how.code } end
  local state = state_of(self, record)
  if state.exit_code then return { exit_code = state.exit_code } end
  return nil, err or not_found(id)
end

---@param id string
---@param signal string
---@return boolean? sent, gantry.Error? err
function Containers:kill(id, signal)
  local record = self:find(id)
  if not record then return false end
  local owned = self.owned[record.id]
  if unrecorded.record(self.layout, owned) then
    return owned.monitor:running() ~= nil and owned.monitor.handle:signal(signal)
  end
  return signals.kill(self.layout, record, signal, owned)
end

---@param id string or name
---@return boolean? removed, gantry.Error? err CONFLICT
function Containers:remove(id)
  local record = self:find(id)
  if not record then
    if self.owned[id] then making.let_go(self.owned[id]) end
    self.owned[id] = nil
    return false
  end
  return task.shield(function()
    local owned = self.owned[record.id]
    local removed, err
    if unrecorded.record(self.layout, owned) then
      removed = unrecorded.remove(self.layout, owned)
    else
      removed, err = removing.remove(self.layout, record, owned)
    end
    if removed == nil then return nil, err end
    self.owned[record.id] = nil
    if owned then making.let_go(owned) end
    return removed
  end)
end

return { methods = Containers }
