-- SPDX-License-Identifier: Apache-2.0
--
--- engine/oci/records.lua: what is known of a container by its directory: what it was made as, and how it is. Whoever
--- looks, its gantry or another one, also after a kill -9, finds the same.

local json = require "gantry.json"
local layout = require "gantry.engine.oci.layout"
local monitors = require "gantry.engine.oci.monitors"
local container_cgroup = require "gantry.engine.oci.container_cgroup"
local core = require "gantry.core"
local parsed = require "gantry.base.parsed"
local runtime_calls = require "gantry.engine.oci.runtime_calls"
local types = require "gantry.base.types"

local records = {}

local text, optional, boolean = types.text(), types.optional, types.boolean()
local integer = types.integer { min = 0 }
local strings = types.list(types.text())

local SHAPE <const> = types.object {
  id = text, name = text, created = types.number(), image = text, image_id = text, root = text, lock = optional(text),
  runtime = text, path = text, arguments = strings, labels = types.map(text, text), env = strings,
  mounts = types.list(types.object { kind = text, source = optional(text), target = text }),
  tmpfs = types.map(text, text), network = optional(text), stop_signal = optional(text), cgroup = optional(text),
  cgroup_version = integer, outlives = boolean, helper = optional(text),
  unmake = optional(strings), folders = optional(strings),
}

---@class gantry.OciRecord what a container was made as
---@field id string
---@field name string
---@field created number seconds since 1970
---@field image string the reference
---@field image_id string
---@field root string of the image
---@field lock string? of the image
---@field runtime "crun"|"runc"|"runsc"
---@field path string the runtime's
---@field arguments string[] the runtime's own, before its command
---@field labels table<string, string>
---@field env string[]
---@field mounts { kind: string, source: string?, target: string }[]
---@field tmpfs table<string, string>
---@field network string?
---@field stop_signal string?
---@field cgroup string? its path in each hierarchy
---@field cgroup_version integer
---@field outlives boolean whether it goes on without the gantry that made it
---@field helper "slirp4netns"|"pasta"|nil what carries its network
---@field unmake string[]? a command that has to be run before its directory is removed
---@field folders string[]? in its directory, with files of its own

---@param place gantry.OciLayout
---@param record gantry.OciRecord
---@return boolean? ok, gantry.Error? err
function records.write(place, record)
  local line, err = json.encode(record)
  if not line then return nil, err end
  return layout.write(place:container(record.id) .. "/record.json", line)
end

local parse = parsed.once(function(line)
  local value = json.decode(line)
  return type(value) == "table" and types.first_finding(SHAPE, value, "it") or nil
end)

---@param place gantry.OciLayout
---@param id string
---@return gantry.OciRecord? record nil where there is none, or none of ours; not to be changed
function records.read(place, id)
  local record = parse(layout.read(place:container(id) .. "/record.json") or "")
  return record and record.id == id and record or nil
end

---@param at number seconds since 1970
---@return string RFC 3339
local function time_text(at)
  return ("%s.%09dZ"):format(os.date("!%Y-%m-%dT%H:%M:%S", math.floor(at)), math.floor(at % 1 * 1e9))
end

---@param directory string
---@param name string
---@return string
local function read(directory, name)
  return layout.read(directory .. "/" .. name) or ""
end

---The process that the runtime has started, and when.
---@param directory string
---@return { pid: integer, at: number }? started
function records.started(directory)
  local pid = math.tointeger(tonumber(read(directory, "pid"):match "^%d+"))
  local status = pid and core.system.stat(directory .. "/pid")
  return status and { pid = pid, at = status.mtime } or nil
end

-- The monitor's socket, which it has from the word to start on.
local LISTENS <const> = "monitor"
-- What engines have a container end with that was never started; and gVisor itself, where it failed.
local NOT_STARTED <const>, OF_GVISOR <const> = 127, 128

---How a container has ended. The runtime's own process is the container where it stays for as long: it may have failed
---before there was one.
---@param place gantry.OciLayout
---@param record gantry.OciRecord
---@param owned gantry.OciOwned? where it is this process's
---@return { code: integer, at: number, failed: string? }? how nil where it has not, or nobody knows; failed: why it was
---never started
function records.how(place, record, owned)
  local how = monitors.parse_exit(read(place:container(record.id), "exit")) or owned and owned.monitor.how
  if not how or how.code ~= OF_GVISOR or not runtime_calls.stays(record) then return how end
  local said = runtime_calls.said(place, record.id)
  if said then how.code, how.failed = NOT_STARTED, runtime_calls.start_failure(record, said) end
  return how
end

---@param reason string
---@return gantry.ContainerState
local function not_started(reason)
  return { status = "created", running = false, paused = false, exit_code = NOT_STARTED, error = reason }
end

---@param record gantry.OciRecord
---@param how { code: integer, at: number, failed: string? }
---@param started { at: number? }?
---@return gantry.ContainerState
local function ended(record, how, started)
  if how.failed then return not_started(how.failed) end
  return { status = "exited", running = false, paused = false, exit_code = how.code,
    out_of_memory = container_cgroup.happened(record), started_at = started and started.at and time_text(started.at),
    finished_at = time_text(how.at) }
end

---How a container is. What its directory does not say, as where the disk was full, its monitor may have told.
---@param place gantry.OciLayout
---@param record gantry.OciRecord
---@param owned gantry.OciOwned? where it is this process's
---@return gantry.ContainerState
function records.state(place, record, owned)
  local directory = place:container(record.id)
  -- The monitor writes first and lets its lock go afterwards: whoever looks the other way round misses nothing.
  local monitored = monitors.lives(directory)
  local how, started = records.how(place, record, owned), records.started(directory)
  if how then return ended(record, how, started) end
  local failed = owned and owned.failed or layout.read(directory .. "/failed")
  if failed then
    return not_started(failed)
  elseif monitored and started then
    local frozen = container_cgroup.frozen(record)
    return { status = frozen and "paused" or "running", running = true, paused = frozen,
      pid = started.pid, started_at = started.at and time_text(started.at) }
  elseif monitored and core.system.stat(directory .. "/" .. LISTENS) then
    -- Its plugin may have spoken before the runtime has written down which process that is.
    return { status = "running", running = true, paused = false }
  elseif monitored then
    return { status = "created", running = false, paused = false }
  end
  return { status = "dead", running = false, paused = false,
    error = "its monitor was killed, and nobody knows how it ended" }
end

return records
