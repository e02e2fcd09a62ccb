-- SPDX-License-Identifier: Apache-2.0
--
--- doctor/policy.lua: whether this engine and this machine have what one policy asks for.

local core = require "gantry.core"
local errors = require "gantry.errors"
local plugin = require "gantry.plugin"
local context = require "gantry.context"
local policies = require "gantry.policy"

local policy_checks = {}

---Loads the policy; what is wrong with it are findings.
---@param self gantry.Examination
---@param path string
function policy_checks.load(self, path)
  local provider = context.provider({ verb = "doctor" }, function()
    if self.engine then return self.engine end
    return nil, errors.new("ENGINE_UNREACHABLE", "this policy is a function, which asks for the engine")
  end)
  local policy, err = policies.load(path, provider)
  if policy then
    self.policy = policy
    return self:ok("policy", path .. " is valid")
  end
  for _, one in ipairs(errors.is(err) and { err } or err) do self:problem("policy", one) end
end

---Image, pin, runtime and group, as a launch looks at them.
---@param self gantry.Examination
local function check_launch(self)
  if not self.engine then return end
  local planned, err = plugin.plan(self.policy.config, { engine = self.engine, runtime_dir = self.runtime_dir,
    environment = self.environment })
  if planned then return self:ok("launch", ("image %s (%s…)"):format(planned.image, planned.image_id:sub(1, 19))) end
  if err.code == "IMAGE_NOT_FOUND" and self.policy.config.pull ~= "never" then
    return self:ok("launch", "the image is not here yet; the policy lets it be pulled")
  end
  self:problem("launch", err)
end

---@param self gantry.Examination
local function check_limits(self)
  local config, found = self.policy.config, self.description
  if not found or not found.rootless or self.info.CgroupDriver ~= "none" then return end
  for _, field in ipairs { "memory", "nano_cpus", "pids_limit" } do
    if config[field] then
      self:warn("limits", ("the engine will ignore the policy's %s"):format(field),
        "leave it out, or use an engine with a cgroup driver")
    end
  end
end

---@param self gantry.Examination
local function check_mounts(self)
  for _, mount in ipairs(self.policy.config.mounts or {}) do
    if not core.system.stat(mount.source) then
      self:problem("mounts", ("the policy's mount source %s does not exist"):format(mount.source),
        "make it, or correct the policy")
    end
  end
end

---@param self gantry.Examination
function policy_checks.run(self)
  check_launch(self)
  check_limits(self)
  check_mounts(self)
end

return policy_checks
