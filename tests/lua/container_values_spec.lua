-- SPDX-License-Identifier: Apache-2.0
--
-- container_values_spec.lua: what a container is given and kept from: good and bad values, and the request from them.

local capabilities = require "gantry.engine.docker.capabilities"
local config = require "gantry.config"
local container = require "gantry.engine.container"
local isolation = require "gantry.plugin.isolation"
local mount_table = require "gantry.plugin.mount_table"
local requests = require "gantry.engine.docker.request"

local function request(fields)
  fields.image = "kv"
  local read, errs = config.validate(fields)
  return assert(requests.of({ kind = "docker" }, container.spec(assert(read, errs and errs[1] and errs[1].message),
    { image = "kv", directory = "/d", groups = {}, labels = {}, environment = {} })))
end

---@return string of all findings
local function complaints(fields)
  fields.image = "kv"
  local _, errs = config.validate(fields)
  local messages = {}
  for i, err in ipairs(errs or {}) do messages[i] = err.message end
  return table.concat(messages, "\n")
end

describe("a container's request", function()
  it("is safe where the policy says nothing", function()
    local host = request({}).HostConfig
    assert.same({ "no-new-privileges" }, host.SecurityOpt)
    assert.equal(2048, host.PidsLimit)
    assert.is_nil(host.MemorySwap)
    assert.is_nil(request({}).Healthcheck)
    assert.equal(67108864, request({ memory = "64MiB" }).HostConfig.MemorySwap)
    assert.same({ "NONE" }, request({ health = { period = "1s" } }).Healthcheck.Test)
  end)

  it("leaves new privileges where they are wanted, and names them once", function()
    assert.same({}, request({ cap_ipc_lock = true }).HostConfig.SecurityOpt)
    assert.same({}, request({ security_opt = { "no-new-privileges:false" } }).HostConfig.SecurityOpt)
    assert.same({}, request({ security_opt = { "no-new-privileges=false" } }).HostConfig.SecurityOpt)
    for _, option in ipairs { "no-new-privileges", "no-new-privileges:true" } do
      assert.same({ "no-new-privileges" }, request({ security_opt = { option } }).HostConfig.SecurityOpt)
    end
    assert.same({ "label=disable", "no-new-privileges" },
      request({ security_opt = { "label=disable" } }).HostConfig.SecurityOpt)
  end)

  it("has what the fields say", function()
    local made = request { memory = "64MiB", memory_swap = "128MiB", cpuset = "0,2-3", devices = "/dev/fuse",
      dns = "192.0.2.53", extra_hosts = { ["b.internal"] = "2001:db8::1", a = "host-gateway" }, hostname = "kv-1",
      stop_signal = "int", init = false, userns_mode = "host", seccomp = "unconfined", apparmor = "gantry-kv" }
    local host = made.HostConfig
    assert.same({ 134217728, "0,2-3", false, "host" }, { host.MemorySwap, host.CpusetCpus, host.Init, host.UsernsMode })
    assert.same({ { PathOnHost = "/dev/fuse", PathInContainer = "/dev/fuse", CgroupPermissions = "rwm" } },
      host.Devices)
    assert.same({ "192.0.2.53" }, host.Dns)
    assert.same({ "a:host-gateway", "b.internal:2001:db8::1" }, host.ExtraHosts)
    assert.same({ "no-new-privileges", "apparmor=gantry-kv", "seccomp=unconfined" }, host.SecurityOpt)
    assert.same({ "kv-1", "SIGINT" }, { made.Hostname, made.StopSignal })
    assert.equal(-1, request({ memory = "64MiB", memory_swap = "unlimited" }).HostConfig.MemorySwap)
    local device = request({ devices = { { source = "/dev/a", target = "/dev/b", permissions = "r" } } })
    assert.same({ { PathOnHost = "/dev/a", PathInContainer = "/dev/b", CgroupPermissions = "r" } },
      device.HostConfig.Devices)
    assert.equal("9", request({ stop_signal = "9" }).StopSignal)
    assert.equal("SIGRTMIN+3", request({ stop_signal = "SIGRTMIN+3" }).StopSignal)
  end)

  it("is not made of values that cannot be meant", function()
    for _, case in ipairs {
      { { memory_swap = "64MiB" }, "memory_swap limits memory and swap together, and needs memory" },
      { { memory = "64MiB", memory_swap = "32MiB" }, "must be at least memory" },
      { { memory = "64MiB", memory_swap = "a lot" }, "memory_swap must be" },
      { { cpuset = "3-1" }, 'must be numbers of processors such as "0%-3,5"' }, { { cpuset = "1," }, "cpuset must be" },
      { { cpuset = "1-" }, "cpuset must be" }, { { cpuset = "" }, "cpuset must not be empty" },
      { { devices = { "fuse" } }, "devices%[1%]%.source must be an absolute path" },
      { { devices = { { source = "/dev/a", permissions = "x" } } }, "devices%[1%]%.permissions must be" },
      { { dns = "dns.example" }, "dns must be an IP address" }, { { dns = { "1.2.3.400" } }, "must be an IP address" },
      { { extra_hosts = { "a:1.2.3.4" } }, "extra_hosts must be a map of hosts' names to IP addresses" },
      { { extra_hosts = { ["a b"] = "1.2.3.4" } }, "is no host's name" }, { { hostname = "a/b" }, "is no host's name" },
      { { stop_signal = "SIG" }, "must be a signal" }, { { stop_signal = "65" }, "must be a signal" },
      { { seccomp = "profile.json" }, 'must be "default", "unconfined" or the path' },
      { { seccomp = "unconfined", security_opt = { "seccomp=unconfined" } }, "seccomp is set as well" },
      { { apparmor = "/etc/apparmor.d/kv" }, "the name of a profile that is loaded" },
      { { credentials = { token = 5 } }, "credentials%.token must be a path, or { file =" },
      { { credentials = { token = "token" } }, "credentials%.token must be an absolute path" },
      { { credentials = { ["../x"] = "/x" } }, "is no plain name of a file" },
      { { credentials = { [".."] = "/x" } }, "is no plain name of a file" },
      { { credentials = { t = { file = "/x", mode = "0o400" } } }, "must be a file's mode in octal" },
      { { credentials = { t = { file = "/x", mode = 400 } } }, 'credentials%.t%.mode must be a string such as "0400"' },
      { { credentials = { t = { file = "/x", mode = "0040" } } }, "must let its owner read it" },
      { { credentials = { t = { file = "/x", on_change = "reload" } } }, 'must be "keep" or "restart"' },
      { { credentials = { t = "/x" }, env = { CREDENTIALS_DIRECTORY = "/y" } }, "is in env as well" },
      { { env_files = "x.env" }, "must be an absolute path" },
    } do assert.matches(case[2], complaints(case[1])) end
  end)
end)

