-- SPDX-License-Identifier: Apache-2.0
--
--- `gantry exec` under a go-plugin host that knows nothing of it: environment, streams, ends, and what goes wrong.

local core = require "gantry.core"
local hosts = require "engine.hosts"
local support = require "engine.support"
local task = require "gantry.task"

local KV <const> = 'image = "gantry-test-kv:latest", disable_network = true,\n'
-- What every go-plugin host sets, for a stand-in that is started without one.
local HANDSHAKE <const> = { "PLUGIN_MIN_PORT=10000", "PLUGIN_MAX_PORT=25000", "PLUGIN_PROTOCOL_VERSIONS=1" }

describe("gantry exec", function()
  local root, runtime_dir, policy, held

  before_each(function()
    root = support.temporary()
    runtime_dir, policy, held = root .. "/run", root .. "/plugin", {}
    assert(os.execute("mkdir -m 700 " .. runtime_dir))
  end)

  after_each(function()
    for _, host in ipairs(held) do host.process:close() end -- where a test failed, they still run
    task.run(function() hosts.assert_nothing_left(policy, runtime_dir) end)
    support.remove(root)
  end)

  ---Starts the host `hold` on a policy; it closes the plugin when its input is closed.
  local function hold(fields, arguments, options)
    hosts.policy(policy, fields)
    options = options or {}
    options.runtime_dir, options.input = runtime_dir, "pipe"
    local all = { table.unpack(arguments or {}) }
    all[#all + 1] = policy
    held[#held + 1] = hosts.start("hold", all, options)
    return held[#held]
  end

  ---Holds the plugin, does something while it is there, and closes it.
  local function while_held(fields, arguments, fn, options)
    if not hosts.find("hold") then return pending("go-plugin's hosts need a newer Go") end
    return task.run(function()
      local host = hold(fields, arguments, options)
      host:await("stdout", "ready")
      fn(host)
      host.process:close_input()
      assert.are.equal(0, host:wait().code, host.stderr)
      assert.is_nil(host.stderr:find("failed to exit gracefully", 1, true), host.stderr)
      return host
    end)
  end

  ---Runs the policy as a host would, without one.
  local function execute(fields, environment, arguments)
    hosts.policy(policy, fields)
    local entries = { table.unpack(environment or {}) }
    entries[#entries + 1] = "GANTRY_KV_COOKIE=" .. support.cookie[2]
    table.move(HANDSHAKE, 1, #HANDSHAKE, #entries + 1, entries)
    return support.run(arguments or {}, { executable = policy, runtime_dir = runtime_dir, environment = entries })
  end

  ---The one in the runtime directory; its marker lies beside it.
  local function socket_directory()
    local found = {}
    for _, entry in ipairs(support.entries(runtime_dir)) do
      if not entry:find "^%." then found[#found + 1] = runtime_dir .. "/" .. entry end
    end
    assert.are.equal(1, #found)
    return found[1]
  end

  ---@return gantry.Container
  local function inspect()
    local found = support.containers(runtime_dir)
    assert.are.equal(1, #found)
    return assert(support.engine():inspect(found[1].id))
  end

  it("tells why a program was not run", function()
    hosts.policy(policy, KV .. "entrypoint = { '/nowhere' },")
    local options = { executable = policy, runtime_dir = runtime_dir,
      environment = { "GANTRY_KV_COOKIE=" .. support.cookie[2], table.unpack(HANDSHAKE) } }
    -- Some engines look at the command before they start the init.
    local said = support.run({}, options).stdout
    assert.is_truthy(said:find("with exit code 127 (if its program was not run, `gantry run` tells why): ", 1, true)
      or said:find("was not started: '/nowhere' is not in the image; correct the entrypoint", 1, true), said)
    hosts.policy(policy, KV .. "entrypoint = { '/nowhere' }, init = false,")
    assert.matches("was not started: '/nowhere' is not in the image; correct the entrypoint",
      support.run({}, options).stdout, 1, true)
  end)

  it("keeps what its policy prints out of what the host reads as the handshake", function()
    hosts.policy(policy, KV .. "name = tostring(print('printed') or 'kv'), args = { '-exit-now', '3' },")
    local result = support.run({}, { executable = policy, runtime_dir = runtime_dir,
      environment = { "GANTRY_KV_COOKIE=" .. support.cookie[2], table.unpack(HANDSHAKE) } })
    assert.is_nil(result.stdout:find("printed", 1, true), result.stdout)
    assert.matches('"@message":"[^"]*: printed"', result.stderr)
  end)

  it("gives the plugin what the host meant for it, and nothing else", function()
    while_held(KV, { "-add", "FOR_THE_PLUGIN=yes", "-multiplex" }, function()
      local names, of_engines = {}, { HOME = true, HOSTNAME = true, PATH = true }
      for _, entry in ipairs(inspect().env) do
        local name = entry:match("^[^=]+")
        if not of_engines[name] then names[#names + 1] = name end
      end
      table.sort(names)
      assert.are.same({ "FOR_THE_PLUGIN", "GANTRY_KV_COOKIE", "PLUGIN_MAX_PORT", "PLUGIN_MIN_PORT",
        "PLUGIN_MULTIPLEX_GRPC", "PLUGIN_PROTOCOL_VERSIONS", "PLUGIN_UNIX_SOCKET_DIR", "TMPDIR" }, names)
    end, { environment = { "SECRET_TOKEN=hidden" } })
  end)

  it("runs as the caller in a private directory, and takes pass_env and env from the policy", function()
    local fields = KV .. 'pass_env = { "WANTED" }, env = { MORE = "1" }'
    while_held(fields, {}, function()
      local found = inspect()
      assert.are.same({ core.system.euid(), core.system.egid() }, { support.user_of(found.id) })
      local status = assert(core.system.stat(socket_directory()))
      assert.are.equal(tonumber("700", 8), status.mode & tonumber("777", 8))
      local all = table.concat(found.env, "\n")
      assert.is_truthy(all:find("WANTED=really", 1, true))
      assert.is_truthy(all:find("MORE=1", 1, true))
    end, { environment = { "WANTED=really" } })
  end)

  ---What of some variables the plugin got.
  ---@return table<string, string>
  local function inside(names)
    local found = {}
    for _, entry in ipairs(inspect().env) do
      local name, value = entry:match("^([^=]*)=(.*)$")
      if names[name] then found[name] = value end
    end
    return found
  end

  describe("hands in what the host set for its plugin, and nothing of its own,", function()
    local OWN <const> = { environment = { "SHARED=host", "OF_HOST=hidden" } }
    local NAMES <const> = { OF_HOST = true, SHARED = true, FOR_PLUGIN = true, LATE = true }

    local function expect(fields, arguments, wanted)
      while_held(KV .. fields, arguments, function() assert.are.same(wanted, inside(NAMES)) end, OWN)
    end

    it("where the host's own comes last", function()
      expect("", { "-late", "LATE=x", "-late", "SHARED=changed", "-add", "FOR_PLUGIN=1" }, { FOR_PLUGIN = "1" })
    end)

    it("where it comes first", function()
      expect("", { "-environment", "first", "-add", "FOR_PLUGIN=1" }, { FOR_PLUGIN = "1" })
    end)

    it("where it comes first, and with the host's own value", function()
      local arguments = { "-environment", "first", "-add", "SHARED=host", "-add", "FOR_PLUGIN=1" }
      expect("", arguments, { FOR_PLUGIN = "1", SHARED = "host" })
    end)

    it("where it is left out", function()
      local arguments = { "-environment", "none", "-add", "SHARED=host", "-add", "FOR_PLUGIN=1" }
      arguments[#arguments + 1], arguments[#arguments + 2] = "-add", "GANTRY_RUNTIME_DIR=" .. runtime_dir
      expect("", arguments, { FOR_PLUGIN = "1", SHARED = "host" })
    end)

    it("over the cookie of a policy", function()
      local host = while_held(KV .. 'cookie = { "GANTRY_KV_COOKIE", "of another kind of plugin" }', {}, function()
        assert.are.same({ GANTRY_KV_COOKIE = support.cookie[2] }, inside { GANTRY_KV_COOKIE = true })
      end)
      if host then assert.is_truthy(host.stdout:find("closed", 1, true)) end
    end)
  end)

  it("leaves a directory for sockets alone that its host was started with", function()
    local shared = root .. "/shared"
    assert(os.execute(("mkdir -m 700 %s && touch %s/of-somebody"):format(shared, shared)))
    while_held(KV, {}, function()
      assert.is_nil(socket_directory():find(shared, 1, true))
    end, { environment = { "PLUGIN_UNIX_SOCKET_DIR=" .. shared } })
    assert.are.same({ "of-somebody" }, core.files.list(shared))
  end)

  it("refuses a directory that the host chose for the plugin's sockets and that cannot be one", function()
    local file = root .. "/file"
    support.write(file, "")
    for wanted, directory in pairs { ["is not an absolute path"] = "run/x", ["does not exist"] = root .. "/nowhere",
      ["is no directory"] = file, ["needs it to have 90 at most"] = "/" .. ("x"):rep(91) } do
      local ended = execute(KV, { "PLUGIN_UNIX_SOCKET_DIR=" .. directory })
      assert.are.equal(1, ended.code)
      assert.is_truthy(ended.stderr:find("PLUGIN_UNIX_SOCKET_DIR='", 1, true), ended.stderr)
      assert.is_truthy(ended.stderr:find(wanted, 1, true), ended.stderr)
    end
  end)

  it("works through a shell, with AutoMTLS", function()
    local host = while_held(KV, { "-shell", "-mtls" }, function() end)
    if host then assert.is_truthy(host.stdout:find("closed", 1, true), host.stdout) end
  end)

  it("is logged by the host at its level, under its own name", function()
    local host = while_held(KV, {}, function() end)
    if not host then return end
    assert.is_truthy(host.stderr:find("%[DEBUG%] plugin: container created for plugin 'plugin'"), host.stderr)
    assert.is_truthy(host.stderr:find("@module=gantry", 1, true), host.stderr)
  end)

  it("starts two hosts' plugins of one policy at the same instant", function()
    if not hosts.find("hold") then return pending("go-plugin's hosts need a newer Go") end
    task.run(function()
      local one, other = hold(KV), hold(KV)
      one:await("stdout", "ready")
      other:await("stdout", "ready")
      assert.are.equal(2, #support.containers(runtime_dir))
      one.process:close_input()
      other.process:close_input()
      assert.are.equal(0, one:wait().code)
      assert.are.equal(0, other:wait().code)
    end)
  end)

  it("goes when the host ends without closing it", function()
    if not hosts.find("hold") then return pending("go-plugin's hosts need a newer Go") end
    task.run(function()
      local host = hold(KV, { "-leave" })
      host:await("stdout", "ready")
      host.process:close_input()
      assert.are.equal(0, host:wait().code)
    end)
  end)

  it("hands on the handshake byte for byte, and ends with the plugin's exit code", function()
    local result = execute(KV .. 'args = { "-exit-after", "300ms", "-exit-code", "7" }')
    assert.are.equal(7, result.code, result.stderr)
    local line = "^1|1|unix|" .. runtime_dir:gsub("%-", "%%-") .. "/plugin%-%x+/plugin%d+|grpc|[^\n]*\n$"
    assert.is_truthy(result.stdout:find(line), result.stdout)
  end)

  it("hands on what is no handshake, for the host to complain about", function()
    local result = execute(KV .. 'args = { "-junk", "hello | there", "-exit-now", "3" }')
    assert.are.equal(3, result.code, result.stderr)
    assert.are.equal("hello | there\n", result.stdout)
  end)

  it("gives the plugin the host's arguments where the policy has none", function()
    local result = execute(KV, {}, { "-exit-now", "5" })
    assert.are.equal(5, result.code, result.stderr)
  end)

  it("shares the socket with the group that the host names, in the directory that the host names", function()
    local own = root .. "/named"
    assert(os.execute("mkdir -m 700 " .. own))
    local gid = core.system.egid()
    local result = execute(KV .. 'args = { "-exit-after", "400ms" }',
      { "PLUGIN_UNIX_SOCKET_GROUP=" .. gid, "PLUGIN_UNIX_SOCKET_DIR=" .. own })
    assert.are.equal(0, result.code, result.stderr)
    assert.is_truthy(result.stdout:find("|unix|" .. own .. "/plugin", 1, true), result.stdout)
    assert.is_truthy(core.system.stat(own))

    hosts.policy(policy, KV .. ("socket_group = %d"):format(gid))
    while_held(KV .. ("socket_group = %d"):format(gid), {}, function()
      local status = assert(core.system.stat(socket_directory()))
      assert.are.equal(tonumber("770", 8), status.mode & tonumber("777", 8))
      local all = table.concat(inspect().env, "\n")
      assert.is_truthy(all:find("PLUGIN_UNIX_SOCKET_GROUP=" .. gid, 1, true), all)
    end)
  end)

  it("keeps the container for inspection where the policy says debug", function()
    local result = execute(KV .. 'debug = true, args = { "-exit-after", "300ms", "-exit-code", "7" }')
    assert.are.equal(7, result.code, result.stderr)
    task.run(function()
      support.eventually("no process", function() return select(2, hosts.processes(policy)) == 0 end)
    end)
    local kept = inspect()
    assert.are.equal("exited", kept.state.status)
    assert(support.engine():remove(kept.id))
  end)

  it("is not held up by output that the host does not read", function()
    local flood = 'args = { "-flood-before", "-flood-stdout", "3000000", "-exit-after-flood", "-exit-code", "6" }'
    local result = execute(KV .. flood)
    assert.are.equal(6, result.code, result.stderr:sub(1, 500))
    local shell = ("exec %s 2>/dev/null | (head -c 1; sleep 2)"):format(policy)
    local blocked = support.run({ "-c", shell }, { executable = "/bin/sh", runtime_dir = runtime_dir,
      environment = { "GANTRY_KV_COOKIE=" .. support.cookie[2], table.unpack(HANDSHAKE) } })
    assert.are.equal(0, blocked.code)
  end)

  it("says what to do where the plugin cannot see a listener of the host's, and nothing where it can", function()
    assert(os.execute(("mkdir -m 700 %s/tmp"):format(root)))
    local private = { environment = { "TMPDIR=" .. root .. "/tmp" } }
    local shown = "%[WARN%] +%a+: the host made socket " .. root:gsub("%-", "%%-") .. "/tmp/plugin%d+"
    while_held(KV, { "-listen", "-shell" }, function(host)
      local line = host:await("stderr", shown .. "[^\n]*")
      assert.is_truthy(line:find("set share_tmp = true in the policy", 1, true))
    end, private)
    local host = while_held(KV .. "share_tmp = true", { "-listen" }, function()
      local shared = false
      for _, mount in ipairs(inspect().mounts) do shared = shared or mount.source == root .. "/tmp" end
      assert.is_true(shared)
    end, private)
    assert.is_nil(host and host.stderr:find(shown), host and host.stderr)
  end)

  it("ignores Ctrl-C, which is for its host", function()
    while_held(KV, {}, function(host)
      local face = hosts.processes(policy).face[1]
      assert(os.execute("kill -INT " .. face))
      assert.are.equal(face, hosts.processes(policy).face[1])
      assert.is_nil(host.exit)
    end)
  end)

  it("has no library but the system's in what stays beside the container", function()
    while_held(KV, {}, function()
      local found = hosts.processes(policy)
      for _, pid in ipairs(table.move(found.guardian, 1, #found.guardian, 2, { found.face[1] })) do
        local maps = support.read(("/proc/%d/maps"):format(pid))
        assert.is_truthy(maps:find("/libc.so.6", 1, true))
        for path in maps:gmatch "/%S+%.so[%.%d]*" do
          local name = path:match "[^/]*$"
          assert.is_true(name == "libc.so.6" or name == "libm.so.6" or name:find "^ld%-linux" ~= nil, path)
        end
      end
    end)
  end)

  it("leaves nothing when a service manager ends all of its processes at once", function()
    if not hosts.find("hold") then return pending("go-plugin's hosts need a newer Go") end
    task.run(function()
      local host = hold(KV)
      host:await("stdout", "ready")
      local found = hosts.processes(policy)
      assert(os.execute(("kill -TERM %d %s %d"):format(found.face[1], table.concat(found.guardian, " "),
        host.process:pid())))
      host:wait()
    end)
  end)

  it("explains itself to a person", function()
    hosts.policy(policy, KV)
    local result = support.run({}, { executable = policy, runtime_dir = runtime_dir })
    assert.are.equal(1, result.code)
    assert.are.equal("", result.stdout)
    assert.is_truthy(result.stderr:find("This is a plugin, which gantry runs in a container", 1, true))
    assert.is_truthy(result.stderr:find("gantry check " .. policy, 1, true))
  end)

  for what, case in pairs {
    ["a broken policy"] = { KV .. 'memmory = "1GiB"', "unknown field 'memmory'; did you mean 'memory'?" },
    ["an image that is not there"] = { 'image = "gantry-test-no-such-image"', "is not on the engine",
      "is not in gantry's own store" },
    ["a plugin that ends at once"] = { KV .. 'args = { "-exit-now", "3" }',
      "plugin 'plugin' exited before its handshake, with exit code 3, and said nothing" },
    ["a plugin that says why it ends"] = { KV .. 'args = { "-flood-before", "-flood-stderr", "128", "-exit-now", "3" }',
      "plugin 'plugin' exited before its handshake, with exit code 3: flood 000000000000 " },
    ["a plugin that takes too long"] = { KV .. 'args = { "-slow-handshake", "60s" }, start_timeout = "2400ms"',
      "plugin 'plugin' gave no handshake within 2.2 s" },
    ["an engine that takes too long"] = { KV .. 'start_timeout = "150ms", pull = "never"',
      "took longer than", "gave no handshake within" }, -- by whether the launch had begun to ask it by then
    ["a socket outside of the directory"] = { KV .. 'args = { "-handshake", "1|1|unix|/tmp/elsewhere|grpc" }',
      "plugin 'plugin' listens on /tmp/elsewhere, outside of the directory " },
    ["share_tmp without a private TMPDIR"] = { KV .. "share_tmp = true", "run the host as `gantry host " },
  } do
    it("has the host show one useful line for " .. what, function()
      if not hosts.find("hold") then return pending("go-plugin's hosts need a newer Go") end
      task.run(function()
        local host = hold(case[1], {}, { environment = { "TMPDIR=" } })
        assert.are.equal(1, host:wait().code, host.stderr)
        local line = host.stdout:match("Unrecognized remote plugin message: (gantry: [^\n]*)")
        assert.is_truthy(line and (line:find(case[2], 1, true) or case[3] and line:find(case[3], 1, true)), host.stdout)
        assert.is_truthy(host.stderr:find("%[ERROR%] plugin: "), host.stderr)
      end)
    end)
  end

  it("is refused by a host that pins another policy, and started by one that pins this", function()
    if not hosts.find("hold") then return pending("go-plugin's hosts need a newer Go") end
    hosts.policy(policy, KV)
    local pipe <close> = assert(io.popen("sha256sum " .. policy))
    local sum = pipe:read("a"):match("^%x+")
    while_held(KV, { "-sha256", sum }, function() end)
    task.run(function()
      local host = hold(KV .. 'memory = "64MiB"', { "-sha256", sum })
      assert.are.equal(1, host:wait().code)
      assert.is_truthy(host.stdout:find("checksums did not match", 1, true), host.stdout)
    end)
  end)

  it("says so when the plugin ignores AutoMTLS", function()
    if not hosts.find("hold") then return pending("go-plugin's hosts need a newer Go") end
    task.run(function()
      local host = hold(KV .. ('args = { "-handshake", "1|1|unix|%s|grpc" }'):format(runtime_dir), { "-mtls" })
      host:await("stderr", "%[WARN%] +plugin: plugin 'plugin' ignores AutoMTLS, which its host asks for")
      host.process:close_input()
      host:wait()
    end)
  end)

  it("works with an engine behind TLS", function()
    if not hosts.find("tlsfront") then return pending("go-plugin's hosts need a newer Go") end
    task.run(function()
      local front, environment = hosts.behind_tls(root .. "/tls")
      while_held(KV, { "-mtls" }, function() end, { environment = environment })
      local result = execute(KV .. 'args = { "-exit-after", "300ms", "-exit-code", "7" }', environment)
      assert.are.equal(7, result.code, result.stderr)
      assert.is_truthy(result.stdout:find("^1|1|unix|"), result.stdout)
      hosts.assert_nothing_left(policy, runtime_dir)
      front:close()
    end)
  end)
end)
