-- SPDX-License-Identifier: Apache-2.0
--
--- engine/oci/refusal.lua: what this engine says to settings that it does not have. None is dropped without a word.

local errors = require "gantry.base.errors"

local refusal = {}

---@param field string of the policy
---@param text string why, and the remedy
---@param ... any of the text
---@return nil, gantry.Error
function refusal.unsupported(field, text, ...)
  return nil, errors.new("ENGINE_UNSUPPORTED", ("%s: %s"):format(field, text:format(...)), { field = field })
end

---@param field string of the policy
---@param text string what is wrong with its value, and the remedy
---@param ... any of the text
---@return nil, gantry.Error
function refusal.wrong(field, text, ...)
  return nil, errors.new("ENGINE_REFUSED", ("%s: %s"):format(field, text:format(...)), { field = field })
end

-- What an ordinary user can do about a limit, and what root can.
local DELEGATE <const> = "run gantry as root, or as a user service with Delegate=yes (systemd-run --user --scope "
  .. "-p Delegate=yes gantry …)"
local UNIFY <const> = "give cgroups of one version all controllers (systemd.unified_cgroup_hierarchy=1 on the kernel's "
  .. "command line)"

---@param field string of the policy
---@param reason string? why it cannot be held to here
---@param rootless boolean whose container it is
---@return nil, gantry.Error
function refusal.not_delegated(field, reason, rootless)
  return nil, errors.new("LIMIT_NOT_DELEGATED", ("%s: this limit cannot be enforced: %s; %s, or leave it out of the "
    .. "policy"):format(field, reason or "no cgroup was delegated to this process", rootless and DELEGATE or UNIFY),
    { field = field })
end

return refusal
