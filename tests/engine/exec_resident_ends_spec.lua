-- SPDX-License-Identifier: Apache-2.0
--
--- `gantry exec` beside a resident: whoever ends, and in whatever way, the host's plugin ends with its host, nothing is
--- left of it, and as many containers wait as are to. On Docker, and on the engine without a daemon.

local core = require "gantry.core"
local engines = require "gantry.engine"
local hosts = require "engine.hosts"
local resident = require "engine.resident"
local support = require "engine.support"
local task = require "gantry.task"

local ROUNDS <const> = 12

---@param name string of a signal
---@param pid integer
local function signal(name, pid)
  assert(os.execute(("kill -%s %d"):format(name, pid)))
end

---@param pid integer
---@return integer
local function group_of(pid)
  local file <close> = assert(io.open(("/proc/%d/stat"):format(pid)))
  return assert(math.tointeger(tonumber(file:read("a"):match "%) %S %d+ (%d+)")))
end

---@param kind string
---@return string? reason why it is not there
local function missing(kind)
  if not hosts.find "hold" then return "go-plugin's hosts need a newer Go" end
  if kind ~= "oci" then return nil end
  local engine <close>, err = engines.connect { url = "oci:" }
  return not engine and tostring(err) or nil
end

describe("a resident's host", function()
  local world

  after_each(function()
    if world then task.run(world.close, world) end
    world = nil
  end)

  ---@param kind "docker"|"oci"|"tls"
  local function test_on(kind, name, fn)
    it(("%s, on %s"):format(name, kind), function()
      local reason = missing(kind)
      if reason then return pending(reason) end
      task.run(function()
        world = resident.world(kind)
        fn()
      end)
    end)
  end

  local function test(name, fn)
    test_on("docker", name, fn)
    test_on("oci", name, fn)
  end

  for _, kind in ipairs { "docker", "oci", "tls" } do
    test_on(kind, "is given one that waited, asks for AutoMTLS, and closes it", function()
      world:serve()
      local host = world:held(nil, { "-mtls" })
      assert.are.equal(0, #hosts.processes(world.policy).launcher)
      world:close_host(host)
      assert.is_nil(host.stderr:find("failed to exit gracefully", 1, true), host.stderr)
      world:await_settled()
    end)
  end

  -- ---- hosts that end ----

  test("is killed", function()
    world:serve()
    local host = world:held()
    host.process:signal(9)
    host:wait()
    world:await_settled()
  end)

  test("exits without closing its plugin, of which the next one hears", function()
    world:serve()
    local host = world:held(nil, { "-leave" })
    host.process:close_input()
    assert.are.equal(0, host:wait().code)
    world:await_settled()
    host = world:held()
    assert.matches("went with its host", host.stderr, 1, true)
    world:close_host(host)
    world:await_settled()
  end)

  test("is behind a shell, and closes its plugin", function()
    world:serve()
    world:close_host(world:held(nil, { "-shell", "-mtls" }))
    world:await_settled()
  end)

  test("is behind a shell, and is killed", function()
    world:serve()
    local host = world:held(nil, { "-shell" })
    host.process:signal(9)
    host:wait()
    world:await_settled()
  end)

  test("has no input", function()
    world:serve()
    local host = world:start(nil, nil, nil, { "/bin/sh", "-c", 'exec "$0" "$@" <&-' })
    assert.are.equal(0, host:wait().code, host.stderr)
    assert.matches("closed\n", host.stdout, 1, true)
    assert.are.equal(1, world:given())
    world:await_settled()
  end)

  test("is told by Ctrl-C, which is its own business", function()
    world:serve()
    local host = world:held(nil, nil, nil, { "/usr/bin/setsid" })
    local face = hosts.processes(world.policy).face[1]
    signal("INT", face)
    assert.are.equal(1, #hosts.processes(world.policy).face)
    assert(world:plugin_process())
    local group = group_of(face)
    assert.are_not.equal(group_of(core.system.pid()), group)
    signal("INT", -group)
    host:wait()
    world:await_settled()
  end)

  -- ---- others that end ----

  test("goes on where a guardian is killed, which is replaced", function()
    world:serve()
    local host = world:held()
    signal("KILL", hosts.processes(world.policy).guardian[1])
    support.eventually("there are two again", function() return #hosts.processes(world.policy).guardian == 2 end)
    world:close_host(host)
    world:await_settled()
  end)

  test("returns where the stand-in is killed", function()
    world:serve()
    local host = world:held()
    signal("KILL", hosts.processes(world.policy).face[1])
    host:wait()
    world:await_settled()
  end)

  test("is told the plugin's own status", function()
    world:serve()
    local host = world:held()
    signal("KILL", (world:plugin_process()))
    assert.are.equal(1, host:wait().code)
    assert.matches("137", host.stdout .. host.stderr, 1, true)
    world:await_settled()
  end)

  test("is told where the container is killed", function()
    world:serve()
    local host = world:held()
    world:engine():kill(select(2, world:plugin_process()), "KILL")
    assert.are.equal(1, host:wait().code)
    assert.matches("137", host.stdout .. host.stderr, 1, true)
    world:await_settled()
  end)

  test("goes on where the resident is killed, and the next one takes over what waits", function()
    local up = world:serve()
    local host = world:held()
    up:kill "KILL"
    up:wait()
    assert.are.equal(1, #hosts.processes(world.policy).face)
    assert(world:plugin_process())
    world:close_host(world:hold()) -- nobody answers at its socket: it is launched by itself
    world:close_host(host)
    world:up()
    world:await_settled()
    world:close_host(world:held())
    world:await_settled()
  end)

  test("goes on where the resident ends in order", function()
    world:serve()
    local host = world:held()
    assert.are.equal(0, world.place:run("down").code)
    assert.are.equal(1, #world:containers())
    world:close_host(host)
  end)

  test("is not held up for long by a resident that is", function()
    local up = world:serve()
    up.process:signal(19)
    local host = world:hold()
    world:close_host(host)
    up.process:signal(18)
    world:await_settled()
    assert.are.equal(0, world:given())
  end)

  ---@type table<integer, fun(host: support.Command, up: support.Command): support.Command?>
  local KILL <const> = {
    function(host) host.process:signal(9) end,
    function()
      local face = hosts.processes(world.policy).face[1]
      if face then os.execute(("kill -9 %d 2>/dev/null"):format(face)) end
    end,
    function()
      local found, pid = pcall(world.plugin_process, world)
      if found then os.execute(("kill -9 %d 2>/dev/null"):format(pid)) end
    end,
    function(_, up)
      up:kill "KILL"
      up:wait()
      return world:up()
    end,
  }

  test("leaves nothing where it, the stand-in, the plugin or the resident is killed at a random instant", function()
    local up = world:serve()
    local seed = os.time()
    math.randomseed(seed)
    for round = 1, ROUNDS do
      local host = world:start()
      task.sleep(math.random() * 0.3)
      up = KILL[round % #KILL + 1](host, up) or up
      host.process:close_input()
      host:wait()
      if round % #KILL == 0 then world:await_full() end
    end
    world:await_settled()
  end)
end)
