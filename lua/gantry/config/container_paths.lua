-- SPDX-License-Identifier: Apache-2.0
--
--- config/container_paths.lua: where inside a container something may be put: whatever the engine or its runtime
--- refuses is refused here, by the path alone.

local container_paths = {}

-- What runtimes let be mounted over in /proc; everything else there would hide the kernel's own answers.
local OVER_PROC <const> = {}
for name in ([[cpuinfo diskstats loadavg meminfo net/dev slabinfo stat swaps sys/kernel/ns_last_pid
    uptime]]):gmatch "%S+" do
  OVER_PROC["/proc/" .. name] = true
end

---A path without empty parts, "." and "..", as engines take it.
---@param path string absolute
---@return string
function container_paths.clean(path)
  local parts = {}
  for part in path:gmatch "[^/]+" do
    if part == ".." then
      parts[#parts] = nil
    elseif part ~= "." then
      parts[#parts + 1] = part
    end
  end
  return "/" .. table.concat(parts, "/")
end

---Why nothing can be put at a path inside.
---@param path string absolute
---@return string? reason a predicate
function container_paths.wrong_target(path)
  local clean = container_paths.clean(path)
  if clean == "/" then return "must not be the container's root" end
  if clean == "/proc" or clean:find "^/proc/" and not OVER_PROC[clean] then
    return "must not be in /proc, which is the kernel's, got '" .. path .. "'"
  end
end

return container_paths
