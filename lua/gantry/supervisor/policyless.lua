-- SPDX-License-Identifier: Apache-2.0
--
--- supervisor/policyless.lua: plugins that an earlier supervisor left and that no policy speaks of any more: what runs
--- of them is removed, once, when a supervisor has read its policies for the first time.

local core = require "gantry.core"
local retry = require "gantry.task.retry"
local takeover = require "gantry.supervisor.takeover"

local policyless = {}

-- Seconds until a removal that the engine refused is tried again.
local RETRY <const>, LONGEST_RETRY <const> = 1, 60

---@param supervisor gantry.Supervisor
---@param path string? of a policy
---@return boolean whether it is there, and another directory's
local function is_elsewhere(supervisor, path)
  return type(path) == "string" and path:sub(1, #supervisor.directory + 1) ~= supervisor.directory .. "/"
    and core.system.stat(path) ~= nil
end

---@param supervisor gantry.Supervisor
---@param name string
---@param container table
---@return gantry.Error? err where the engine would not
local function remove_one(supervisor, name, container)
  local removed, refused = takeover.remove(supervisor.engine, container)
  if not removed then return refused end
  supervisor.store:remove(name)
  supervisor:tell("state", ("removed container %s of plugin '%s', which has no policy any more"):format(
    container.id:sub(1, 12), name))
end

---Tries again until the container is gone, or is some policy's again.
---@param supervisor gantry.Supervisor
---@param name string
---@param container table
---@param refused gantry.Error
local function remove_later(supervisor, name, container, refused)
  supervisor:tell("warning", ("container %s of plugin '%s', which has no policy any more, could not be removed (%s); "
    .. "it is tried again"):format(container.id:sub(1, 12), name, refused.message))
  local again = retry.new(RETRY, LONGEST_RETRY)
  repeat
    again:pause()
  until not supervisor:alone(function()
    return not supervisor.units[name] and remove_one(supervisor, name, container)
  end)
end

---@param supervisor gantry.Supervisor
---@param name string
---@return string? reason why it is left as it is
local function reason_to_stay(supervisor, name)
  local saved = supervisor.store:load(name)
  local path = saved and saved.policy or ("%s/%s.lua"):format(supervisor.directory, name)
  if supervisor.policies:is_broken(path) then return "is left as it is until its policy can be read" end
  if not is_elsewhere(supervisor, path) then return nil end
  return ("runs on: its policy is %s, of another directory; gantry down --orphans ends it"):format(path)
end

---A state whose policy's file is gone for good.
---@param supervisor gantry.Supervisor
---@param name string
local function forget(supervisor, name)
  local saved = supervisor.store:load(name)
  if saved and saved.policy and not core.system.stat(saved.policy) then supervisor.store:remove(name) end
end

---Not what may be a policy's that cannot be read, nor another directory's.
---@param supervisor gantry.Supervisor
---@param set table<string, gantry.Policy>
---@param containers table<string, table[]>
function policyless.remove(supervisor, set, containers)
  for name, list in pairs(containers) do
    local reason = not set[name] and reason_to_stay(supervisor, name)
    if reason then supervisor:tell("warning", ("plugin '%s' %s"):format(name, reason)) end
    for _, container in ipairs(not reason and not set[name] and list or {}) do
      local refused = remove_one(supervisor, name, container)
      if supervisor.ended:is_set() then return end -- the next supervisor sees to the rest
      if refused then supervisor.scope:spawn(remove_later, supervisor, name, container, refused) end
    end
  end
  for _, name in ipairs(supervisor.store:names()) do
    if not set[name] and not containers[name] then forget(supervisor, name) end
  end
end

return policyless
