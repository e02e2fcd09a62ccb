-- SPDX-License-Identifier: Apache-2.0
--
--- engine/oci/made_up.lua: config.json on a machine that nobody looks at: for plans without an engine, and for tests of
--- policies. What was said of the engine holds; of all else, each source of a mount is a folder, a user's name is
--- number 1000, every limit can be had, and so can each network.

local runtime_spec = require "gantry.engine.oci.runtime_spec"
local runtimes = require "gantry.engine.oci.runtimes"

local made_up = {}

local ID <const> = ("0"):rep(64)
local USER <const> = 1000

---@param user string? as the policy has it
---@return gantry.ImageUser
local function user_of(user)
  local uid, gid = (user or "0"):match "^(%d+):?(%d*)$"
  uid = math.tointeger(tonumber(uid)) or USER
  return { uid = uid, gid = math.tointeger(tonumber(gid)) or uid, groups = {}, home = "/" }
end

---@param spec gantry.ContainerSpec
---@param about gantry.ContextEngine
---@return gantry.RuntimeFacts
local function facts_of(spec, about)
  local devices = {}
  for i, one in ipairs(spec.devices or {}) do
    devices[one.source] = { device = "c", major = 0, minor = i, mode = 0, uid = 0, gid = 0 }
  end
  return {
    runtime = spec.runtime or about.default_runtime, rootless = about.rootless, uid = USER, gid = USER,
    machine = "x86_64", kernel = "6.1.0", cgroup_version = about.cgroup_version, cgroup_parent = "/gantry",
    controllers = { "cpu", "cpuset", "io", "memory", "pids" }, swap_accounting = true, device_filter = true,
    hard_limits = {}, selinux = false, apparmor = false, gate = { path = "/gantry-gate", arguments = { "--" } },
    network = { helpers = { slirp4netns = true, pasta = true }, device = "usable" },
    hosts = "127.0.0.1\tlocalhost\n", resolv_conf = "nameserver 192.0.2.1\n", id = ID, directory = "/containers/" .. ID,
    root = "/rootfs", writable_root = "/containers/" .. ID .. "/rootfs", user = user_of(spec.user), devices = devices,
    kinds = {}, seccomp = { defaultAction = "SCMP_ACT_ERRNO" },
  }
end

---@param spec gantry.ContainerSpec
---@param image gantry.EngineImage
---@param about gantry.ContextEngine
---@return table? request config.json
---@return gantry.Error? err
function made_up.request(spec, image, about)
  local shown = { id = image.id, digests = {}, entrypoint = { "/plugin" } }
  local built, err = runtime_spec.build(spec, shown, facts_of(spec, about))
  return built and built.config, err
end

---@param about gantry.ContextEngine
---@param name string?
---@return boolean? ok, gantry.Error? err RUNTIME_UNKNOWN, RUNTIME_MISSING with the package to install
function made_up.check_runtime(about, name)
  local err = runtimes.check(name, about.runtimes)
  if err then return nil, err end
  return true
end

made_up.CAPABILITIES = { runtimes = true, init = false, pids = true, keeps_output = true,
  recursively_read_only = false }

return made_up
