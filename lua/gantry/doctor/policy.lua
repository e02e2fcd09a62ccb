-- SPDX-License-Identifier: Apache-2.0
--
--- doctor/policy.lua: whether this engine and this machine have what one policy asks for.

local core = require "gantry.core"
local errors = require "gantry.base.errors"
local plugin = require "gantry.plugin"
local context = require "gantry.policy.context"
local home = require "gantry.config.home"
local policies = require "gantry.policy"

local policy_checks = {}

---Loads the policy; what is wrong with it are findings.
---@param self gantry.Examination
---@param path string
---@param print_line (fun(text: string, path: string))?
function policy_checks.load(self, path, print_line)
  local provider = context.of({ verb = "doctor" }, function()
    if self.engine then return self.engine end
    return nil, errors.new("ENGINE_UNREACHABLE", "this policy is a function, which asks for the engine")
  end)
  local policy, err = policies.load(path, provider, { print = print_line })
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
  if planned and planned.binary then
    return self:ok("launch", ("binary %s (sha256:%s…)"):format(planned.binary, planned.sha256:sub(1, 12)))
  end
  if planned then return self:ok("launch", ("image %s (%s…)"):format(planned.image, planned.image_id:sub(1, 19))) end
  if err.code == "IMAGE_NOT_FOUND" and self.policy.config.pull ~= "never" then
    return self:ok("launch", "the image is not here yet; the policy lets it be pulled")
  end
  self:problem("launch", err)
end

---@param self gantry.Examination
local function check_limits(self)
  local config, found = self.policy.config, self.description
  if not found or not found.rootless or self.info.cgroup_driver ~= "none" then return end
  for _, field in ipairs { "memory", "nano_cpus", "pids_limit" } do
    if config[field] then
      self:warn("limits", ("the engine will ignore the policy's %s"):format(field),
        "leave it out, or use an engine with a cgroup driver")
    end
  end
end

---The kernel counts IPC_LOCK of its first user namespace alone.
---@param self gantry.Examination
local function check_locking(self)
  local config = self.policy.config
  if not config.cap_ipc_lock or not self.description or not self.description.remapped then return end
  if config.userns_mode == "host" then return end
  self:warn("mlock", "the engine maps users (userns-remap), where the policy's cap_ipc_lock lets no plugin lock memory",
    'set userns_mode = "host"')
end

---What SELinux keeps the plugin from.
---@param self gantry.Examination
local function check_labels(self)
  if not self.description or not self.description.selinux then return end
  for _, option in ipairs(self.policy.config.security_opt or {}) do
    if option:find "^label[=:]" then return end
  end
  for _, mount in ipairs(self.policy.config.mounts or {}) do
    if not mount.relabel then
      self:warn("SELinux", ("the policy's mount of %s keeps its label, which containers may not be allowed to open")
        :format(mount.source), 'give the mount relabel = "shared", or set security_opt = { "label=disable" }')
    end
  end
end

---@param self gantry.Examination
local function check_mounts(self)
  local config, homeless = home.settle(self.policy.config, self.environment or core.system.environment())
  if not config then return self:problem("mounts", homeless) end
  for _, mount in ipairs(config.mounts or {}) do
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
  check_labels(self)
  check_locking(self)
end

return policy_checks
