-- SPDX-License-Identifier: Apache-2.0
--
--- engine/oci/container_cgroup.lua: what the cgroup of a container tells of it, for as long as its runtime
--- has not deleted it: whether memory ran out, and whether it is frozen.

local core = require "gantry.core"

local container_cgroup = {}

local MOUNTED <const> = "/sys/fs/cgroup"
local LONGEST <const> = 4096

---@param record gantry.OciRecord
---@param controller string of version 1
---@param name string
---@return string
local function read(record, controller, name)
  if not record.cgroup then return "" end
  local folder = record.cgroup_version == 2 and MOUNTED or MOUNTED .. "/" .. controller
  return (core.files.read(("%s%s/%s"):format(folder, record.cgroup, name), LONGEST)) or ""
end

---Whether some process in it was killed for memory.
---@param record gantry.OciRecord
---@return boolean
function container_cgroup.happened(record)
  local text = record.cgroup_version == 2 and read(record, "", "memory.events")
    or read(record, "memory", "memory.oom_control")
  local count = ("\n" .. text):match "\noom_kill (%d+)"
  return count ~= nil and tonumber(count) > 0
end

---Whether somebody has paused it.
---@param record gantry.OciRecord
---@return boolean
function container_cgroup.frozen(record)
  if record.cgroup_version == 2 then return read(record, "", "cgroup.events"):find "frozen 1" ~= nil end
  return read(record, "freezer", "freezer.state"):find "FROZEN" ~= nil
end

---Lets one go on that somebody has paused: it could not even be killed.
---@param record gantry.OciRecord
function container_cgroup.thaw(record)
  if not record.cgroup then return end
  local second = record.cgroup_version == 2
  local file = io.open(second and MOUNTED .. record.cgroup .. "/cgroup.freeze"
    or MOUNTED .. "/freezer" .. record.cgroup .. "/freezer.state", "w")
  if not file then return end
  file:write(second and "0" or "THAWED")
  file:close()
end

---Removes what a runtime has left of a container's cgroups. Those that have processes stay.
---@param record gantry.OciRecord
function container_cgroup.remove(record)
  if not record.cgroup then return end
  if record.cgroup_version == 2 then
    os.remove(MOUNTED .. record.cgroup)
    return
  end
  for _, controller in ipairs(core.files.list(MOUNTED) or {}) do
    os.remove(("%s/%s%s"):format(MOUNTED, controller, record.cgroup))
  end
end

return container_cgroup
