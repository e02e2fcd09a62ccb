-- SPDX-License-Identifier: Apache-2.0
--
--- runtimes.lua: what the engine says of its OCI runtimes, and whether plugins can work in them.

local runtimes = {}

---@param runtime { path: string?, arguments: string[]? }
---@param name string
---@return boolean
function runtimes.is_gvisor(name, runtime)
  local path = runtime.path or ""
  return name:find("runsc", 1, true) ~= nil or path:match("[^/]*$"):find("runsc", 1, true) ~= nil
end

---The value of a flag such as --host-uds=create; "" for one without a value.
---@param runtime { arguments: string[]? }
---@param flag string
---@return string? value nil where it is not there
function runtimes.flag(runtime, flag)
  local found
  for _, argument in ipairs(runtime.arguments or {}) do
    local name, value = argument:match("^%-%-?([%w-]+)=?(.*)$")
    if name == flag then found = value end
  end
  return found
end

---Why plugins in this runtime cannot be reached, if so.
---@param name string
---@param runtime { path: string?, arguments: string[]? }
---@return string? problem, string? remedy
function runtimes.socket_problem(name, runtime)
  if not runtimes.is_gvisor(name, runtime) then return nil end
  local sockets = runtimes.flag(runtime, "host-uds") or "none"
  if sockets == "create" or sockets == "all" then return nil end
  return ("runtime '%s' does not show its plugins' sockets to the host (--host-uds=%s)"):format(name, sockets),
    'add "--host-uds=create" to its runtimeArgs in the engine\'s daemon.json and reload the engine; '
    .. '"--host-uds=all" where plugins dial their host'
end

return runtimes
