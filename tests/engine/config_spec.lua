-- SPDX-License-Identifier: Apache-2.0
--
--- Each field of a policy, and what the engine's inspect of the running container says of it.

local core = require "gantry.core"
local gantry = require "gantry"
local support = require "engine.support"

---@param list any[]?
---@param wanted any
---@return boolean
local function contains(list, wanted)
  for _, one in ipairs(list or {}) do
    if one == wanted then return true end
  end
  return false
end

---@param container table
---@param target string
---@return table? mount
local function mount_at(container, target)
  for _, mount in ipairs(container.Mounts) do
    if mount.Destination == target then return mount end
  end
end

---A reader of one value at a path of the inspect, such as "HostConfig.Memory".
local function at(path)
  return function(container)
    local value = container
    for name in path:gmatch("[^.]+") do value = value[name] end
    return value
  end
end

local function env_has(entry)
  return function(container) return contains(container.Config.Env, entry) end
end

local function group_has(group)
  return function(container) return contains(container.HostConfig.GroupAdd, group) end
end

local ENV_FILE <const> = os.tmpname()
local KV <const> = (os.getenv("GANTRY_CACHE") or support.source .. "/.cache") .. "/kv/kv-1.8"

-- Field, what the policy says of it (Lua), how it is read back, what must be read.
local CASES = {
  { "tag", "tag = '1.6'", at "Config.Image", "gantry-test-kv:1.6" },
  { "image", "image = 'gantry-test-kv:1.6', tag = nil", at "Config.Image", "gantry-test-kv:1.6" },
  { "binary", ("binary = %q, image = nil, tag = nil"):format(KV), at "Config.Entrypoint", { "/plugin" } },
  { "libraries of a static binary", ("binary = %q, image = nil, tag = nil, libraries = true"):format(KV),
    function(container) return mount_at(container, "/lib64/ld-linux-x86-64.so.2") == nil end, true },
  { "entrypoint", "entrypoint = { '/kv', '-exit-code', '0' }", at "Config.Entrypoint", { "/kv", "-exit-code", "0" } },
  { "args", "args = { '-exit-code', '0' }", at "Config.Cmd", { "-exit-code", "0" } },
  { "working_dir", "working_dir = '/tmp'", at "Config.WorkingDir", "/tmp" },
  { "user", "user = '65532:65532'", at "Config.User", "65532:65532" },
  { "user (a number)", "user = 65532", at "Config.User", "65532" },
  { "group_add", "group_add = { 4321 }", group_has "4321", true },
  { "group_add (a name)", "group_add = { 'daemon' }", group_has(tostring(core.group.resolve("daemon"))), true },
  { "env", "env = { GREETING = 'two words = 1' }", env_has "GREETING=two words = 1", true },
  { "env (a list)", "env = { 'A=1', 'B=' }", env_has "B=", true },
  { "pass_env", "pass_env = { 'PATH' }", env_has("PATH=" .. os.getenv("PATH")), true },
  { "cookie", "", env_has(support.cookie[1] .. "=" .. support.cookie[2]), true },
  { "protocol_versions", "protocol_versions = { 1, 7 }", env_has "PLUGIN_PROTOCOL_VERSIONS=1,7", true },
  { "labels", "labels = { ['com.example.team'] = 'identity' }", function(container)
    return container.Config.Labels["com.example.team"]
  end, "identity" },
  { "runtime", "runtime = 'runc'", at "HostConfig.Runtime", "runc" },
  { "memory", "memory = '64MiB'", at "HostConfig.Memory", 64 * 1024 * 1024 },
  { "cpus", "cpus = 0.5", at "HostConfig.NanoCpus", 500000000 },
  { "nano_cpus", "nano_cpus = 250000000", at "HostConfig.NanoCpus", 250000000 },
  { "pids_limit", "pids_limit = 77", at "HostConfig.PidsLimit", 77 },
  { "ulimits", "ulimits = { { name = 'nofile', soft = 1000, hard = 2000 } }", at "HostConfig.Ulimits",
    { { Name = "nofile", Soft = 1000, Hard = 2000 } } },
  { "cgroup_parent", "cgroup_parent = '/gantry-test'", at "HostConfig.CgroupParent", "/gantry-test" },
  { "cap_ipc_lock", "cap_ipc_lock = true", function(container)
    local added = container.HostConfig.CapAdd
    return #added == 1 and added[1]:gsub("^CAP_", "")
  end, "IPC_LOCK" },
  { "no cap_ipc_lock", "", function(container)
    return { container.HostConfig.CapDrop[1], #(container.HostConfig.CapAdd or {}) }
  end, { "ALL", 0 } },
  { "security_opt", "security_opt = { 'no-new-privileges' }", at "HostConfig.SecurityOpt", { "no-new-privileges" } },
  { "read_only", "read_only = true", at "HostConfig.ReadonlyRootfs", true },
  { "tmpfs", "tmpfs = { ['/tmp'] = 'size=16m' }", at "HostConfig.Tmpfs", { ["/tmp"] = "size=16m" } },
  { "mounts", "mounts = { { source = '/usr/share', target = '/data', read_only = true } }", function(container)
    local mount = mount_at(container, "/data")
    return { mount.Source, mount.RW }
  end, { "/usr/share", false } },
  { "userns_mode", "userns_mode = 'host'", at "HostConfig.UsernsMode", "host" },
  { "env_files", ("env_files = %q"):format(ENV_FILE), env_has "FROM_FILE=two words", true },
  { "credentials", ("credentials = { token = %q }"):format(ENV_FILE), function(container)
    local mount = mount_at(container, "/run/credentials/kv")
    return { mount.RW, contains(container.Config.Env, "CREDENTIALS_DIRECTORY=/run/credentials/kv") }
  end, { false, true } },
  { "memory_swap", "memory = '64MiB', memory_swap = '80MiB'", at "HostConfig.MemorySwap", 80 * 1024 * 1024 },
  { "memory_swap where left out", "memory = '64MiB'", at "HostConfig.MemorySwap", 64 * 1024 * 1024 },
  { "cpuset", "cpuset = '0'", at "HostConfig.CpusetCpus", "0" },
  { "pids_limit where left out", "", at "HostConfig.PidsLimit", 2048 },
  { "security_opt where left out", "", at "HostConfig.SecurityOpt", { "no-new-privileges" } },
  { "seccomp", "seccomp = 'unconfined'", at "HostConfig.SecurityOpt", { "no-new-privileges", "seccomp=unconfined" } },
  { "apparmor", "apparmor = 'unconfined'", at "HostConfig.SecurityOpt", { "no-new-privileges",
    "apparmor=unconfined" } },
  { "devices", "devices = { '/dev/null' }", at "HostConfig.Devices",
    { { PathOnHost = "/dev/null", PathInContainer = "/dev/null", CgroupPermissions = "rwm" } } },
  { "hostname", "hostname = 'kv-one'", at "Config.Hostname", "kv-one" },
  { "dns", "dns = '192.0.2.53'", at "HostConfig.Dns", { "192.0.2.53" } },
  { "extra_hosts", "extra_hosts = { other = '192.0.2.7' }", at "HostConfig.ExtraHosts", { "other:192.0.2.7" } },
  { "stop_signal", "stop_signal = 'INT'", at "Config.StopSignal", "SIGINT" },
  { "init", "init = false", at "HostConfig.Init", false },
  { "init where left out", "", at "HostConfig.Init", true },
  { "health", "health = { period = '10s' }", at "Config.Healthcheck", { Test = { "NONE" } } },
  { "mounts from the caller's HOME", "mounts = { { source = '~', target = '/home', read_only = true } }",
    function(container) return mount_at(container, "/home").Source end, (os.getenv("HOME"):gsub("(.)/+$", "%1")) },
  { "mounts of a host's data folder at its own path",
    "mounts = { { source = '/var/lib', target = '/var/lib' } }",
    function(container) return { mount_at(container, "/var/lib").Source, mount_at(container, "/var/lib").RW } end,
    { "/var/lib", true } },
  { "disable_network", "", at "Config.NetworkDisabled", true },
  { "auto_mtls", "auto_mtls = true", function(container)
    for _, entry in ipairs(container.Config.Env) do
      if entry:find("^PLUGIN_CLIENT_CERT=%-%-%-%-%-BEGIN CERTIFICATE") then return true end
    end
  end, true },
  { "socket_group", "socket_group = 'daemon'", group_has(tostring(core.group.resolve("daemon"))), true },
}

describe("a policy's field reaches the engine:", function()
  local runtime_dir

  before_each(function() runtime_dir = support.temporary() end)

  after_each(function()
    assert.are.same({}, support.containers(runtime_dir))
    support.remove(runtime_dir)
  end)

  setup(function() support.write(ENV_FILE, "FROM_FILE=two words\n") end)

  -- The engine leaves the parent cgroup behind.
  teardown(function()
    os.remove(ENV_FILE)
    os.execute("rmdir /sys/fs/cgroup/gantry-test /sys/fs/cgroup/*/gantry-test 2>/dev/null")
  end)

  ---@param text string fields of a policy
  ---@return table container what the engine says of it while it runs
  ---@return gantry.Plugin plugin stopped
  local function inspect_running(text)
    local path = support.write(runtime_dir .. "/kv.lua", support.policy_text(text))
    local plugin <close> = assert(gantry.launch(path, { runtime_dir = runtime_dir }))
    local container = support.in_docker_words(plugin.container)
    assert.is_true(container.State.Running)
    return container, plugin
  end

  for _, case in ipairs(CASES) do
    it(case[1], function()
      local container = inspect_running(case[2])
      local found = case[3](container)
      assert.are.same(case[4], found)
    end)
  end

  it("sha256, in both spellings: the container is created by the image's id", function()
    local id = assert(support.engine():image("gantry-test-kv:latest")).id
    for _, pin in ipairs { id, (id:gsub("^sha256:", "")) } do
      local container = inspect_running(("sha256 = '%s'"):format(pin))
      assert.are.equal(id, container.Image)
      assert.are.equal(id, container.Config.Image)
    end
  end)

  it("temp_dir: the socket directory is below it, at the same path on both sides", function()
    local folder = support.temporary()
    local container = inspect_running(("temp_dir = '%s'"):format(folder))
    local mount = assert(mount_at(container, folder .. "/kv"))
    assert.are.equal(folder .. "/kv", mount.Source)
    assert.is_true(contains(container.Config.Env, "PLUGIN_UNIX_SOCKET_DIR=" .. folder .. "/kv"))
    support.remove(folder)
  end)

  it("networks and endpoints_config", function()
    local engine, names = support.engine(), {}
    local _ <close> = setmetatable({}, { __close = function()
      for _, name in ipairs(names) do engine:call("DELETE", "/networks/" .. name, { action = "remove the network" }) end
    end })
    for i = 1, 3 do
      names[i] = "gantry-test-" .. core.system.random(4)
      assert(engine:call("POST", "/networks/create", { action = "make a network",
        body = { Name = names[i], Driver = "bridge", Internal = true, CheckDuplicate = true } }))
    end
    local container = inspect_running(([[disable_network = false, networks = { %q, %q },
      endpoints_config = { [%q] = { Aliases = { "kv-alias" } }, [%q] = { Aliases = { "other" } } }]]):format(names[1],
      names[2], names[2], names[3]))
    local joined = container.NetworkSettings.Networks
    for _, name in ipairs(names) do assert.is_truthy(joined[name], name) end
    assert.is_true(contains(joined[names[2]].Aliases, "kv-alias"))
    assert.is_true(contains(joined[names[3]].Aliases, "other"))
    assert.is_nil(joined.bridge)
  end)

  it("networks: the host's own, with what listens on this machine's localhost", function()
    local path = support.write(runtime_dir .. "/kv.lua", support.policy_text [[
      disable_network = false, networks = { "host" },]])
    local plugin <close> = assert(gantry.launch(path, { runtime_dir = runtime_dir }))
    local pid = support.running(plugin.container).state.pid
    local function network_of(process)
      local pipe <close> = assert(io.popen(("readlink /proc/%s/ns/net"):format(process)))
      return pipe:read "l"
    end
    local socket = support.engine().endpoint.unix_socket
    local engines = socket and core.system.listener(socket)
    local own = network_of(engines or "self")
    if not own or not network_of(pid) then return pending "needs to look at the engine's processes" end
    assert.are.equal(own, network_of(pid))
  end)

  it("mounts from ~ fail where the caller has no HOME, with the remedy", function()
    local path = support.write(runtime_dir .. "/kv.lua", support.policy_text [[
      mounts = { { source = "~/keys", target = "/keys" } },]])
    local plugin, err = gantry.launch(path, { runtime_dir = runtime_dir, environment = { PATH = "/usr/bin" } })
    assert.is_nil(plugin)
    assert.are.equal("HOME_UNKNOWN", err.code)
    assert.matches("mounts%[1%]%.source: ~/keys: the caller has no HOME.*set HOME in its unit", err.message)
  end)

  it("mounts by ctx.env, which has the caller's variables", function()
    local path = support.write(runtime_dir .. "/kv.lua", "return function(ctx) local home = ctx.env.HOME; "
      .. support.policy_text "mounts = { { source = home, target = home, read_only = true } }," .. " end")
    local plugin <close> = assert(gantry.launch(path, { runtime_dir = runtime_dir }))
    local home = os.getenv "HOME"
    assert.are.equal(home, mount_at(support.in_docker_words(plugin.container), home).Source)
  end)

  it("debug: the container stays, and says how it ended", function()
    local container = inspect_running("debug = true")
    local engine = support.engine()
    local kept = assert(engine:inspect(container.Id))
    assert.is_false(kept.state.running)
    assert.are.equal(0, kept.state.exit_code)
    assert(engine:remove(container.Id))
  end)

  it("every field of the schema is in this table or changes nothing on the engine", function()
    local covered = { name = true, sha256 = true, temp_dir = true, networks = true, endpoints_config = true,
      debug = true }
    for _, case in ipairs(CASES) do covered[case[1]:match("^[%l_%d]+")] = true end
    -- What gantry itself acts on.
    for _, name in ipairs { "protocol", "start_timeout", "stop_timeout", "restart", "on_exit", "pull", "rootless",
      "health", "after", "multiplex", "cwd", "share_tmp", "outlive_host",
      "engine_timeout", "warm", "standby", "gate" } do covered[name] = true end
    for _, field in ipairs(require("gantry.config.schema").fields) do
      assert.is_true(covered[field.name], "the field " .. field.name .. " has no case here")
    end
  end)
end)
