-- SPDX-License-Identifier: Apache-2.0
--
--- `gantry exec` with a gate instead of an engine, under hosts that know nothing of either: what they hear and when,
--- and what is left after whoever was killed. The gate is a process of this machine here; exec_pod_spec.lua has it in
--- a container beside the host's.

local core = require "gantry.core"
local hosts = require "engine.hosts"
local support = require "engine.support"
local task = require "gantry.task"

local GATE <const> = support.executable:gsub("[^/]*$", "") .. "libexec/gantry/gantry-gate"
local KV <const> = (os.getenv("GANTRY_CACHE") or support.source .. "/.cache") .. "/kv/kv-1.8"
local HANDSHAKE <const> = { "PLUGIN_MIN_PORT=10000", "PLUGIN_MAX_PORT=25000", "PLUGIN_PROTOCOL_VERSIONS=1" }
local FIELDS <const> = 'image = "nowhere", disable_network = true,\n'

describe("gantry exec by a gate", function()
  local root, folder, policy, commands

  before_each(function()
    root = support.temporary()
    folder, policy, commands = root .. "/gates", root .. "/kv", {}
    assert(os.execute("mkdir -m 1777 " .. folder))
  end)

  after_each(function()
    task.run(function()
      support.end_all(commands)
      support.eventually("no process of " .. policy, function()
        local _, count = hosts.processes(policy)
        return count == 0
      end)
    end)
    support.remove(root)
  end)

  ---@param program string[]
  ---@param options table? arguments: of the gate; by: what starts it; gate: another one
  local function gate(program, options)
    options = options or {}
    local path = options.path or folder .. "/kv.gate"
    local arguments = { table.unpack(options.by or {}) }
    arguments[#arguments + 1] = options.gate or GATE
    for _, some in ipairs { { "--socket", path, "--serve" }, options.arguments or {}, { "--" }, program } do
      table.move(some, 1, #some, #arguments + 1, arguments)
    end
    local command = support.command({ table.unpack(arguments, 2) }, { executable = arguments[1], directory = root })
    commands[#commands + 1] = command
    if not options.later then
      support.eventually("a gate at " .. path, function()
        return os.execute(("%s --probe %s 2>/dev/null"):format(GATE, path)) == true
      end, 30)
    end
    return command
  end

  ---@param arguments string[]?
  ---@param fields string?
  ---@param environment string[]?
  local function hold(arguments, fields, environment)
    if not core.system.stat(policy) then hosts.policy(policy, FIELDS .. (fields or "")) end
    local all = { table.unpack(arguments or {}) }
    all[#all + 1] = policy
    local host = hosts.start("hold", all, { runtime_dir = root, input = "pipe", environment = {
      "GANTRY_GATES=" .. folder, "DOCKER_HOST=unix:///nowhere", table.unpack(environment or {}) } })
    commands[#commands + 1] = host
    return host
  end

  local function close(host)
    host.process:close_input()
    assert.are.equal(0, host:wait().code, host.stderr)
    assert.is_nil(host.stderr:find("failed to exit gracefully", 1, true), host.stderr)
  end

  ---Runs a stand-in without a host.
  local function stand_in(fields, environment)
    hosts.policy(policy, FIELDS .. (fields or ""))
    local entries = { "GANTRY_KV_COOKIE=" .. support.cookie[2], "GANTRY_GATES=" .. folder, table.unpack(HANDSHAKE) }
    table.move(environment or {}, 1, #(environment or {}), #entries + 1, entries)
    local command = support.command({}, { executable = policy, runtime_dir = root, environment = entries })
    commands[#commands + 1] = command
    command:wait()
    return command
  end

  local function it_if_built(what, fn)
    it(what, function()
      if not hosts.find "hold" then return pending "go-plugin's hosts need a newer Go" end
      task.run(fn)
    end)
  end

  ---The plugin's process.
  local function plugin_pid()
    local pipe <close> = assert(io.popen("pgrep -f '^" .. root .. "/plugin'"))
    return math.tointeger(tonumber(pipe:read "l"))
  end

  local function no_plugin()
    support.eventually("no plugin", function() return plugin_pid() == nil end)
  end

  ---A plugin of this test's own path, by which it is found.
  local function plugin()
    assert(os.execute(("cp %s %s/plugin"):format(KV, root)))
    return root .. "/plugin"
  end

  for what, arguments in pairs { ["without AutoMTLS"] = {}, ["with AutoMTLS"] = { "-mtls" },
    ["multiplexed"] = { "-multiplex", "-mtls" } } do
    it_if_built("runs a plugin " .. what .. ", one after another, and asks no engine", function()
      gate { plugin() }
      for _ = 1, 3 do
        local host = hold(arguments)
        host:await("stdout", "ready")
        close(host)
      end
      no_plugin()
    end)
  end

  it_if_built("finds its gate by the policy's field, in a folder of its own", function()
    assert(os.execute("mkdir -p " .. root .. "/own/kv"))
    gate({ plugin() }, { path = root .. "/own/kv/kv.gate" })
    local host = hold({}, ("gate = %q,"):format(root .. "/own"))
    host:await("stdout", "ready")
    assert.matches(root .. "/own/kv/plugin", host.stderr, 1, true)
    close(host)
  end)

  it_if_built("waits for a gate that comes later, and for the one after one that ends", function()
    local host = hold()
    task.sleep(0.3)
    local first = gate { plugin() }
    host:await("stdout", "ready")
    close(host)
    first:kill "TERM"
    first:wait()
    local second = hold()
    task.sleep(0.3)
    gate { plugin() }
    second:await("stdout", "ready")
    close(second)
  end)

  it_if_built("serves two hosts that ask at the same instant", function()
    gate { plugin() }
    local both = {}
    for i = 1, 6 do both[i] = hold() end
    for i = 1, 6 do both[i]:await("stdout", "ready") end
    for i = 1, 6 do close(both[i]) end
    no_plugin()
  end)

  it_if_built("hands in what the host meant for its plugin, and what the policy says", function()
    gate({ "/bin/sh", "-c", "env >" .. root .. "/env; pwd >>" .. root .. "/env; exec " .. plugin() },
      { by = { "/usr/bin/env", "-i", "OF_IMAGE=kept", "PATH=/usr/bin:/bin" } })
    local host = hold({ "-add", "FOR_PLUGIN=yes" },
      ('env = { MORE = "1" }, pass_env = { "WANTED" }, working_dir = "/usr", '
      .. 'ulimits = { { name = "nofile", soft = 77, hard = 99 } },'), { "WANTED=1", "SECRET=hidden" })
    host:await("stdout", "ready")
    local found = support.read(root .. "/env")
    for _, entry in ipairs { "FOR_PLUGIN=yes", "MORE=1", "WANTED=1", "OF_IMAGE=kept",
      "PLUGIN_UNIX_SOCKET_DIR=" .. folder, "GANTRY_KV_COOKIE=" .. support.cookie[2] } do
      assert.is_truthy(("\n" .. found):find("\n" .. entry .. "\n", 1, true), entry .. " in " .. found)
    end
    assert.is_nil(found:find("SECRET", 1, true))
    assert.matches("\n/usr\n$", found)
    assert.matches("Max open files%s+%d+%s+99 ", support.read(("/proc/%d/limits"):format(plugin_pid())))
    close(host)
  end)

  it_if_built("hands in more than 128 KiB of environment, and says so where no kernel takes as much", function()
    gate { plugin() }
    local many = {}
    for i = 1, 30 do many[i] = ("BIG_%d=%s"):format(i, ("x"):rep(10000)) end
    local host = hold({}, 'pass_env = { "BIG_*" },', many)
    host:await("stdout", "ready")
    local environ = support.read(("/proc/%d/environ"):format(plugin_pid()))
    assert.is_true(#environ > 300000)
    close(host)
    local result = stand_in([[env = (function()
      local all = {}
      for i = 1, 60 do all["BIG_" .. i] = ("x"):rep(131000) end
      return all
    end)(),]])
    assert.are.equal(1, result.exit.code)
    assert.matches("Argument list too long", result.stdout, 1, true)
  end)

  ---OpenTofu, which starts its provider time and again, several at once.
  ---@param ... string
  local function tofu(...)
    local result = hosts.run("tofu", { ... }, { runtime_dir = root, directory = root .. "/work", environment = {
      "TF_CLI_CONFIG_FILE=" .. root .. "/tofu.rc", "CHECKPOINT_DISABLE=1", "TF_IN_AUTOMATION=1", "HOME=" .. root,
      "GANTRY_GATES=" .. folder, "DOCKER_HOST=unix:///nowhere" } })
    assert.are.equal(0, result.code, result.stdout .. result.stderr)
    return result
  end

  it("serves OpenTofu: plan, apply, destroy", function()
    if not hosts.find "tofu" or not hosts.find "provider-time" then return pending "OpenTofu was not built" end
    task.run(function() gate({ hosts.find "provider-time" }, { path = folder .. "/time.gate" }) end)
    local mirror = ("%s/mirror/registry.opentofu.org/hashicorp/time/0.14.2/linux_%s"):format(root,
      io.popen("go env GOARCH 2>/dev/null || echo amd64"):read "l")
    assert(os.execute(("mkdir -p %s %s/work"):format(mirror, root)))
    hosts.policy(mirror .. "/terraform-provider-time_v0.14.2", FIELDS .. 'name = "time",')
    support.write(root .. "/tofu.rc",
      ('provider_installation {\n  filesystem_mirror {\n    path = "%s/mirror"\n  }\n}\n'):format(root))
    support.write(root .. "/work/main.tf", [[
terraform {
  required_providers { time = { source = "hashicorp/time", version = "0.14.2" } }
}
resource "time_static" "now" {}
output "at" { value = time_static.now.rfc3339 }
]])
    tofu "init"
    tofu("plan", "-out=saved")
    tofu("apply", "saved")
    assert.matches("^%d%d%d%d%-", tofu("output", "-raw", "at").stdout)
    tofu("destroy", "-auto-approve")
  end)

  -- ---- what goes wrong ----

  local function fails(what, text, start, fields)
    it("tells why there is no plugin: " .. what, function()
      task.run(function()
        if start then start() end
        local result = stand_in(fields)
        assert.are.equal(1, result.exit.code)
        assert.is_truthy(result.stdout:find(text, 1, true), result.stdout)
        assert.is_truthy(result.stderr:find('"@level":"error"', 1, true), result.stderr)
      end)
    end)
  end

  local function script(text)
    support.write(root .. "/program", text)
    assert(os.execute(("chmod 755 %s/program"):format(root)))
    return { root .. "/program" }
  end

  it("tells of what only a container that it made could have", function()
    task.run(function()
      gate { KV, "-exit-now", "0" }
      local result = stand_in 'cwd = "rw", outlive_host = true,'
      assert.is_truthy(result.stderr:find("where cwd of its policy does nothing", 1, true), result.stderr)
      assert.is_truthy(result.stderr:find("where outlive_host of its policy does nothing", 1, true), result.stderr)
    end)
  end)

  fails("nobody listens", "no gate answered for plugin 'kv' at", nil, 'start_timeout = "1s",')
  fails("no such program", "there is no such program in its container", function() gate { "/no/such" } end)
  fails("not executable", "Permission denied", function()
    support.write(root .. "/program", "text")
    gate { root .. "/program" }
  end)
  fails("of another machine", "Exec format error", function()
    gate(script("\127ELF\2\1\1\0\0\0\0\0\0\0\0\0\2\0\xf3\0\1\0\0\0" .. ("\0"):rep(64)))
  end)
  fails("an interpreter that is missing", "but not the interpreter or loader", function()
    gate(script "#!/no/such/shell\n")
  end)
  fails("no folder to start in", "No such file or directory", function() gate { KV } end, 'working_dir = "/no/such",')

  it("says what to do where the gate is of another version", function()
    assert(os.execute(([[cd %s && cp -r %s/src . && sed -i 's/\(GATE_VERSION[A-Z_]*\) 1$/\1 7/' src/gate/protocol.h &&
      musl-gcc -std=gnu11 -D_GNU_SOURCE -DGANTRY_VERSION='"7"' -static -Isrc src/gate/*.c src/core/system/text.c \
      -o other]]):format(root, support.source)))
    task.run(function()
      gate({ KV }, { gate = root .. "/other" })
      local result = stand_in()
      assert.are.equal(1, result.exit.code)
      assert.is_truthy(result.stdout:find("its gate is of another version: install that of this gantry", 1, true),
        result.stdout)
    end)
  end)

  it("refuses a gate of somebody else's", function()
    if core.system.euid() ~= 0 then return pending "needs to be root" end
    task.run(function()
      assert(os.execute("chmod 755 " .. root))
      gate({ KV, "-exit-now", "7" },
        { by = { "/usr/bin/setpriv", "--reuid=4321", "--clear-groups" }, arguments = { "--asker", "0" } })
      local result = stand_in()
      assert.are.equal(1, result.exit.code)
      assert.matches("user 4321 listens there", result.stdout, 1, true)
      -- It may be somebody else's where the policy says whose.
      assert.are.equal(7, stand_in('user = "4321",').exit.code)
    end)
  end)

  it_if_built("meets a plugin of another user by the group of what they share", function()
    if core.system.euid() ~= 0 then return pending "needs to be root" end
    assert(os.execute(("chmod 755 %s && chgrp 4444 %s && chmod 2770 %s"):format(root, folder, folder)))
    gate({ plugin() }, { by = { "/usr/bin/setpriv", "--reuid=4321", "--groups=4444" }, arguments = { "--asker", "0" } })
    local host = hold({}, 'user = "4321:4321",')
    host:await("stdout", "ready")
    local pipe <close> = assert(io.popen(("stat -c '%%a %%g' %s/plugin*"):format(folder)))
    assert.are.equal("660 4444", pipe:read "l")
    close(host)
  end)

  it("has the plugin's program answer who asks it something", function()
    task.run(function()
      gate { "/bin/sh", "-c", 'echo "asked $*"; echo on error >&2; exit 5', "sh" }
      hosts.policy(policy, FIELDS)
      local command = support.command({ "version", "--all" }, { executable = policy, runtime_dir = root,
        environment = { "GANTRY_GATES=" .. folder } })
      commands[#commands + 1] = command
      assert.are.equal(5, command:wait().code)
      assert.are.equal("asked version --all\n", command.stdout)
      assert.are.equal("on error\n", command.stderr)
    end)
  end)

  it("passes the exit code on, and what the plugin wrote last", function()
    task.run(function()
      gate { KV, "-exit-now", "7", "-say", "the last words" }
      local result = stand_in()
      assert.are.equal(7, result.exit.code)
      assert.is_truthy(result.stderr:find("the last words", 1, true), result.stderr)
    end)
  end)

  it("says no line for a plugin that has none, in a folder without room", function()
    if core.system.euid() ~= 0 then return pending "needs to be root" end
    task.run(function()
      -- Room for the gate's own socket, and none for the plugin's.
      gate({ KV }, { by = { "/usr/bin/unshare", "-m", "/bin/sh", "-c",
        ('mount -t tmpfs -o size=16k,nr_inodes=3,mode=777 none "$0" && : >"$0/fill"; shift 0; exec "$@"'):gsub("%$0",
          folder), "sh" }, later = true })
      task.sleep(0.5)
      -- That mount is the gate's alone: the stand-in is in it as well.
      local pid = math.tointeger(commands[1].process:pid())
      hosts.policy(policy, FIELDS)
      local command = support.command({ "-t", tostring(pid), "-m", policy }, { executable = "/usr/bin/nsenter",
        runtime_dir = root, environment = { "GANTRY_KV_COOKIE=" .. support.cookie[2], "GANTRY_GATES=" .. folder,
          table.unpack(HANDSHAKE) } })
      commands[#commands + 1] = command
      command:wait()
      assert.is_truthy(command.stderr:find("no space left on device", 1, true), command.stderr .. command.stdout)
    end)
  end)

  -- ---- ends ----

  local function await_failure(host)
    assert.are.equal(1, host:wait().code)
    no_plugin()
  end

  it_if_built("ends its plugin when the host is killed, and when the stand-in is", function()
    gate { plugin() }
    for _, victim in ipairs { "host", "face", "launcher" } do
      local host = hold()
      host:await("stdout", "ready")
      if victim == "host" then
        host.process:signal(9)
        host:wait()
        no_plugin()
      else
        assert(os.execute(("kill -9 %d"):format(hosts.processes(policy)[victim][1])))
        await_failure(host)
      end
      if victim == "launcher" then
        assert.is_truthy(host.stderr:find("the process that had asked its gate for it was killed", 1, true),
          host.stderr)
      end
    end
  end)

  it_if_built("tells its host when the gate is killed, and the next one finds the next gate", function()
    local first = gate { plugin() }
    local host = hold()
    host:await("stdout", "ready")
    first:kill "KILL"
    await_failure(host)
    assert.is_truthy(host.stderr:find("has ended with its container, or was killed with it", 1, true), host.stderr)
    gate { plugin() }
    local next_one = hold()
    next_one:await("stdout", "ready")
    close(next_one)
  end)

  it_if_built("ends with a gate that is told to end first, as kubelet does to a sidecar", function()
    local ended = gate { plugin() }
    local host = hold()
    host:await("stdout", "ready")
    ended:kill "TERM"
    assert.are.equal(0, ended:wait().code)
    await_failure(host)
  end)

  it_if_built("hears of the end of a plugin that is killed", function()
    gate { plugin() }
    local host = hold()
    host:await("stdout", "ready")
    assert(os.execute(("kill -9 %d"):format(plugin_pid())))
    await_failure(host)
  end)

  local ROUNDS <const> = math.tointeger(os.getenv "GANTRY_KILL_ROUNDS") or 40
  local SEED <const> = math.tointeger(os.getenv "GANTRY_KILL_SEED") or os.time()

  it_if_built("leaves no plugin, whoever is killed at whatever step of its start", function()
    math.randomseed(SEED)
    local serving
    for round = 1, ROUNDS do
      if not serving then serving = gate { plugin() } end
      local host = hold({}, 'start_timeout = "5s",')
      task.sleep(math.random() * 0.08)
      local victim = ({ "host", "face", "launcher", "gate" })[round % 4 + 1]
      local pid = victim == "face" and hosts.processes(policy).face[1]
        or victim == "launcher" and hosts.processes(policy).launcher[1]
      if pid then os.execute(("kill -9 %d 2>/dev/null"):format(pid)) end
      if victim == "host" then host.process:signal(9) end
      if victim == "gate" then
        serving:kill "KILL"
        serving:wait()
        serving = nil
      end
      host.process:close_input()
      host:wait() -- in order, or not: it returns
      no_plugin()
    end
    if not serving then gate { plugin() } end
    local host = hold()
    host:await("stdout", "ready")
    close(host)
  end)

  it_if_built("takes the output of a plugin that says much, whether or not its host reads fast", function()
    gate { plugin(), "-flood-stderr", tostring(3000000) }
    local host = hold()
    host:await("stdout", "ready")
    close(host)
  end)
end)
