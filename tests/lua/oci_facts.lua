-- SPDX-License-Identifier: Apache-2.0
--
--- oci_facts.lua: a container's specification, an image and the facts of a machine, as specs of engine/oci start with.

local oci_facts = {}

---@param base table
---@param changes table?
local function with(base, changes)
  for name, value in pairs(changes or {}) do base[name] = value end
  return base
end

---@param changes table?
---@return gantry.ContainerSpec
function oci_facts.spec(changes)
  return with({
    name = "kv", image = "kv:1", env = { "A=1" }, groups = {}, labels = {}, image_health = false, endpoints = {},
    mounts = { { kind = "bind", source = "/run/gantry/kv", target = "/run/gantry/kv", read_only = false, own = true } },
    tmpfs = { ["/tmp"] = "exec,nosuid,nodev,mode=1777" }, capabilities = {}, no_new_privileges = true,
    security_options = {},
  }, changes)
end

---@param changes table?
---@return gantry.EngineImage
function oci_facts.image(changes)
  return with({ id = "sha256:0", digests = {}, entrypoint = { "/kv" }, command = { "-v" }, env = { "A=0", "B=0" } },
    changes)
end

---@param changes table?
---@return gantry.RuntimeFacts
function oci_facts.facts(changes)
  return with({
    runtime = "runc", rootless = false, uid = 0, gid = 0, machine = "x86_64", kernel = "6.1.0", cgroup_version = 1,
    cgroup_parent = "/gantry", controllers = { "cpu", "cpuset", "memory", "pids" }, swap_accounting = true,
    device_filter = true, gate = { path = "/gate", arguments = { "--" } }, hard_limits = {},
    selinux = false, apparmor = false,
    network = { helpers = { slirp4netns = true, pasta = true }, device = "usable" }, hosts = "127.0.0.1 host\n",
    resolv_conf = "nameserver 192.0.2.1\n", id = "0123456789abcdef", directory = "/c", root = "/image",
    user = { uid = 0, gid = 0, groups = {}, home = "/root" }, kinds = {}, devices = {},
  }, changes)
end

---An ordinary user's, by default with nothing delegated.
---@param changes table?
---@return gantry.RuntimeFacts
function oci_facts.rootless(changes)
  return oci_facts.facts(with({ runtime = "crun", rootless = true, uid = 1000, gid = 1000, cgroup_version = 2,
    controllers = {}, cgroup_reason = "the cgroup was not delegated", user = { uid = 65532, gid = 65532, groups = { 7 },
    home = "/" } }, changes and changes.cgroup_parent and changes or with({ cgroup_parent = false }, changes)))
end

return oci_facts
