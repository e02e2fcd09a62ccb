-- SPDX-License-Identifier: Apache-2.0
--
--- engine/oci/mounts.lua: what a container sees beside its image: the kernel's file systems, memory, and folders of the
--- host. An image's root file system is shared by all its containers, so that no runtime may make a mount point in it:
--- mount_points.lua.

local json = require "gantry.json"
local refusal = require "gantry.engine.oci.refusal"

local mounts = {}

-- Where gantry's own folders are beneath /run, a memory of this size holds their mount points.
local RUN <const>, RUN_OPTIONS <const> = "/run", { "nosuid", "nodev", "noexec", "mode=755", "size=64k" }
local SHM_SIZE <const> = "size=65536k"
-- What engines give a folder of memory unasked.
local TMPFS_OPTIONS <const> = { "noexec", "nosuid", "nodev" }
local OF_GVISOR <const> = { "^size=%d+[kKmMgGtT]?$", "^mode=", "^[ug]id=", "^r[ow]$", "^n?o?exec$", "^n?o?suid$",
  "^n?o?dev$", "^r?private$" }
local OWN_FILE <const> = { "bind", "private", "nosuid", "nodev", "noexec", "ro" }
local OPPOSITE <const> = { exec = "noexec", suid = "nosuid", dev = "nodev" }

---@param path string
---@return string
local function plain(path)
  local text = path:gsub("/+", "/"):gsub("(.)/$", "%1")
  return text
end