describe("what depends on the engine", function()
  local function settle(fields, engine, mounts)
    fields.image = "kv"
    engine.capabilities = capabilities.of(engine.kind, engine.api)
    function engine.info() return { runtimes = {} } end
    local plugin = { config = assert(config.validate(fields)), engine = engine }
    local spec = container.spec(plugin.config, { image = "kv", directory = "/d", groups = {},
      labels = { ["gantry.directory"] = "/d" }, environment = {} })
    table.move(mounts or {}, 1, #(mounts or {}), 2, spec.mounts)
    local ok, err = isolation.settle(plugin, spec)
    if not ok then return nil, err end
    return requests.of(engine, spec)
  end

  it("is its own init: Docker's, unless the policy says otherwise; Podman's where it does", function()
    assert.is_true(settle({}, { kind = "docker", api = "1.41" }).HostConfig.Init)
    assert.is_false(settle({ init = false }, { kind = "docker", api = "1.41" }).HostConfig.Init)
    assert.is_nil(settle({}, { kind = "podman", api = "1.41" }).HostConfig.Init)
    assert.is_true(settle({ init = true }, { kind = "podman", api = "1.41" }).HostConfig.Init)
  end)

  it("is how a profile is handed over, which must be one", function()
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write '{"defaultAction": "SCMP_ACT_ALLOW"}'
    file:close()
    assert.same({ "no-new-privileges", 'seccomp={"defaultAction": "SCMP_ACT_ALLOW"}' },
      settle({ seccomp = path }, { kind = "docker", api = "1.41" }).HostConfig.SecurityOpt)
    assert.same({ "no-new-privileges", "seccomp=" .. path },
      settle({ seccomp = path }, { kind = "podman", api = "1.41" }).HostConfig.SecurityOpt)
    os.remove(path)
    local _, err = settle({ seccomp = path }, { kind = "docker", api = "1.41" })
    assert.equal("SECCOMP_UNREADABLE", err.code)
    _, err = settle({ seccomp = "/etc/passwd" }, { kind = "docker", api = "1.41" })
    assert.equal("SECCOMP_INVALID", err.code)
    _, err = settle({ seccomp = "/etc" }, { kind = "docker", api = "1.41" })
    assert.equal("SECCOMP_INVALID", err.code)
  end)

  it("is what is mounted below a read-only folder: read-only too, or refused by name", function()
    -- /dev has mounts of its own on any machine where this runs, such as /dev/pts and /dev/shm.
    local dev = { kind = "bind", source = "/dev", target = "/data", read_only = true }
    local _, err = settle({}, { kind = "docker", api = "1.41" }, { dev })
    assert.equal("MOUNT_NOT_READ_ONLY", err.code)
    assert.matches('^mounts: /dev is read_only, but /dev/%w+ is mounted below it.*target = "/data/%w+"', err.message)
    local newer = assert(settle({}, { kind = "docker", api = "1.44" }, { dev }))
    assert.is_true(newer.HostConfig.Mounts[2].BindOptions.ReadOnlyForceRecursive)
    local plain = assert(settle({}, { kind = "docker", api = "1.41" },
      { { kind = "bind", source = "/dev", target = "/data", read_only = false } }))
    assert.is_nil(plain.HostConfig.Mounts[2].BindOptions)
    local covered = { { kind = "bind", source = "/dev", target = "/data", read_only = true } }
    for _, one in ipairs(mount_table.read()) do
      local rest = one.path:match "^/dev(/.+)$"
      if rest then
        covered[#covered + 1] = { kind = "bind", source = one.path, target = "/data" .. rest, read_only = true }
      end
    end
    assert(settle({}, { kind = "docker", api = "1.41" }, covered))
  end)

  it("is read from /proc as it is written there", function()
    assert.same({
      { path = "/a b\\c", root = "/mnt1", options = "ro,nosuid", type = "ext3", of_all = "rw" },
      { path = "/", root = "/", options = "rw", type = "ext4", of_all = "rw" },
    }, mount_table.parse(
      "36 35 98:0 /mnt1 /a\\040b\\134c ro,nosuid master:1 - ext3 /dev/root rw\nbroken\n1 0 8:1 / / rw - ext4 /d rw\n"))
  end)
end)
