-- SPDX-License-Identifier: Apache-2.0
--
--- An OCI runtime's config.json, as it is made of a container's specification: without any runtime.

local cgroups = require "gantry.engine.oci.cgroups"
local json = require "gantry.json"
local limits = require "gantry.engine.oci.limits"
local network = require "gantry.engine.oci.network"
local oci_facts = require "lua.oci_facts"
local runtime_facts = require "gantry.engine.oci.runtime_facts"
local runtime_spec = require "gantry.engine.oci.runtime_spec"
local writable_root = require "gantry.engine.oci.writable_root"

local facts, rootless, spec, image = oci_facts.facts, oci_facts.rootless, oci_facts.spec, oci_facts.image

---@return gantry.RuntimeSpec
local function build(changes, of, its)
  return assert(runtime_spec.build(spec(changes), image(its), of or facts()))
end

---@return table config
local function config(...) return build(...).config end

---Expects a refusal by its code and field.
local function refused(code, field, changes, of, its)
  local built, err = runtime_spec.build(spec(changes), image(its), of or facts())
  assert.is_nil(built)
  assert.are.equal(code, err.code, err.message)
  assert.are.equal(field, err.field)
  assert.are.equal(field .. ":", err.message:match "^%S+")
  return err.message
end

---@return table? mount by its destination
local function mount_at(made, destination)
  for place, one in ipairs(made.mounts) do
    if one.destination == destination then return one, place end
  end
end

local function has(list, value)
  for _, one in ipairs(list or {}) do
    if one == value then return true end
  end
  return false
end

local function namespaces(made)
  local names = {}
  for i, one in ipairs(made.linux.namespaces) do names[i] = one.type end
  return table.concat(names, " ")
end

local function rlimit(made, name)
  for _, one in ipairs(made.process.rlimits) do
    if one.type == "RLIMIT_" .. name then return one.soft, one.hard end
  end
end

