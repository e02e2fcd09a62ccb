-- SPDX-License-Identifier: Apache-2.0
--
--- The same cases on every engine: that of DOCKER_HOST, with the runtime of GANTRY_MATRIX_RUNTIME. What an engine
--- cannot do is skipped by what it showed when it was asked, never by its name alone.

local LABEL = require("gantry.engine.container").LABEL
local core = require "gantry.core"
local deaths = require "gantry.engine.deaths"
local gantry = require "gantry"
local hosts = require "engine.hosts"
local matrix = require "engines.matrix"
local mount_table = require "gantry.plugin.mount_table"
local ownership = require "gantry.place.ownership"
local seen = require "engines.seen"
local support = require "engine.support"
local task = require "gantry.task"
local wire = require "gantry.protobuf.wire"

local case, skip = matrix.cases(it), matrix.skip

local runtime = matrix.runtime
local engine = support.engine()
local about = assert(engine:describe())
local gvisor = runtime ~= nil or about.default_runtime == "runsc"
local podman = engine.kind == "podman"

---A program that says what it finds as its credential, and becomes the plugin.
---@param folder string
---@return string path
local function compile_reader(folder)
  local source = support.write(folder .. "/reader.c", [[
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
int main(int count, char **arguments)
{
    char path[256], text[64] = "";
    FILE *file;
    (void)count;
    snprintf(path, sizeof path, "%s/it", getenv("CREDENTIALS_DIRECTORY"));
    file = fopen(path, "r");
    if (file == NULL || fgets(text, sizeof text, file) == NULL)
        perror(path);
    fprintf(stderr, "credential: %s\nwritten: %s\n", text, fopen(path, "a") == NULL ? "no" : "yes");
    execv("/kv", arguments);
    return 1;
}
]])
  assert(os.execute(("cc -static -o %s/reader %s"):format(folder, source)))
  os.remove(source)
  return folder .. "/reader"
end

local KV <const> = (os.getenv("GANTRY_CACHE") or support.source .. "/.cache") .. "/kv/kv-1.8"

-- Generous: some engines share two processors with a whole test run.
local START_TIMEOUT <const> = "60s"

