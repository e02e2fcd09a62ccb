-- SPDX-License-Identifier: Apache-2.0
--
--- engine/docker/capabilities.lua: what a kind of engine that serves Docker's API can do, as far as kinds differ.

local capabilities = {}

-- Docker's first API with mounts that are read-only all the way down, or not made.
local RECURSIVE_SINCE <const> = 44

---@param kind "docker"|"podman"
---@param api string its version
---@return gantry.EngineCapabilities
function capabilities.of(kind, api)
  local is_docker = kind == "docker"
  local minor = math.tointeger(tonumber(api:match "^1%.(%d+)$" or 0))
  return {
    runtimes = is_docker, -- Podman's service has one for all containers
    init = is_docker, -- Podman's is a package that need not be there, and its answer does not say
    pids = true,
    keeps_output = false,
    ends_with_owner = false,
    recursively_read_only = is_docker and minor >= RECURSIVE_SINCE,
  }
end

return capabilities