---@param path string
---@param folder string
---@return boolean whether a path is a folder or below it
local function is_below(path, folder)
  return path == folder or path:sub(1, #folder + 1) == folder .. "/"
end

---@param destination string
---@param kind string
---@param options string[]
---@param source string?
local function mount(destination, kind, options, source)
  return { destination = destination, type = kind, source = source or kind, options = json.array(options) }
end

-- ---- the kernel's ----

---@param facts gantry.RuntimeFacts
---@param own_network boolean
local function sys(facts, own_network)
  local options = { "nosuid", "noexec", "nodev", "ro" }
  if own_network or not facts.rootless then return mount("/sys", "sysfs", options) end
  -- sysfs shows a network namespace's devices, and is mounted by whoever owns that namespace alone.
  table.insert(options, 1, "rbind")
  return mount("/sys", "bind", options, "/sys")
end

---@param facts gantry.RuntimeFacts
---@param own_network boolean
---@return table[]
local function kernel_mounts(facts, own_network)
  local quiet = { "nosuid", "noexec", "nodev" }
  local pts = { "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620" }
  if not facts.rootless then pts[#pts + 1] = "gid=5" end
  local list = {
    mount("/proc", "proc", quiet),
    mount("/dev", "tmpfs", { "nosuid", "noexec", "strictatime", "mode=755", "size=64k" }),
    mount("/dev/pts", "devpts", pts),
    mount("/dev/shm", "tmpfs", { "nosuid", "noexec", "nodev", "mode=1777", SHM_SIZE }, "shm"),
    mount("/dev/mqueue", "mqueue", quiet),
    sys(facts, own_network),
  }
  -- A program may look for its limits: Go and Java do. An ordinary user's has none, or sees no more than its own.
  if not facts.rootless and facts.runtime ~= "runsc" then
    list[#list + 1] = mount("/sys/fs/cgroup", "cgroup", { "nosuid", "noexec", "nodev", "relatime", "ro" })
  end
  return list
end

-- ---- memory ----

---Options of a policy's, over what engines give unasked.
---@param text string separated by commas
---@return string[]
local function tmpfs_options(text)
  local given, options = {}, {}
  for option in (text == "" and "" or text .. ","):gmatch "([^,]*)," do
    if option ~= "" and option ~= "defaults" and option ~= "notmpcopyup" then
      given[OPPOSITE[option] or option] = true
      options[#options + 1] = option
    end
  end
  for _, option in ipairs(TMPFS_OPTIONS) do
    if not given[option] then options[#options + 1] = option end
  end
  return options
end

---gVisor's memory has a size, a mode and an owner; it would not start with more, or ignore it.
---@param option string
---@return boolean
local function gvisor_takes(option)
  for _, pattern in ipairs(OF_GVISOR) do
    if option:find(pattern) then return true end
  end
  return false
end

---@param options string[]
---@param facts gantry.RuntimeFacts
---@param identity gantry.Identity
---@return boolean? ok, gantry.Error? err
local function check_options(options, facts, identity)
  for _, option in ipairs(facts.runtime == "runsc" and options or {}) do
    if not gvisor_takes(option) then
      return refusal.unsupported("tmpfs", "gVisor (runsc) has no option '%s'; leave it out of the policy, or take crun "
        .. "or runc", option)
    end
  end
  for _, option in ipairs(facts.rootless and options or {}) do
    local which, id = option:match "^([ug]id)=(%d+)$"
    if which and tonumber(id) ~= identity[which] then
      return refusal.unsupported("tmpfs", "an ordinary user's container has one user, %d:%d, and cannot give memory to "
        .. "%s; leave that option out of the policy", identity.uid, identity.gid, option)
    end
  end
  return true
end

---@param spec gantry.ContainerSpec
---@param facts gantry.RuntimeFacts
---@param identity gantry.Identity
---@return table[]? list, gantry.Error? err
local function memory_mounts(spec, facts, identity)
  local list = {}
  for path, text in pairs(spec.tmpfs or {}) do
    local options = tmpfs_options(text)
    local ok, err = check_options(options, facts, identity)
    if not ok then return nil, err end
    list[#list + 1] = mount(plain(path), "tmpfs", options)
  end
  return list
end

-- ---- the host's ----

---@param one gantry.EngineMount
---@param facts gantry.RuntimeFacts
---@return table? mount, gantry.Error? err
local function bind(one, facts)
  if one.relabel then
    return refusal.unsupported("mounts", "this engine gives no SELinux labels; leave relabel = \"%s\" of %s out of the "
      .. "policy, and label it yourself: chcon -t container_file_t", one.relabel, one.source)
  end
  local options = { one.own and "bind" or "rbind", one.own and "private" or "rprivate", "nosuid", "nodev",
    one.read_only and "ro" or "rw" }
  if one.own and not one.read_only then options[#options + 1] = "noexec" end
  if one.read_only and one.recursively_read_only then
    if facts.runtime == "runsc" then
      return refusal.unsupported("mounts", "gVisor (runsc) cannot make what is mounted below %s read-only; mount that "
        .. "by itself, with read_only = true", one.source)
    end
    options[#options + 1] = "rro"
  end
  return mount(plain(one.target), "bind", options, one.source)
end

---@param spec gantry.ContainerSpec
---@param facts gantry.RuntimeFacts
---@return table[]? list, gantry.Error? err
local function host_mounts(spec, facts)
  local list = {}
  for _, one in ipairs(spec.mounts) do
    local made, err = bind(one, facts)
    if not made then return nil, err end
    list[#list + 1] = made
  end
  return list
end

---@param path string
local function depth(path) return select(2, path:gsub("/", "")) end

---Outer ones first, so that none hides another; memory before what is in it.
---@param list table[]
local function sort(list)
  table.sort(list, function(left, right)
    local one, other = depth(left.destination), depth(right.destination)
    if one ~= other then return one < other end
    return left.destination < right.destination
  end)
end

---@param list table[]
---@param path string
---@return boolean
local function is_target(list, path)
  for _, one in ipairs(list) do
    if one.destination == path then return true end
  end
  return false
end

---Memory at /run, where something is mounted below it and nothing there itself.
---@param list table[] which is added to
local function add_run(list)
  local below = false
  for _, one in ipairs(list) do below = below or is_below(one.destination, RUN) end
  if below and not is_target(list, RUN) then list[#list + 1] = mount(RUN, "tmpfs", RUN_OPTIONS) end
end

---All mounts of a container, in their order.
---@param spec gantry.ContainerSpec
---@param facts gantry.RuntimeFacts
---@param identity gantry.Identity
---@param own { network: boolean, files: { path: string, source: string, options: string[]? }[] } whether its network is
---its own; files of gantry's that it sees
---@return table[]? list mounts of config.json, gantry.Error? err
function mounts.of(spec, facts, identity, own)
  local asked, err = memory_mounts(spec, facts, identity)
  if not asked then return nil, err end
  local hosts
  hosts, err = host_mounts(spec, facts)
  if not hosts then return nil, err end
  table.move(hosts, 1, #hosts, #asked + 1, asked)
  add_run(asked)
  for _, file in ipairs(own.files) do
    if not is_target(asked, file.path) then
      asked[#asked + 1] = mount(file.path, "bind", file.options or OWN_FILE, file.source)
    end
  end
  sort(asked)
  local list = kernel_mounts(facts, own.network)
  return json.array(table.move(asked, 1, #asked, #list + 1, list))
end

return mounts
