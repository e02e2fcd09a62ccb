-- SPDX-License-Identifier: Apache-2.0
--
--- engine/oci/security.lua: profiles and options that a policy names: of system calls and of AppArmor, and Docker's
--- further ones, which are kept or refused.

local json = require "gantry.json"
local refusal = require "gantry.engine.oci.refusal"
local seccomp = require "gantry.engine.oci.seccomp"

local security = {}

---@class gantry.SecurityChoice
---@field seccomp any? "unconfined", a profile's path, or its decoded JSON; nil for gantry's own
---@field apparmor string?
---@field no_new_privileges boolean

---One option, as Docker writes it: name=value, or name:value of old.
---@param choice gantry.SecurityChoice which is changed
---@param facts gantry.RuntimeFacts
---@param option string
---@return boolean? ok, gantry.Error? err
local function take(choice, facts, option)
  local name, value = option:match "^([%w-]+)[=:](.*)$"
  name = name or option
  if name == "no-new-privileges" then
    if value == "false" then choice.no_new_privileges = false end
  elseif name == "seccomp" then
    choice.seccomp = value ~= "builtin" and (json.decode(value) or value) or nil
  elseif name == "apparmor" then
    choice.apparmor = value
  elseif not (name == "label" and value == "disable" and not facts.selinux) then
    return refusal.unsupported("security_opt", "this engine has no '%s'; leave it out of the policy, or take Docker or "
      .. "Podman (--engine)", option)
  end
  return true
end

---@param spec gantry.ContainerSpec
---@param facts gantry.RuntimeFacts
---@return gantry.SecurityChoice? choice, gantry.Error? err
function security.choose(spec, facts)
  local choice = { seccomp = spec.seccomp ~= "default" and spec.seccomp or nil, apparmor = spec.apparmor,
    no_new_privileges = spec.no_new_privileges }
  for _, option in ipairs(spec.security_options) do
    local ok, err = take(choice, facts, option)
    if not ok then return nil, err end
  end
  return choice
end

---@param choice gantry.SecurityChoice
---@param facts gantry.RuntimeFacts
---@param capabilities string[] kept ones
---@return table|false|nil filter linux.seccomp; false for none; nil with an error
---@return gantry.Error? err
function security.filter(choice, facts, capabilities)
  local profile = choice.seccomp
  if profile == "unconfined" then return false end
  if profile == nil then
    if facts.runtime == "runsc" then return false end -- gVisor answers all calls itself
    return seccomp.default(facts.machine)
  end
  if facts.runtime == "runsc" then
    return refusal.unsupported("seccomp", "gVisor (runsc) answers all system calls itself and takes no profile; leave "
      .. "it out of the policy")
  end
  if type(profile) == "string" then profile = facts.seccomp end
  return seccomp.flatten(profile, { machine = facts.machine, kernel = facts.kernel or "", capabilities = capabilities })
end

---@param choice gantry.SecurityChoice
---@param facts gantry.RuntimeFacts
---@return string|false|nil name of a profile; false for none; nil with an error
---@return gantry.Error? err
function security.apparmor(choice, facts)
  local name = choice.apparmor
  if not name or name == "unconfined" and not facts.apparmor then return false end
  if not facts.apparmor then
    return refusal.unsupported("apparmor", "this machine's kernel has no AppArmor at work, so that '%s' would hold "
      .. "nothing; leave it out of the policy", name)
  end
  return name
end

return security
