-- SPDX-License-Identifier: Apache-2.0
--
--- Where the files of real plugins go: temporary ones, sockets of go-plugin before 1.5, what others own by a group; and
--- plugins that listen on TCP.

local core = require "gantry.core"
local gantry = require "gantry"
local hosts = require "engine.hosts"
local reattach = require "gantry.plugin.reattach"
local support = require "engine.support"
local task = require "gantry.task"

local NOBODY <const> = 65533
local GROUP <const> = 4321
local OLD = 'name = "old", image = "gantry-test-old", disable_network = true, stop_timeout = 2, '

-- What a plugin is made of that puts its sockets elsewhere; an old Go does not build it.
local built = support.engine():image("gantry-test-old:latest") ~= nil
local it = built and it or function(name) pending(name .. ": gantry-test-old was not built") end -- luacheck: ignore it

describe("files", function()
  local root, runtime_dir, environment

  before_each(function()
    root = support.temporary()
    runtime_dir = root .. "/r"
    assert(os.execute(("chmod 755 %s && mkdir -m 700 %s %s/tmp"):format(root, runtime_dir, root)))
    environment = { "GANTRY_STATE_DIR=" .. root .. "/state", "TMPDIR=" .. root .. "/tmp" }
  end)

  after_each(function()
    task.run(function()
      for _, name in ipairs { "files", "old", "tcp" } do
        hosts.assert_nothing_left(("%s/%s.lua"):format(root, name), runtime_dir)
      end
    end)
    support.remove(root)
  end)

  ---Runs the program that tells of its files, once, by the stand-in.
  ---@param fields string
  ---@param arguments string[]?
  ---@param as string? how it is started
  ---@return table<string, string> said by what it is said of
  local function tell(fields, arguments, as)
    local policy = hosts.policy(root .. "/files.lua", OLD .. fields)
    local command = ("cd %s && %s %s files %s </dev/null | cat"):format(root, as or "", policy,
      table.concat(arguments or {}, " "))
    local result = support.run({ "-c", command }, { executable = "/bin/sh", runtime_dir = runtime_dir,
      environment = environment })
    local said = {}
    for line in result.stdout:gmatch "[^\n]+" do
      local what, how = line:match "^(%a+ ?[^: ]*): ?(.*)$"
      if what then said[what] = how else said.TMPDIR = line end
    end
    assert(said.TMPDIR, result.stderr)
    return said
  end

  it("of a host's plugin are memory that runs programs, and nothing else can be written", function()
    local said = tell('memory = "64MiB"')
    assert.are.equal("TMPDIR /tmp memory true bytes 33554432", said.TMPDIR)
    assert.are.same({ "<nil>", "<nil>" }, { said["write program"], said["run program"] })
    assert.matches("read%-only file system", said["write /written"])
    assert.matches("read%-only file system", said["write ./written"])
  end)

  it("are where the policy says", function()
    local said = tell 'read_only = false, cwd = "rw", tmpfs = { ["/tmp"] = "size=1m" }'
    assert.are.equal("TMPDIR /tmp memory true bytes 1048576", said.TMPDIR)
    assert.matches("permission denied", said["run program"])
    assert.are.same({ "<nil>", "<nil>" }, { said["write /written"], said["write ./written"] })
    assert.are.equal("text", support.read(root .. "/written"))
    assert.matches("^TMPDIR /run/scratch memory true", tell('mounts = { { source = "/tmp", target = "/tmp" } }')
      .TMPDIR)
  end)

  it("of a group of the caller's can be read with group_add = \"caller\"", function()
    if core.system.euid() ~= 0 then return pending "only root becomes another user" end
    local socket = support.engine().endpoint.unix_socket
    assert(os.execute(("echo secret > %s/file && chgrp %d %s/file && chmod 640 %s/file && chown -R %d %s %s/tmp")
      :format(root, GROUP, root, root, NOBODY, runtime_dir, root)))
    assert(os.execute(("mkdir -m 700 %s/state && chown %d %s/state"):format(root, NOBODY, root)))
    local as = ("setpriv --reuid %d --regid %d --groups %d,$(stat -c %%g %s)"):format(NOBODY, NOBODY, GROUP, socket)
    local fields = ('mounts = { { source = "%s", target = "%s", read_only = true } }, '):format(root, root)
    local file = root .. "/file"
    assert.matches("permission denied", tell(fields, { file }, as)["read " .. file])
    for _, groups in ipairs { '"caller"', '{ "caller", 5 }', tostring(GROUP) } do
      assert.matches("^secret", tell(fields .. "group_add = " .. groups, { file }, as)["read " .. file])
    end
  end)

  ---@param fields string
  ---@return string output of the host and of all that it shows
  local function meet(fields)
    local policy = hosts.policy(root .. "/old.lua", OLD .. fields)
    local result = hosts.run("old", { "host", policy }, { runtime_dir = runtime_dir, environment = environment })
    assert.are.equal(0, result.code, result.stdout .. result.stderr)
    return result.stdout .. result.stderr
  end

  it("include sockets of go-plugin 1.4, whose broker meets its host in both directions", function()
    for try = 1, 3 do
      local shown = meet "share_tmp = true"
      assert.is_truthy(shown:find("met the plugin's listener\n", 1, true))
      assert.is_truthy(shown:find("met the host's listener: : error=<nil>", 1, true), shown)
      assert.are.equal(try == 1, shown:find("started once more", 1, true) ~= nil, shown)
    end
  end)

  it("do so behind TLS, where the launcher holds the connections itself", function()
    if not hosts.find("tlsfront") then return pending("go-plugin's hosts need a newer Go") end
    task.run(function()
      local front, entries = hosts.behind_tls(root .. "/tls")
      local policy = hosts.policy(root .. "/old.lua", OLD .. "share_tmp = true")
      table.move(environment, 1, #environment, #entries + 1, entries)
      local host = hosts.start("old", { "host", policy }, { runtime_dir = runtime_dir, environment = entries })
      assert.are.equal(0, host:wait().code, host.stderr)
      assert.is_truthy(host.stdout:find("met the host's listener: : error=<nil>", 1, true), host.stdout)
      hosts.assert_nothing_left(policy, runtime_dir)
      front:close()
    end)
  end)

  it("leave nothing where the host is killed at any point of the two starts", function()
    local policy = hosts.policy(root .. "/old.lua", OLD .. "share_tmp = true")
    local function start()
      assert(os.execute("rm -rf " .. root .. "/state"))
      return hosts.start("old", { "host", policy }, { runtime_dir = runtime_dir, environment = environment })
    end
    task.run(function()
      local before = core.loop.clock()
      start():wait()
      local whole <const>, rounds <const> = core.loop.clock() - before, 8
      for round = 1, rounds do
        local host = start()
        task.sleep(whole * round / (rounds + 1))
        host:kill "KILL"
        host:wait()
        hosts.assert_nothing_left(policy, runtime_dir)
      end
    end)
  end)

  it("do so for run as well, and the sockets of today's plugins stay apart from temporary files", function()
    local policy = { name = "old", image = "gantry-test-old", disable_network = true,
      cookie = { "GANTRY_OLD_COOKIE", "8d2c" }, stop_timeout = 2 }
    local warned = 0
    for _ = 1, 2 do
      local plugin <close> = assert(gantry.launch(policy, { runtime_dir = runtime_dir,
        environment = { GANTRY_STATE_DIR = root .. "/state" },
        on_event = function(kind) warned = warned + (kind == "warning" and 1 or 0) end }))
      assert.are.equal("ready", plugin.state)
      local env = table.concat(assert(support.engine():inspect(plugin.container)).env, "\n")
      assert.is_truthy(env:find("TMPDIR=" .. runtime_dir .. "/old", 1, true))
      assert.are.equal(1, #support.containers(runtime_dir))
    end
    assert.are.equal(1, warned)
    local plugin <close> = assert(gantry.launch(support.kv(), { runtime_dir = runtime_dir }))
    local env = table.concat(assert(support.engine():inspect(plugin.container)).env, "\n")
    assert.is_truthy(env:find("TMPDIR=/tmp", 1, true))
    assert.is_truthy(plugin.handshake.address:find(runtime_dir, 1, true))
  end)

  ---@param port integer
  ---@param changes table
  ---@param says string?
  local function tcp(port, changes, says)
    local config = { name = "tcp", image = "gantry-test-old", stop_timeout = "500ms",
      args = { "tcp", "127.0.0.1:" .. port, says or "127.0.0.1:" .. port } }
    for name, value in pairs(changes) do config[name] = value end
    return config
  end

  it("apart, a plugin may listen on this machine's loopback where it has its network", function()
    local plugin <close> = assert(gantry.launch(tcp(18391, { networks = { "host" } }), { runtime_dir = runtime_dir }))
    assert.are.same({ network = "tcp", string = "127.0.0.1:18391" }, plugin.address)
    assert.are.equal("\8\1", plugin:call("grpc.health.v1.Health/Check", ""))
    local attached <close> = assert(gantry.attach("tcp"))
    assert.are.equal("\8\1", attached:call("grpc.health.v1.Health/Check", ""))
    attached:detach()
    local found = assert(reattach.find(support.engine(), "tcp", {}))
    assert.are.same({ Network = "tcp", String = "127.0.0.1:18391" }, found.config.Addr)
  end)

  it("apart, it may listen nowhere else, and is told why", function()
    for said, config in pairs {
      ["networks = { \"host\" }"] = tcp(18392, { disable_network = true }),
      ["in its container's own network"] = tcp(18392, {}),
      ["does not choose whom its host talks to"] = tcp(18392, { networks = { "host" } }, "169.254.169.254:80"),
      ["nothing is there"] = tcp(18392, { networks = { "host" } }, "127.0.0.1:18393"),
    } do
      local plugin, err = gantry.launch(config, { runtime_dir = runtime_dir })
      assert.is_nil(plugin)
      assert.is_truthy(err.message:find(said, 1, true), err.message)
    end
  end)

  it("apart, the same holds for a host's plugin", function()
    local handshake = { "PLUGIN_PROTOCOL_VERSIONS=1", "PLUGIN_MIN_PORT=1", "GANTRY_STATE_DIR=" .. root .. "/state" }
    local function first_line(fields, says)
      local policy = hosts.policy(root .. "/tcp.lua", ('name = "tcp", image = "gantry-test-old", '
        .. 'args = { "tcp", "127.0.0.1:18394", "%s" }, %s'):format(says, fields))
      return task.run(function()
        local command = support.command({}, { executable = policy, runtime_dir = runtime_dir, environment = handshake })
        local line = command:await("stdout", "[^\n]+\n")
        command:kill "TERM"
        command:wait()
        return line
      end)
    end
    assert.are.equal("1|1|tcp|127.0.0.1:18394|grpc\n", first_line('networks = { "host" }', "127.0.0.1:18394"))
    assert.matches("in its container's own network", first_line("disable_network = true", "127.0.0.1:18394"))
    assert.matches("whom its host talks to", first_line('networks = { "host" }', "10.0.0.1:80"))
    assert.matches("nothing is there", first_line('networks = { "host" }', "127.0.0.1:18395"))
  end)
end)
