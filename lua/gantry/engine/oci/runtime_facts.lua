-- SPDX-License-Identifier: Apache-2.0
--
--- engine/oci/runtime_facts.lua: what of this machine and of an unpacked image a container's config.json depends on,
--- looked up: runtime_spec.lua itself looks nowhere.

local cgroups = require "gantry.engine.oci.cgroups"
local core = require "gantry.core"
local elf = require "gantry.base.elf"
local errors = require "gantry.base.errors"
local image_user = require "gantry.engine.oci.image_user"
local network = require "gantry.engine.oci.network"
local profile = require "gantry.engine.profile"

local runtime_facts = {}

local LONGEST <const> = 1024 * 1024
local TUN <const> = "/dev/net/tun"

local SYS_RESOURCE <const> = 1 << 24

-- Limits as /proc names them, and as policies do.
local LIMITS <const> = { ["cpu time"] = "cpu", ["file size"] = "fsize", ["data size"] = "data",
  ["stack size"] = "stack", ["core file size"] = "core", ["resident set"] = "rss", processes = "nproc",
  ["open files"] = "nofile", ["locked memory"] = "memlock", ["address space"] = "as", ["file locks"] = "locks",
  ["pending signals"] = "sigpending", ["msgqueue size"] = "msgqueue", ["nice priority"] = "nice",
  ["realtime priority"] = "rtprio", ["realtime timeout"] = "rttime" }

---@param path string
---@return string? text
local function read(path)
  local text = core.files.read(path, LONGEST)
  return text or nil
end

---@param text string of /proc/self/limits
---@return table<string, integer> hard those that have a bound
function runtime_facts.parse_limits(text)
  local hard = {}
  for name, most in text:gmatch "Max (%l[%l ]-)  +%w+  +(%w+)" do
    if LIMITS[name] and most ~= "unlimited" then hard[LIMITS[name]] = math.tointeger(tonumber(most)) end
  end
  return hard
end

---@return string machine as uname has it
local function machine()
  local name = (read "/proc/sys/kernel/arch" or ""):match "%S+"
  if name then return name end
  -- Before Linux 6.1 the kernel told it by a system call alone; this program is built for it.
  local file <close> = core.files.open "/proc/self/exe"
  local found = file and elf.read(file)
  return found and found.machine or "unknown"
end

---Whether crun may load a filter of devices, which it raises a limit for, whatever the kernel needs.
---@return boolean
local function may_raise_limits()
  local digits = (read "/proc/self/status" or ""):match "CapEff:%s*(%x+)"
  return digits ~= nil and tonumber(digits, 16) & SYS_RESOURCE ~= 0
end

---What of this machine user-mode networks need.
---@return gantry.NetworkFacts
function runtime_facts.network()
  local found = { helpers = {}, device = "missing" }
  for name, helper in pairs(network.HELPERS) do
    found.helpers[name] = core.system.stat(helper.path) ~= nil
  end
  if core.system.stat(TUN) then
    found.device = core.system.accessible(TUN, "w") and core.system.accessible(TUN, "r") and "usable" or "denied"
  end
  return found
end

---The program that waits for the network.
---@return { path: string, arguments: string[] }?
local function gate()
  local path = core.system.own_program "gantry-gate"
  return path and { path = path, arguments = { "--" } }
end

---@param path string?
---@return any? profile decoded; nil where none is named, or with an error
---@return gantry.Error? err SECCOMP_UNREADABLE, SECCOMP_INVALID
local function profile_of(path)
  if not path or path:sub(1, 1) ~= "/" then return nil end
  local text, found = profile.read(path)
  if not text then return nil, found end
  return found
end

---@param spec gantry.ContainerSpec
---@return table<string, "file"|"directory">? kinds, gantry.Error? err MOUNT_SOURCE_MISSING
local function kinds_of(spec)
  local kinds = {}
  for _, mount in ipairs(spec.mounts) do
    local status = core.system.stat(mount.source)
    if status then
      kinds[mount.source] = status.type == "directory" and "directory" or "file"
    elseif not mount.own then -- what is gantry's own may not be made yet, as for a plan
      return nil, errors.new("MOUNT_SOURCE_MISSING", ("mounts: %s does not exist on this machine; make it, or correct "
        .. "the policy"):format(mount.source))
    end
  end
  return kinds
end

---@class gantry.RuntimeChoice
---@field runtime "crun"|"runc"|"runsc"
---@field id string
---@field directory string
---@field root string the image's root file system
---@field places gantry.CgroupPlaces? as cgroups.find says it, and cgroups.prepare made it
---@field writable_root string?
---@field init { path: string, arguments: string[] }?

---@param spec gantry.ContainerSpec
---@param choice gantry.RuntimeChoice
---@param facts gantry.RuntimeFacts which gets what the container's own settings point to
---@return gantry.RuntimeFacts? facts, gantry.Error? err
local function look_up(spec, choice, facts, image)
  local err
  facts.user, err = image_user.resolve(spec.user or image.user, choice.root)
  if not facts.user then return nil, err end
  facts.kinds, err = kinds_of(spec)
  if not facts.kinds then return nil, err end
  facts.seccomp, err = profile_of(spec.seccomp)
  if err then return nil, err end
  facts.devices = {}
  for _, device in ipairs(spec.devices or {}) do facts.devices[device.source] = core.system.stat(device.source) end
  return facts
end

---@param spec gantry.ContainerSpec
---@param image gantry.EngineImage
---@param choice gantry.RuntimeChoice
---@return gantry.RuntimeFacts? facts
---@return gantry.Error? err USER_UNKNOWN, MOUNT_SOURCE_MISSING, SECCOMP_UNREADABLE, SECCOMP_INVALID, READ_FAILED
function runtime_facts.gather(spec, image, choice)
  local places = choice.places or cgroups.find()
  return look_up(spec, choice, {
    runtime = choice.runtime, id = choice.id, directory = choice.directory, root = choice.root,
    writable_root = choice.writable_root, init = choice.init, gate = gate(), machine = machine(),
    rootless = core.system.euid() ~= 0, uid = core.system.euid(), gid = core.system.egid(),
    kernel = (read "/proc/sys/kernel/osrelease" or ""):match "^%S*",
    cgroup_version = places.version, cgroup_parent = places.parent, cgroup_reason = places.reason,
    controllers = places.controllers, swap_accounting = places.swap_accounting,
    device_filter = choice.runtime == "runc" or choice.runtime == "crun" and may_raise_limits(),
    hard_limits = runtime_facts.parse_limits(read "/proc/self/limits" or ""),
    selinux = core.system.stat "/sys/fs/selinux/enforce" ~= nil,
    apparmor = (read "/sys/module/apparmor/parameters/enabled" or ""):sub(1, 1) == "Y",
    network = runtime_facts.network(), hosts = read "/etc/hosts", resolv_conf = read "/etc/resolv.conf",
  }, image)
end

return runtime_facts
