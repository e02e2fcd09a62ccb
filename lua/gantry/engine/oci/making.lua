-- SPDX-License-Identifier: Apache-2.0
--
--- engine/oci/making.lua: makes a container's directory and its monitor, which waits for the word to start it. What a
--- make in vain has made is taken away again; what a killed one has made is found by its directory.

local core = require "gantry.core"
local errors = require "gantry.base.errors"
local json = require "gantry.json"
local layout = require "gantry.engine.oci.layout"
local monitors = require "gantry.engine.oci.monitors"
local mount_points = require "gantry.engine.oci.mount_points"
local network = require "gantry.engine.oci.network"
local records = require "gantry.engine.oci.records"
local removing = require "gantry.engine.oci.removing"
local runtime_calls = require "gantry.engine.oci.runtime_calls"
local task = require "gantry.task"

local making = {}

local PRIVATE_FOLDER <const>, FOLDER <const> = tonumber("700", 8), tonumber("755", 8)
-- Read in the container by its user, who is another one where root made it.
local SHOWN_FILE <const> = tonumber("644", 8)
-- Seconds until a monitor is there; milliseconds that a container has to end by itself once its owner is gone.
local MONITOR_TIMEOUT <const>, GRACE_MS <const> = 10, 2000
-- What gantry makes in the directory, beside the files that the container sees.
local OWN_FILES <const> = { "config.json", "record.json", "owner", "removing", "failed", network.PID_FILE,
  network.LOG_FILE }

---Lets go of a container that is gone, or is somebody else's.
---@param owned gantry.OciOwned
function making.let_go(owned)
  owned.monitor:close()
  owned.lock:close()
end

---@param place gantry.OciLayout
---@param record gantry.OciRecord
---@param prepared gantry.OciPrepared
---@return table options of the monitor
local function monitor_options(place, record, prepared)
  local removes = {}
  if not prepared.writable then -- a root of its own is not the monitor's to undo: then a gantry finds the record
    for _, name in ipairs(OWN_FILES) do removes[#removes + 1] = name end
    for name in pairs(prepared.built.files) do removes[#removes + 1] = name end
  end
  return { directory = place:container(record.id), die_with_owner_ms = not record.outlives and GRACE_MS or nil,
    gated = record.helper ~= nil, foreground = runtime_calls.stays(record),
    deadline_ms = runtime_calls.TIMEOUT * 1000, own_cgroup = prepared.own_cgroup, holds = { record.lock },
    removes = removes, environment = runtime_calls.environment(), run = runtime_calls.run(place, record),
    delete = runtime_calls.delete(place, record) }
end

---@param place gantry.OciLayout
---@param record gantry.OciRecord
---@param prepared gantry.OciPrepared
---@return boolean? ok, gantry.Error? err
local function write_files(place, record, prepared)
  local directory = place:container(record.id)
  local text, err = json.encode(prepared.built.config)
  if not text then return nil, err end
  local ok
  ok, err = layout.write(directory .. "/config.json", text)
  for name, content in pairs(prepared.built.files) do
    if ok then ok, err = core.files.replace(directory .. "/" .. name, content, SHOWN_FILE) end
  end
  -- Last: a directory without it was broken off.
  if ok then ok, err = records.write(place, record) end
  return ok, err
end

---@param prepared gantry.OciPrepared
---@return boolean? ok, gantry.Error? err
local function make_root(prepared)
  local writable = prepared.writable
  if not writable then return mount_points.make(prepared.record.root, prepared.built.points) end
  for _, folder in ipairs(writable.directories) do
    local ok, err = core.files.make_directory(folder, FOLDER)
    if not ok then return nil, err end
  end
  local ok, err = runtime_calls.call(writable.make, "make a root file system of the container's own")
  if not ok then return nil, err end
  return mount_points.make(writable.path, prepared.built.points)
end

---@param place gantry.OciLayout
---@param record gantry.OciRecord
---@param prepared gantry.OciPrepared
---@return gantry.Monitor? monitor, gantry.Error? err
local function make_monitor(place, record, prepared)
  local monitor, err = monitors.spawn(monitor_options(place, record, prepared))
  if not monitor then return nil, err end
  local piped
  piped, err = task.deadline(MONITOR_TIMEOUT, monitor.piped.wait, monitor.piped)
  if piped then return monitor end
  monitor:close()
  return nil, errors.new("ENGINE_ERROR", ("its monitor does not work (%s%s)"):format(err.message,
    err.reason and " " .. err.reason .. " " .. err.number or ""), { cause = err })
end

---@param place gantry.OciLayout
---@param record gantry.OciRecord
---@return userdata? lock of the owner, gantry.Error? err
local function make_directory(place, record)
  local ok, err = place:make()
  if not ok then return nil, err end
  local directory = place:container(record.id)
  ok, err = core.files.make_directory(directory, PRIVATE_FOLDER)
  if not ok then return nil, err end
  return core.files.lock(directory .. "/owner")
end

---@param place gantry.OciLayout
---@param record gantry.OciRecord
---@param prepared gantry.OciPrepared
---@return gantry.OciOwned? owned, gantry.Error? err
function making.make(place, record, prepared)
  local lock, err = make_directory(place, record)
  if not lock then return nil, err end
  local monitor
  local _ <close> = setmetatable({}, { __close = function()
    if monitor then return end
    lock:close()
    task.shield(removing.undo, place, record)
  end })
  local ok
  ok, err = place:take_name(record.name, record.id)
  if ok then ok, err = write_files(place, record, prepared) end
  if ok then ok, err = make_root(prepared) end
  if ok then monitor, err = make_monitor(place, record, prepared) end
  if not monitor then return nil, err end
  return { monitor = monitor, lock = lock }
end

return making
