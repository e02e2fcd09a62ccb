-- SPDX-License-Identifier: Apache-2.0
--
--- engine/oci/usage.lua: what a container uses, as the kernel keeps account of it in the container's cgroup.

local cgroups = require "gantry.engine.oci.cgroups"
local errors = require "gantry.base.errors"
local records = require "gantry.engine.oci.records"

---@class gantry.OciClient
local Usage = {}

-- What version 1 says where there is no limit: the largest number of whole pages.
local NO_LIMIT <const> = 1 << 62

---@param text string?
---@return integer?
local function number(text)
  local value = math.tointeger(tonumber((text or ""):match "^%d+"))
  return value and value < NO_LIMIT and value or nil
end

---@param read fun(controller: string, file: string): string?
---@return gantry.EngineStats
local function first(read)
  local used, cpu = number(read("memory", "memory.usage_in_bytes")), number(read("cpuacct", "cpuacct.usage"))
  local droppable = number((read("memory", "memory.stat") or ""):match "total_inactive_file (%d+)")
  return { cpu_seconds = cpu and cpu / 1e9, memory_bytes = used and math.max(0, used - (droppable or 0)),
    memory_limit_bytes = number(read("memory", "memory.limit_in_bytes")), pids = number(read("pids", "pids.current")),
    pids_limit = number(read("pids", "pids.max")) }
end

---@param read fun(controller: string, file: string): string?
---@return gantry.EngineStats
local function second(read)
  local used = number(read("memory", "memory.current"))
  local droppable = number((read("memory", "memory.stat") or ""):match "%f[%w_]inactive_file (%d+)")
  local cpu = number((read("cpu", "cpu.stat") or ""):match "usage_usec (%d+)")
  return { cpu_seconds = cpu and cpu / 1e6, memory_bytes = used and math.max(0, used - (droppable or 0)),
    memory_limit_bytes = number(read("memory", "memory.max")), pids = number(read("pids", "pids.current")),
    pids_limit = number(read("pids", "pids.max")) }
end

---@param id string
---@return gantry.EngineStats? stats, gantry.Error? err NOT_FOUND
function Usage:stats(id)
  local record, err = self:find_settled(id)
  if not record then return nil, err end
  local state = records.state(self.layout, record)
  if not state.pid then return {} end
  if not record.cgroup then
    return nil, errors.new("ENGINE_UNSUPPORTED", "an ordinary user's container has no cgroup here, and nobody keeps "
      .. "account of what it uses; run gantry in a user service with Delegate=yes")
  end
  return (record.cgroup_version == 1 and first or second)(cgroups.reader(state.pid, record.cgroup_version))
end

return { methods = Usage }