describe("a container's config.json", function()
  it("is JSON, with empty lists where lists are", function()
    local text = assert(json.encode(config()))
    assert.is_truthy(text:find('"bounding":[]', 1, true), text)
    assert.is_truthy(text:find('"ociVersion":"1.0.2"', 1, true))
  end)

  it("isolates by default", function()
    local made = config()
    assert.is_true(made.root.readonly)
    assert.is_true(made.process.noNewPrivileges)
    for _, set in pairs(made.process.capabilities) do assert.are.equal(0, #set) end
    assert.are.equal("pid ipc uts mount network", namespaces(made))
    assert.are.same({ 0, 0 }, { rlimit(made, "CORE") })
    assert.are.equal(18, made.process.user.umask)
    assert.are.same({ { allow = false, access = "rwm" } }, made.linux.resources.devices)
    assert.are.equal("SCMP_ACT_ERRNO", made.linux.seccomp.defaultAction)
    assert.is_true(has(made.linux.maskedPaths, "/proc/kcore") and has(made.linux.readonlyPaths, "/proc/sys"))
    assert.is_nil(made.linux.uidMappings)
    assert.are.equal("pid ipc uts mount network cgroup", namespaces(config({}, facts { cgroup_version = 2 })))
  end)

  it("lets no mount bring programs of another user, devices, or programs of its own in the socket directory", function()
    local made = config { mounts = { spec().mounts[1], { kind = "bind", source = "/data", target = "/data/",
      read_only = true } } }
    local own, other = mount_at(made, "/run/gantry/kv"), mount_at(made, "/data")
    assert.are.same({ "bind", "private", "nosuid", "nodev", "rw", "noexec" }, own.options)
    assert.are.same({ "rbind", "rprivate", "nosuid", "nodev", "ro" }, other.options)
    for _, path in ipairs { "/proc", "/dev/shm", "/dev/mqueue", "/sys" } do
      local options = mount_at(made, path).options
      assert.is_true(has(options, "nosuid") and has(options, "nodev") and has(options, "noexec"), path)
    end
  end)

  it("mounts outer folders first, and memory at /run under the socket directory", function()
    local made = config { mounts = { spec().mounts[1], { kind = "bind", source = "/a", target = "/run/gantry/kv/a/b",
      read_only = true } } }
    local _, run = mount_at(made, "/run")
    local _, directory = mount_at(made, "/run/gantry/kv")
    local _, inner = mount_at(made, "/run/gantry/kv/a/b")
    assert.is_true(run < directory and directory < inner)
    assert.is_true(has(made.mounts[run].options, "size=64k"))
    assert.is_nil(mount_at(config { mounts = { { kind = "bind", source = "/s", target = "/s", read_only = false } } },
      "/run"))
    local given = mount_at(config { tmpfs = { ["/run"] = "size=1m" } }, "/run")
    assert.are.same({ "size=1m", "noexec", "nosuid", "nodev" }, given.options)
  end)

  it("tells which mount points its root file system needs, and of what mode", function()
    local built = build({ working_dir = "/work", mounts = { spec().mounts[1], { kind = "bind", source = "/etc/x",
      target = "/etc/x", read_only = true } } }, facts { kinds = { ["/etc/x"] = "file" } })
    local points = {}
    for _, point in ipairs(built.points) do points[point.path] = ("%s %o"):format(point.kind, point.mode) end
    assert.are.same({ ["/proc"] = "directory 755", ["/dev"] = "directory 755", ["/sys"] = "directory 755",
      ["/run"] = "directory 755", ["/tmp"] = "directory 1777", ["/etc/hosts"] = "file 644", ["/etc/x"] = "file 644",
      ["/work"] = "directory 755" }, points)
    local seen = false
    for _, point in ipairs(build({}, facts { runtime = "runsc" }).points) do
      seen = seen or point.path == "/run/gantry/kv"
    end
    assert.is_true(seen)
  end)

  it("runs the image's program unless another is named, and its arguments with its own program alone", function()
    assert.are.same({ "/kv", "-v" }, config().process.args)
    assert.are.same({ "/kv", "-x" }, config({ args = { "-x" } }).process.args)
    assert.are.same({ "/other" }, config({ entrypoint = { "/other" } }).process.args)
    refused("ENGINE_REFUSED", "entrypoint", {}, nil, { entrypoint = {}, command = {} })
  end)

  it("has the last word of all that name a variable", function()
    local list = config({ env = { "A=1", "HOME=/h" } }).process.env
    assert.is_true(has(list, "A=1") and has(list, "B=0") and has(list, "HOME=/h"))
    assert.is_true(has(list, "HOSTNAME=0123456789ab"))
    assert.is_false(has(list, "A=0") or has(list, "HOME=/root"))
    assert.is_true(has(list, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"))
  end)

  it("puts the first process that reaps before the program, where there is one", function()
    local init = { path = "/usr/libexec/gantry/gantry-gate", arguments = { "--" } }
    local made = config({}, facts { init = init })
    assert.are.same({ "/dev/gantry-init", "--", "/kv", "-v" }, made.process.args)
    assert.are.equal(init.path, mount_at(made, "/dev/gantry-init").source)
    assert.are.same({ "/kv", "-v" }, config({ init = false }, facts { init = init }).process.args)
    refused("ENGINE_UNSUPPORTED", "init", { init = true })
  end)

  it("gives root's container the image's groups and the policy's", function()
    local user = { uid = 5, gid = 6, groups = { 7 }, home = "/h" }
    local made = config({ groups = { 7, 8 } }, facts { user = user })
    assert.are.same({ uid = 5, gid = 6, umask = 18, additionalGids = { 7, 8 } }, made.process.user)
  end)

  it("gives kept capabilities to one that is not root as well", function()
    local kept = config({ capabilities = { "IPC_LOCK" } }).process.capabilities
    assert.are.same({ "CAP_IPC_LOCK" }, kept.effective)
    assert.are.equal(0, #kept.ambient)
    local user = { uid = 5, gid = 6, groups = {}, home = "/h" }
    assert.are.same({ "CAP_IPC_LOCK" }, config({ capabilities = { "IPC_LOCK" } }, facts { user = user }).process
      .capabilities.ambient)
  end)

  it("has a network of its own, this machine's, or a helper's", function()
    local built = build { network = "host" }
    assert.are.equal("pid ipc uts mount", namespaces(built.config))
    assert.are.equal("127.0.0.1 host\n", built.files.hosts)
    assert.are.equal("nameserver 192.0.2.1\n", built.files["resolv.conf"])
    built = build { network = "user", extra_hosts = { db = "192.0.2.7" } }
    assert.are.same({ mode = "user", helper = "slirp4netns" }, built.network)
    assert.are.equal("nameserver 10.0.2.3\n", built.files["resolv.conf"])
    assert.is_truthy(built.files.hosts:find "192.0.2.7\tdb\n")
    -- The plugin waits for it, whatever the policy says of a first process that reaps.
    assert.are.same({ "/dev/gantry-init", "--", "/kv", "-v" }, built.config.process.args)
    assert.are.equal("/dev/gantry-init", build({ network = "user", init = false }).config.process.args[1])
    local helper = network.helper(built.network.helper, 4711, "/c")
    assert.is_true(has(helper.arguments, "4711") and has(helper.arguments, "--disable-host-loopback"))
    local pasta = build({ network = "pasta" }, rootless()).network
    helper = network.helper(pasta.helper, 1, "/c")
    assert.is_true(has(helper.arguments, "--no-map-gw") and has(helper.arguments, helper.pid_file))
    built = build()
    assert.is_nil(built.files["resolv.conf"] or built.network.helper)
    assert.are.equal("nameserver 192.0.2.53\n", build({ dns = { "192.0.2.53" } }).files["resolv.conf"])
  end)

  it("takes devices with their numbers and permissions", function()
    local device = { source = "/dev/fuse", target = "/dev/x", permissions = "rw" }
    local made = config({ devices = { device } }, facts { devices = { ["/dev/fuse"] = { type = "other", device = "c",
      major = 10, minor = 229, mode = 438, uid = 0, gid = 0 } } })
    assert.are.same({ { path = "/dev/x", type = "c", major = 10, minor = 229, fileMode = 438, uid = 0, gid = 0 } },
      made.linux.devices)
    assert.are.same({ allow = true, type = "c", major = 10, minor = 229, access = "rw" },
      made.linux.resources.devices[2])
    refused("ENGINE_REFUSED", "devices", { devices = { device } })
    refused("ENGINE_UNSUPPORTED", "devices", { devices = { device } }, rootless())
  end)

  it("names its cgroup below one of gantry's", function()
    assert.are.equal("/gantry/0123456789abcdef", config().linux.cgroupsPath)
    assert.are.equal("/plugins/a/gantry/0123456789abcdef", config({ cgroup_parent = "/plugins/a/" }).linux.cgroupsPath)
    for _, parent in ipairs { "/../up", "user.slice" } do
      refused("ENGINE_UNSUPPORTED", "cgroup_parent", { cgroup_parent = parent })
    end
    assert.is_nil(config({}, rootless()).linux.cgroupsPath)
    refused("LIMIT_NOT_DELEGATED", "cgroup_parent", { cgroup_parent = "/p" }, rootless())
  end)

  it("has limits as the kernel counts them", function()
    local ulimits = { { name = "nofile", soft = 10, hard = 20 }, { name = "core", soft = -1, hard = -1 } }
    local made = config { memory = 64 << 20, memory_swap = 96 << 20, nano_cpus = 1500000000, cpuset = "0-1",
      pids_limit = 12, ulimits = ulimits }
    local resources = made.linux.resources
    assert.are.same({ limit = 64 << 20, swap = 96 << 20 }, resources.memory)
    assert.are.same({ quota = 150000, period = 100000, cpus = "0-1" }, resources.cpu)
    assert.are.same({ limit = 12 }, resources.pids)
    assert.are.same({ 10, 20 }, { rlimit(made, "NOFILE") })
    assert.are.equal("18446744073709551615", tostring((rlimit(made, "CORE"))))
    assert.are.equal(64 << 20, config({ memory = 64 << 20 }).linux.resources.memory.swap)
    assert.is_nil(config({ memory = 64 << 20 }, facts { swap_accounting = false }).linux.resources.memory.swap)
    refused("ENGINE_UNSUPPORTED", "memory_swap", { memory = 1 << 26, memory_swap = 1 << 27 }, facts {
      swap_accounting = false })
  end)

  it("has a root of its own where it may be written to", function()
    local made = config({ read_only = false }, facts { writable_root = "/c/root" })
    assert.are.same({ path = "/c/root", readonly = false }, made.root)
    refused("ENGINE_UNSUPPORTED", "read_only", { read_only = false })
    assert.is_true(has(assert(writable_root.of("/i", "/c", true)).make, "--reflink=auto"))
    assert.is_true(has(assert(writable_root.of("/i", "/c", false)).make, "overlay"))
    local root, err = writable_root.of("/i:j", "/c", false)
    assert.is_nil(root)
    assert.are.equal("ENGINE_UNSUPPORTED", err.code)
  end)

  it("refuses what this engine does not have, by its field", function()
    local U <const> = "ENGINE_UNSUPPORTED"
    refused(U, "networks", { network = "backend" })
    refused(U, "endpoints_config", { endpoints = { backend = { Aliases = { "kv" } } } })
    refused(U, "networks", { network = "pasta" })
    refused(U, "networks", { network = "user" }, facts { gate = false })
    refused(U, "networks", { network = "user" }, facts { runtime = "runsc" })
    local none = { helpers = {}, device = "usable" }
    assert.is_truthy(refused(U, "networks", { network = "slirp4netns" }, facts { network = none })
      :find("apt install slirp4netns", 1, true))
    refused(U, "networks", { network = "user" }, facts { network = none })
    for device, remedy in pairs { missing = "modprobe tun", denied = "chmod 0666" } do
      assert.is_truthy(refused(U, "networks", { network = "user" }, facts { network = { device = device,
        helpers = { slirp4netns = true } } }):find(remedy, 1, true))
    end
    refused(U, "extra_hosts", { extra_hosts = { up = "host-gateway" } })
    refused(U, "userns_mode", { userns_mode = "keep-id" })
    refused(U, "userns_mode", { userns_mode = "host" }, rootless())
    for _, option in ipairs { "label=type:x", "proc-opts=hidepid=2", "mask=/x", "writable-cgroups" } do
      refused(U, "security_opt", { security_options = { option } })
    end
    for _, option in ipairs { "size=50%", "nr_inodes=5", "tmpcopyup" } do
      refused(U, "tmpfs", { tmpfs = { ["/x"] = option } }, facts { runtime = "runsc" })
    end
    config({ tmpfs = { ["/x"] = "size=5m,mode=700,uid=0,exec,suid,dev,ro" } }, facts { runtime = "runsc" })
    refused(U, "apparmor", { apparmor = "gantry" })
    refused(U, "mounts", { mounts = { { kind = "bind", source = "/a", target = "/a", relabel = "shared" } } })
    refused(U, "mounts", { mounts = { { kind = "bind", source = "/a", target = "/a", read_only = true,
      recursively_read_only = true } } }, facts { runtime = "runsc" })
    refused(U, "seccomp", { seccomp = "/p" }, facts { runtime = "runsc" })
    refused(U, "seccomp", {}, facts { machine = "riscv64" })
    refused("SECCOMP_INVALID", "seccomp", { seccomp = "/p" }, facts { seccomp = { x = 1 } })
  end)

  it("takes the options that it has", function()
    assert.is_nil(config({ seccomp = "unconfined" }).linux.seccomp)
    assert.is_nil(config({ security_options = { "seccomp=unconfined" } }).linux.seccomp)
    local profile = '{"defaultAction":"SCMP_ACT_ALLOW"}'
    assert.are.equal("SCMP_ACT_ALLOW", config({ security_options = { "seccomp=" .. profile } }).linux.seccomp
      .defaultAction)
    assert.is_false(config({ security_options = { "no-new-privileges:false" } }).process.noNewPrivileges)
    assert.are.equal("p", config({ apparmor = "p" }, facts { apparmor = true }).process.apparmorProfile)
    assert.is_nil(config({ apparmor = "unconfined" }).process.apparmorProfile)
    config { security_options = { "label=disable" }, userns_mode = "host" }
  end)
end)

describe("an ordinary user's container", function()
  it("maps the image's user to the caller, and nobody else", function()
    local made = config({ groups = { 65532, 1000 } }, rootless())
    assert.are.same({ { containerID = 65532, hostID = 1000, size = 1 } }, made.linux.uidMappings)
    assert.are.same(made.linux.uidMappings, made.linux.gidMappings)
    assert.are.same({ uid = 65532, gid = 65532, umask = 18 }, made.process.user)
    assert.are.equal("pid ipc uts mount network user cgroup", namespaces(made))
    assert.is_nil(mount_at(made, "/sys/fs/cgroup"))
    assert.is_nil(made.linux.resources.devices)
    assert.is_false(has(mount_at(made, "/dev/pts").options, "gid=5"))
    refused("ENGINE_UNSUPPORTED", "group_add", { groups = { 44 } }, rootless())
  end)

  it("is root of its namespace under runc, which plan says", function()
    local built = build({}, rootless { runtime = "runc" })
    assert.are.equal(0, built.config.process.user.uid)
    assert.are.equal(0, built.config.linux.uidMappings[1].containerID)
    assert.are.equal(0, #built.config.process.capabilities.effective)
    assert.is_truthy(built.notes[1]:find("0:0, not as 65532:65532", 1, true))
    assert.are.same({}, build({}, rootless()).notes)
  end)

  it("has this machine's /sys where the network is this machine's", function()
    local sys = mount_at(config({ network = "host" }, rootless()), "/sys")
    assert.are.equal("bind", sys.type)
    assert.is_true(has(sys.options, "rbind") and has(sys.options, "ro"))
  end)

  it("has no limit that nobody can enforce", function()
    for field, value in pairs { memory = 1 << 26, nano_cpus = 1000000000, cpuset = "0" } do
      local text = refused("LIMIT_NOT_DELEGATED", field, { [field] = value }, rootless())
      assert.is_truthy(text:find("the cgroup was not delegated", 1, true) and text:find("Delegate=yes", 1, true), text)
    end
    refused("LIMIT_NOT_DELEGATED", "pids_limit", { pids_limit = 5 }, rootless { runtime = "runsc" })
    local delegated = rootless { cgroup_parent = "/user/gantry", controllers = { "memory" } }
    assert.are.equal("/user/gantry/0123456789abcdef", config({ memory = 1 << 26 }, delegated).linux.cgroupsPath)
    refused("LIMIT_NOT_DELEGATED", "nano_cpus", { nano_cpus = 1 }, delegated)
    local text = refused("LIMIT_NOT_DELEGATED", "memory", { memory = 1 << 26 }, facts { controllers = {} })
    assert.is_nil(text:find("as root", 1, true))
  end)

  it("has its processes counted by its user namespace", function()
    assert.are.equal(2048, (rlimit(config({}, rootless()), "NPROC")))
    assert.are.equal(9, (rlimit(config({ pids_limit = 9 }, rootless()), "NPROC")))
    assert.are.equal(7, (rlimit(config({ pids_limit = 9 }, rootless { hard_limits = { nproc = 7 } }), "NPROC")))
    local delegated = rootless { cgroup_parent = "/g", controllers = { "pids" } }
    local made = config({ pids_limit = 9 }, delegated)
    assert.are.same({ limit = 9 }, made.linux.resources.pids)
    assert.is_nil(rlimit(made, "NPROC"))
  end)

  it("may not raise the session's own limits, nor own what it cannot", function()
    local of = rootless { hard_limits = { nofile = 4096 } }
    refused("ENGINE_REFUSED", "ulimits", { ulimits = { { name = "nofile", soft = 1, hard = 8192 } } }, of)
    refused("ENGINE_REFUSED", "ulimits", { ulimits = { { name = "nofile", soft = 1, hard = -1 } } }, of)
    assert.are.equal(4096, select(2, rlimit(config({ ulimits = { { name = "nofile", soft = 1, hard = 4096 } } }, of),
      "NOFILE")))
    refused("ENGINE_UNSUPPORTED", "tmpfs", { tmpfs = { ["/x"] = "uid=5" } }, rootless())
    config({ tmpfs = { ["/x"] = "uid=65532" } }, rootless())
    refused("ENGINE_UNSUPPORTED", "cap_ipc_lock", { capabilities = { "IPC_LOCK" } }, rootless())
  end)

  it("is gVisor's to map under runsc", function()
    local built = build({}, rootless { runtime = "runsc" })
    assert.is_nil(built.config.linux.uidMappings)
    assert.are.equal("pid ipc uts mount network", namespaces(built.config))
    assert.are.same({ "--host-uds=all", "--network=none", "--rootless", "--ignore-cgroups" }, built.arguments)
    assert.are.same({ "--cgroup-manager=disabled" }, build({}, rootless()).arguments)
  end)
end)

describe("limits after the start", function()
  local resources = { memory = { limit = 1 << 26 }, pids = { limit = 9 }, cpu = { quota = 50000, period = 100000 } }
  local first = { ["memory.limit_in_bytes"] = "67108864\n", ["pids.max"] = "9\n", ["cpu.cfs_quota_us"] = "50000\n" }
  local second = { ["memory.max"] = "67108864\n", ["pids.max"] = "9\n", ["cpu.max"] = "50000 100000\n" }

  local function verify(version, files, changes)
    return limits.verify(resources, version, function(_, file)
      local changed = changes and changes[file]
      if changed ~= nil then return changed or nil end
      return files[file]
    end, true)
  end

  it("are held against the kernel's files, of both versions", function()
    assert.is_true(verify(1, first))
    assert.is_true(verify(2, second))
    for file, field in pairs { ["memory.max"] = "memory", ["pids.max"] = "pids_limit", ["cpu.max"] = "nano_cpus" } do
      for _, found in ipairs { "max\n", false } do
        local ok, err = verify(2, second, { [file] = found })
        assert.is_nil(ok)
        assert.are.same({ "LIMIT_NOT_DELEGATED", field }, { err.code, err.field })
      end
    end
    assert.is_true(limits.verify({}, 2, function() end, true))
  end)

  it("are read of the process's own cgroups", function()
    local read = cgroups.reader(require("gantry.core").system.pid(), cgroups.version())
    assert.is_truthy(read(cgroups.version() == 2 and "" or "pids", "cgroup.procs"))
  end)
end)

describe("what a process's own limits are", function()
  it("is read as the kernel tells it", function()
    assert.are.same({ nofile = 20000, nproc = 5, rtprio = 0 }, runtime_facts.parse_limits(
      "Limit                     Soft Limit           Hard Limit           Units     \n"
      .. "Max cpu time              unlimited            unlimited            seconds   \n"
      .. "Max processes             5                    5                    processes \n"
      .. "Max open files            1024                 20000                files     \n"
      .. "Max realtime priority     0                    0                    \n"))
  end)
end)

describe("the facts of a container", function()
  local root = "/tmp/gantry-test-" .. require("gantry.core").system.random(4)

  setup(function()
    assert(os.execute(("mkdir %s && cd %s && echo '{' >broken && echo '{}' >profile"):format(root, root)))
  end)
  teardown(function() assert(os.execute("rm -r " .. root)) end)

  local function gather(changes, its)
    local one = spec(changes)
    one.mounts[1].source = root .. "/not made yet"
    return runtime_facts.gather(one, image(its), { runtime = "runc", id = "i", directory = "/c", root = root })
  end

  it("are this machine's and the image's", function()
    local found = assert(gather({ seccomp = root .. "/profile", devices = { { source = "/dev/null" } } }))
    assert.are.same({ 1, 3, "c" }, { found.devices["/dev/null"].major, found.devices["/dev/null"].minor,
      found.devices["/dev/null"].device })
    assert.are.same({}, found.seccomp)
    assert.is_truthy(found.machine:find "^[%w_]+$" and found.kernel:find "^%d+%.%d+")
    assert.are.equal(cgroups.version(), found.cgroup_version)
    assert.are.equal(0, found.user.uid)
  end)

  it("fail by their codes", function()
    local missing = spec().mounts
    missing[2] = { kind = "bind", source = root .. "/missing", target = "/m", read_only = true }
    for code, changes in pairs { SECCOMP_UNREADABLE = { seccomp = root .. "/none" },
      SECCOMP_INVALID = { seccomp = root .. "/broken" }, USER_UNKNOWN = { user = "nobody" },
      MOUNT_SOURCE_MISSING = { mounts = missing } } do
      local found, err = gather(changes)
      assert.is_nil(found)
      assert.are.equal(code, err.code)
    end
  end)
end)