describe("on " .. matrix.engine, function()
  local runtime_dir

  before_each(function() runtime_dir = matrix.begin(engine) end)
  after_each(function() matrix.finish(engine, runtime_dir) end)

  ---A policy of the test plugin on this engine.
  ---@param changes table?
  ---@param ... string the plugin's flags
  local function policy(changes, ...)
    local config = support.kv(...)
    config.runtime, config.start_timeout, config.rootless = runtime, START_TIMEOUT, about.rootless
    for name, value in pairs(changes or {}) do config[name] = value end
    return config
  end

  ---Why the engine cannot limit memory, where it refuses to be asked for that.
  ---@return string? reason
  local function without_limits()
    local plan, err = gantry.plan(policy { memory = "256MiB" }, { runtime_dir = runtime_dir })
    assert(plan or err.code == "LIMIT_NOT_DELEGATED", err)
    return err and err.message
  end

  ---@param config table
  ---@param options table?
  ---@return gantry.Plugin?, gantry.Error?
  local function launch(config, options)
    options = options or {}
    options.runtime_dir = runtime_dir
    return gantry.launch(config, options)
  end

  local function refused(config, code)
    local plugin <close>, err = launch(config)
    assert.is_nil(plugin)
    assert.are.equal(code, err.code, tostring(err))
    return err
  end

  ---Launches, calls and stops.
  ---@param config table
  local function serves(config)
    local plugin <close> = assert(launch(config))
    assert(plugin:call("proto.KV/Put", wire.bytes_field(1, "key") .. wire.bytes_field(2, "value")))
    local reply = assert(plugin:call("proto.KV/Get", wire.bytes_field(1, "key")))
    assert.are.equal("value", wire.fields(reply)[1])
    local exit = plugin:stop()
    assert.are.same({ "exit", 0, true }, { exit.cause, exit.code, exit.requested })
  end

  ---Launches and stops a plugin that locks its memory.
  ---@param tag string
  ---@param as_it_is boolean? where the engine has no right to give: what the kernel says then
  ---@return table? skipped
  local function serves_locked(tag, as_it_is)
    local plugin <close>, err = launch(policy({ tag = tag, cap_ipc_lock = not as_it_is }, "-mlock"))
    if not plugin and err.field == "cap_ipc_lock" and err.code == "ENGINE_UNSUPPORTED" then
      return serves_locked(tag, true)
    end
    if not plugin then
      local last = err.diagnosis and err.diagnosis.output[#err.diagnosis.output]
      local refusal = last and last.line:match("mlockall: (.+)$")
      -- The kernel counts IPC_LOCK of its first user namespace alone; older gVisor knows no capabilities of files.
      if refusal and gvisor then return skip("gVisor refuses mlockall: " .. refusal) end
      if refusal and (about.rootless or about.remapped) then
        return skip(("the kernel refuses mlockall in a user namespace: %s (RLIMIT_MEMLOCK is %s KiB and could not be "
          .. "raised)"):format(refusal, os.getenv("GANTRY_MATRIX_MEMLOCK") or "?"))
      end
      error(tostring(err))
    end
    assert.are.equal(0, plugin:stop().code)
  end

  if runtime == "runsc-closed" then
    case("no host-uds", function()
      local config = policy { start_timeout = "3s" }
      local err = refused(config, "SOCKET_NOT_VISIBLE")
      assert.is_truthy(err.message:find("--host-uds", 1, true), err.message)
    end)
    return
  end

  case("launch", function() serves(policy()) end)

  case("from a binary", function()
    local folder, loaded = support.temporary(), 0
    local _ <close> = setmetatable({}, { __close = function() support.remove(folder) end })
    local config = policy { binary = KV }
    config.image, config.tag = nil, nil
    local function once()
      local plugin <close> = assert(launch(config, { environment = { GANTRY_STATE_DIR = folder },
        on_event = function(kind) loaded = loaded + (kind == "loading" and 1 or 0) end }))
      assert(plugin:call("proto.KV/Put", wire.bytes_field(1, "key") .. wire.bytes_field(2, "value")))
      config.sha256 = plugin.reference:match "%x+$"
      assert.are.equal(0, plugin:stop().code)
    end
    once()
    once()
    assert.is_true(loaded <= 1) -- engines with several runtimes have it from the first
    assert.are.equal(64, #config.sha256)
  end)

  case("AutoMTLS", function() serves(policy { auto_mtls = true }) end)

  case("nonroot", function() serves(policy { tag = "nonroot" }) end)

  if about.rootless then
    case("nonroot refused", function()
      local config = policy { tag = "nonroot", rootless = false }
      local image = assert(engine:image "gantry-test-kv:nonroot").id
      -- A container that has one user alone, the caller, has nobody to be refused.
      if engine:caller_inside { image = image, runtime = runtime } then return serves(config) end
      local err = refused(config, "ROOTLESS_USER")
      assert.is_truthy(err.message:find("rootless = true", 1, true), err.message)
    end)
  end

  case("credentials", function()
    local helper, secret = compile_reader(runtime_dir), runtime_dir .. "/secret"
    support.write(secret, "sesame")
    for _, tag in ipairs { "latest", "nonroot" } do
      local said, all = {}, task.event()
      local function on_output(_, bytes)
        said[#said + 1] = bytes
        if table.concat(said):find("written: %a") then all:set() end
      end
      local config = policy { tag = tag, entrypoint = { "/reader" }, credentials = { it = secret },
        mounts = { { source = helper, target = "/reader", read_only = true } } }
      local plugin <close>, err = launch(config, { on_output = on_output })
      if not plugin and err.code == "ENGINE_UNSUPPORTED" then
        os.remove(helper)
        os.remove(secret)
        return skip(err.message)
      end
      assert(plugin, err)
      task.deadline(10, all.wait, all) -- two pipes lead out of a container: the handshake may come first
      assert.matches("credential: sesame", table.concat(said))
      assert.matches("written: no", table.concat(said))
      local source
      for _, mount in ipairs(assert(engine:inspect(plugin.container)).mounts) do
        source = mount.target == "/run/credentials/kv" and mount.source or source
      end
      plugin:stop()
      assert.is_nil(core.system.stat(source))
    end
    os.remove(helper)
    os.remove(secret)
  end)

  case("read-only below", function()
    -- /dev has mounts of its own on any machine, such as /dev/pts.
    local plugin <close>, err = launch(policy { mounts = { { source = "/dev", target = "/data", read_only = true } } })
    if not plugin then
      assert.are.equal("MOUNT_NOT_READ_ONLY", err.code, tostring(err))
      return skip "the engine knows no mounts that are read-only all the way down: refused by name"
    end
    local pid, count = assert(engine:inspect(plugin.container)).state.pid, 0
    for _, one in ipairs(mount_table.parse(support.read(("/proc/%d/mountinfo"):format(pid)))) do
      if one.path:find "^/data/" then
        assert.matches(",ro,", "," .. one.options .. ",", one.path)
        count = count + 1
      end
    end
    assert.is_true(count > 0)
    plugin:stop()
  end)

  case("mlock", function() return serves_locked "latest" end)

  case("nonroot mlock", function()
    if not engine:image("gantry-test-kv:nonroot-mlock") then
      return skip "no image whose binary has the file's capability: setcap was missing"
    end
    return serves_locked "nonroot-mlock"
  end)

  case("pin", function()
    local id = assert(engine:image("gantry-test-kv:latest")).id
    serves(policy { sha256 = id })
    local err = refused(policy { sha256 = ("0"):rep(64) }, "IMAGE_PIN_MISMATCH")
    assert.is_truthy(err.message:find(id, 1, true), err.message)
  end)

  case("early exit", function()
    for _ = 1, 3 do
      local err = refused(policy({}, "-exit-now", "3", "-say", "bye from broken"), "EXITED_BEFORE_HANDSHAKE")
      local found = err.diagnosis
      assert.are.equal(3, found.exit.code)
      local last = found.output[#found.output]
      assert.is_truthy(last and last.line:find("bye from broken", 1, true), tostring(err))
      assert.are.equal(runtime or about.default_runtime, found.runtime)
    end
  end)

  case("no entrypoint", function()
    local err = refused(policy { entrypoint = { "/no/such/file" } }, "START_FAILED")
    assert.is_truthy(err.message:find("'/no/such/file' is not in the image", 1, true), err.message)
  end)

  case("no loader", function()
    local program = assert(core.system.real_path "/usr/bin/lua5.4")
    local err = refused(policy { entrypoint = { "/plugin" }, mounts = { { source = program, target = "/plugin",
      read_only = true } } }, "START_FAILED")
    assert.is_truthy(err.message:find("'/plugin' is a dynamic program, and the image lacks its loader", 1, true),
      err.message)
  end)

  case("head of a file", function()
    local plugin <close> = assert(launch(policy()))
    local head = assert(engine:read_head(plugin.container, "/kv", 4096))
    assert.are.same({ "file", "\127ELF", 4096 }, { head.kind, head.bytes:sub(1, 4), #head.bytes })
    assert.are_not.equal(0, head.mode & tonumber("111", 8))
    assert.are.equal("folder", assert(engine:read_head(plugin.container, "/tmp", 4096)).kind)
    local nothing, err = engine:read_head(plugin.container, "/nowhere", 4096)
    assert.is_nil(nothing)
    assert.are.equal("NOT_FOUND", err.code)
  end)

  case("no cookie", function()
    local err = refused(policy { cookie = { "OTHER_COOKIE", "x" } }, "EXITED_BEFORE_HANDSHAKE")
    assert.is_truthy(err.message:find("does not take the policy's magic cookie OTHER_COOKIE", 1, true), err.message)
  end)

  case("out of memory", function()
    local config = policy({ memory = gvisor and "128MiB" or "32MiB" }, "-allocate", tostring(256 * 1024 * 1024),
      "-allocate-after", "1s", "-exit-after", "8s")
    -- On a busy machine, dockerd loses the news of some of them for good (3 of 32).
    for _ = 1, 4 do
      local plugin <close>, err = launch(config)
      if not plugin and err.code == "LIMIT_NOT_DELEGATED" then return skip(err.message) end
      local exit = assert(plugin, err):wait()
      if exit.cause == "oom" then return assert.are.equal(137, exit.code) and nil end
      if exit.cause == "exit" and exit.code == 0 and about.rootless then
        return skip(("limits are ignored: memory of 256 MiB was used under a limit of %s (cgroup driver %s)")
          :format(config.memory, tostring(assert(engine:info()).cgroup_driver)))
      end
      assert.are.same({ "signal", 137 }, { exit.cause, exit.code })
    end
    assert.is_true(podman, "the engine says OOMKilled: false of four plugins that it killed")
    return skip "the engine says OOMKilled: false of what it killed, four times of four"
  end)

  case("kill", function()
    local plugin <close> = assert(launch(policy()))
    assert.is_true(plugin:kill("KILL"))
    local exit = plugin:wait()
    assert.are.same({ "signal", "KILL", 137, false }, { exit.cause, exit.signal, exit.code, exit.requested })
  end)

  case("statistics", function()
    local unlimited = without_limits()
    local plugin <close> = assert(launch(policy { memory = not unlimited and "256MiB" or nil }))
    local stats, err = plugin:stats()
    if not stats then
      assert.are.equal("STATS_UNKNOWN", err.code, tostring(err))
      assert.are.equal("none", assert(engine:info()).cgroup_driver)
      return skip(err.message)
    end
    plugin.cgroup = false
    local told = assert(plugin:stats())
    assert.are.same({ "cgroup", "engine" }, { stats.source, told.source })
    if unlimited then return skip(unlimited) end
    for _, one in ipairs { stats, told } do
      assert.are.equal(256 * 1024 * 1024, one.memory_limit_bytes, one.source)
      assert.is_true(one.memory_bytes > 0 and one.memory_bytes < one.memory_limit_bytes, one.source)
    end
    assert.is_true(0 < stats.cpu_seconds and stats.cpu_seconds <= told.cpu_seconds)
  end)

  case("events", function()
    task.run(function()
      local followed = deaths.new(engine, { [LABEL.owner] = ownership.owner() })
      local scope <close> = task.scope()
      scope:spawn(followed.run, followed)
      local plugin <close> = assert(launch(policy({}, "-exit-after", "300ms", "-exit-code", "7")))
      local death = assert(followed:await(plugin.container, 30), "no event told of the death")
      assert.are.same({ 7, false }, { death.code, death.oom })
      assert.is_true(death.uptime > 0.1)
      plugin:wait()
      scope:cancel()
    end)
  end)

  case("stop", function()
    local plugin <close> = assert(launch(policy({ stop_timeout = "500ms" }, "-ignore-shutdown", "-ignore-sigterm")))
    local exit = plugin:stop()
    assert.are.equal("KILL", exit.signal)
    assert.is_true(exit.requested)
  end)

  case("kill -9", function()
    local file = support.write(runtime_dir .. ".lua", support.policy_text(
      ("name = 'kv', runtime = %s, start_timeout = %q"):format(runtime and ("%q"):format(runtime), START_TIMEOUT)))
    local _ <close> = setmetatable({}, { __close = function() os.remove(file) end })
    task.run(function()
      local command = support.command({ "run", file }, { runtime_dir = runtime_dir })
      command:await("stdout", "\n")
      command:kill("KILL")
      assert.are.equal(9, command:wait().signal)
      -- What no daemon keeps ends with who made it, now or before it is found.
      local left = support.containers(runtime_dir)
      assert.is_true(#left == 1 or #left == 0 and engine.kind == "oci")

      local removed = {}
      local plugin <close> = assert(launch(policy(), { on_event = function(kind, fields)
        if kind == "leftovers" then removed = fields.containers end
      end }))
      if engine.kind ~= "oci" or #removed > 0 then assert.are.same({ left[1].id }, removed) end
      if left[1] then assert.is_nil(engine:inspect(left[1].id)) end
      assert.are.equal(1, #support.containers(runtime_dir))
      assert.are.equal("ready", plugin.state)
    end)
  end)

  case("plan", function()
    local plan = assert(gantry.plan(policy(), { runtime_dir = runtime_dir }))
    local mounts = engine.kind == "oci" and plan.request.mounts or plan.request.HostConfig.Mounts
    local targets = {}
    for i, mount in ipairs(mounts) do targets[i] = mount.destination or mount.Target end
    assert.is_true(seen.contains(targets, runtime_dir .. "/kv"))
  end)

  case("fields", function()
    return matrix.check_fields(engine, function(changes) return launch(policy(changes)) end)
  end)

  ---The plugin of go-plugin 1.4, which is more than one program.
  ---@param changes table
  ---@param ... string its arguments
  local function old(changes, ...)
    changes.name, changes.image, changes.cookie = "old", "gantry-test-old", { "GANTRY_OLD_COOKIE", "8d2c" }
    return policy(changes, ...)
  end

  ---Runs the program that writes files here and there, and holds what it says against patterns.
  ---@param fields string of the policy
  ---@param patterns string[]
  local function writes(fields, patterns)
    local file = support.write(runtime_dir .. ".lua", ('return { name = "old", image = "gantry-test-old", '
      .. 'disable_network = true, memory = %s, runtime = %s, %s }'):format(without_limits() and "nil" or '"256MiB"',
      runtime and ("%q"):format(runtime), fields))
    local _ <close> = setmetatable({}, { __close = function() os.remove(file) end })
    local result = support.run({ "-c", ("%s exec %s files </dev/null | cat"):format(support.executable, file) },
      { executable = "/bin/sh", runtime_dir = runtime_dir })
    for _, said in ipairs(patterns) do assert.matches(said, result.stdout, result.stderr) end
    task.run(function()
      support.eventually("the container is gone", function() return #matrix.left(engine, runtime_dir) == 0 end)
    end)
  end

  case("temporary files", function()
    writes("", { "^TMPDIR /tmp memory true", "\nwrite program: <nil>", "\nrun program: <nil>",
      "\nwrite /written: [^\n]*read%-only", "\nwrite %./written: [^\n]*read%-only" })
  end)

  case("root of its own", function()
    -- It is root's in the container, whom a user is not where the engine maps its own users to others.
    local said = about.remapped and core.system.euid() ~= 0 and "[^\n]*permission denied" or "<nil>"
    writes("read_only = false", { "^TMPDIR /tmp memory true", "\nwrite /written: " .. said,
      "\nwrite %./written: " .. said })
    if said ~= "<nil>" then return end
    -- The image's is as it was.
    local plugin <close> = assert(launch(policy { image = "gantry-test-old",
      cookie = { "GANTRY_OLD_COOKIE", "8d2c" } }))
    local nothing, err = engine:read_head(plugin.container, "/written", 16)
    assert.is_nil(nothing)
    assert.are.equal("NOT_FOUND", err.code)
  end)

  case("sockets of go-plugin 1.4", function()
    if about.remapped and core.system.euid() ~= 0 then
      local err = refused(old {}, "SOCKET_DENIED") -- it lets no group in
      assert.is_truthy(err.message:find('userns_mode = "host" and user = "', 1, true), err.message)
      return
    end
    local state = { GANTRY_STATE_DIR = runtime_dir .. "-state" }
    local _ <close> = setmetatable({}, { __close = function() support.remove(state.GANTRY_STATE_DIR) end })
    local warnings = {}
    for _ = 1, 2 do
      local plugin <close> = assert(launch(old {}, { environment = state, on_event = function(kind, fields)
        local again = kind == "warning" and fields.text:find("started once more", 1, true)
        if again then warnings[#warnings + 1] = fields.text end
      end }))
      assert.are.equal("ready", plugin.state)
      assert.are.equal(0, plugin:stop().code)
    end
    assert.are.equal(1, #warnings, table.concat(warnings, "\n"))
  end)

  case("TCP", function()
    local address = "127.0.0.1:18399"
    local plugin <close>, err = launch(old({ networks = { "host" }, disable_network = false,
      userns_mode = about.remapped and "host" or nil }, "tcp", address, address))
    -- An engine whose user may not enter the host's network cannot give it to a container.
    local cannot = err and (err.code == "DIAL_FAILED" or err.code == "START_FAILED" and about.rootless)
    if cannot then return skip(err.message) end
    assert.are.equal(address, assert(plugin, err).address.string)
    assert.are.equal("\8\1", plugin:call("grpc.health.v1.Health/Check", ""))
  end)

  case("groups of the caller", function()
    local warnings = {}
    local plugin <close>, err = launch(policy { group_add = { "caller", 4321 } }, { on_event = function(kind, fields)
      if kind == "warning" then warnings[#warnings + 1] = fields.text end
    end })
    if not plugin and err.code == "ENGINE_UNSUPPORTED" then
      assert.is_truthy(err.message:find("setfacl -m u:", 1, true), err.message)
      serves(policy { group_add = { "caller" } })
      return skip(err.message)
    end
    assert(plugin, err)
    local groups = table.concat(seen.of(engine, plugin.container).groups, " ") .. " "
    assert.is_truthy(groups:find("4321 ", 1, true))
    local told = table.concat(warnings, "\n"):find("setfacl -m u:", 1, true) ~= nil
    assert.are.equal(about.rootless, told, table.concat(warnings, "\n"))
    for _, gid in ipairs(about.rootless and {} or core.group.supplementary()) do
      assert.is_truthy((" " .. groups):find((" %d "):format(gid), 1, true), groups)
    end
  end)

  case("no network", function()
    local plugin <close> = assert(launch(policy()))
    local found = seen.of(engine, plugin.container)
    assert.are.same({ false, {} }, { found.network, found.addresses })
  end)

  case("networks host and none", function()
    serves(policy { disable_network = false, networks = { "none" } })
    -- An engine that maps users gives the host's network to nobody whom it has mapped.
    local config = policy { disable_network = false, networks = { "host" }, userns_mode = about.remapped and "host"
      or nil }
    local plugin <close>, err = launch(config)
    if plugin then return assert.are.equal("exit", plugin:stop().cause) and nil end
    -- rootlesskit gave this one no network of its own (--net=host), and that of the machine is not its to give.
    assert.is_true(about.rootless and err.code == "START_FAILED", tostring(err))
    return skip("the rootless engine has no network to give: " .. err.message)
  end)

  if about.rootless and not runtime then
    case("without variables, as from cron", function()
      local path = support.write(runtime_dir .. "/kv.lua", support.policy_text 'name = "kv", start_timeout = "60s"')
      local bare = { environment = { "XDG_RUNTIME_DIR=", "DOCKER_HOST=", "GANTRY_STATE_DIR=" .. runtime_dir
        .. "/state" } }
      task.run(function()
        local command = support.command({ "run", path }, bare)
        local address = command:await("stdout", '"string":"([^"]+)"')
        assert.are.equal(("/run/user/%d/gantry/kv.sock"):format(core.system.euid()), address)
        -- From a login, the same is found.
        bare.environment[1] = ("XDG_RUNTIME_DIR=/run/user/%d"):format(core.system.euid())
        assert.are.equal(0, support.command({ "reattach", "kv" }, bare):wait().code)
        command:kill "TERM"
        assert.are.equal(0, command:wait().code)
      end)
      assert(os.execute("rm -rf " .. path .. " " .. runtime_dir .. "/state"))
    end)
  end

  if about.remapped then
    case("userns_mode host", function() serves(policy { tag = "nonroot", userns_mode = "host" }) end)

    case("a host's plugin", function()
      if not hosts.find("hold") then return skip "go-plugin's hosts are not there, or not for this user" end
      task.run(function()
        local file = hosts.policy(runtime_dir .. "/policy", 'image = "gantry-test-kv:latest", disable_network = true, '
          .. ('start_timeout = %q'):format(START_TIMEOUT))
        local own = runtime_dir .. "/run"
        assert(os.execute("mkdir -m 700 " .. own))
        local host = hosts.start("hold", { file }, { runtime_dir = own, input = "pipe" })
        host:await("stdout", "ready")
        host.process:close_input()
        assert.are.equal(0, host:wait().code)
        hosts.assert_nothing_left(file, own)
        assert(os.execute(("rm %s && rmdir %s"):format(file, own)))
      end)
    end)

    case("userns refused", function()
      local err = refused(policy { socket_group = core.system.egid() }, "USERNS_GROUP")
      assert.is_truthy(err.message:find('userns_mode = "host"', 1, true), err.message)
    end)
  end

  case("runtime refused", function()
    local err = refused(policy { runtime = "no-such-runtime" }, podman and "ENGINE_UNSUPPORTED" or "RUNTIME_UNKNOWN")
    assert.is_truthy(err.message:find("runtime", 1, true), err.message)
  end)

  case("mount refused", function()
    local missing = runtime_dir .. "-missing"
    local plugin <close>, err = launch(policy { mounts = { { source = missing, target = "/data" } } })
    assert.is_nil(plugin)
    assert.is_truthy(err.message:find(missing, 1, true), err.message)
    assert.is_nil(core.system.stat(missing))
  end)
end)
