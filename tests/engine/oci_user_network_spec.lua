-- SPDX-License-Identifier: Apache-2.0
--
--- A user-mode network over the deaths of all who have to do with it: its helper, the container, gantry, the monitor.
--- Where it leads to is in oci_network_spec.lua.

local core = require "gantry.core"
local network = require "gantry.engine.oci.network"
local network_start = require "gantry.engine.oci.network_start"
local oci = require "engine.oci"
local oci_containers = require "engine.oci_containers"
local support = require "engine.support"
local task = require "gantry.task"

local HELPER <const> = network.HELPERS.slirp4netns
local eventually, ends, lives = support.eventually, oci_containers.ends, oci_containers.lives

---@return string? reason
local function missing()
  if not core.system.stat(HELPER.path) then return "slirp4netns is not installed" end
  if not core.system.accessible("/dev/net/tun", "w") then return "/dev/net/tun cannot be opened" end
  return oci_containers.missing()
end

describe("a user-mode network without a daemon", function()
  local world, path, timeout

  local reason = missing()
  if reason then return it("can be made", function() pending(reason) end) end

  before_each(function()
    world, path, timeout = oci_containers.new(), HELPER.path, network_start.TIMEOUT
  end)

  after_each(function()
    HELPER.path, network_start.TIMEOUT = path, timeout
    world:remove()
  end)

  local function test(name, fn)
    it(name, function() task.run(fn) end)
  end

  ---The helper of a container: it names the container's process.
  ---@param pid integer
  ---@return integer? pid
  local function helper_of(pid)
    local pipe <close> = assert(io.popen(("pgrep -f '[s]lirp4netns .* %d tap0'"):format(pid)))
    return math.tointeger(tonumber(pipe:read "l" or ""))
  end

  ---@param outlives boolean?
  ---@return string id, gantry.Heard heard, integer pid, integer helper
  local function start(client, outlives)
    local id, heard, pid = world:start(client, { network = "user", outlives = outlives })
    return id, heard, pid, assert(helper_of(pid), "there is no helper")
  end

  ---@return gantry.Error err
  local function fails(client)
    local id = assert(world:create(client, { network = "user" }))
    local heard = oci_containers.attach(client, id)
    local ok, err = client:start(id)
    assert.is_nil(ok)
    assert.is_true(ends(heard))
    assert.are.equal("", heard.stdout) -- the plugin has not begun
    assert.are.equal("NETWORK_FAILED", err.code)
    assert.is_true(client:remove(id))
    return err
  end

  test("that does not come up is told with what its helper said, and the plugin does not begin", function()
    HELPER.path = world:program "echo 'cannot: the tap is closed' >&2; exit 3\n"
    assert.matches("slirp4netns ended with exit code 3, and said: cannot: the tap is closed; correct that",
      fails(world:connect()).message)
  end)

  test("whose helper hangs is not waited for", function()
    network_start.TIMEOUT = 0.5
    HELPER.path = world:program "exec sleep 1000\n"
    assert.matches("slirp4netns was not ready within 0.5 s", fails(world:connect()).message)
  end)

  test("whose helper cannot be executed is told", function()
    HELPER.path = support.write(world.root .. "/program", "no program")
    assert.matches("slirp4netns cannot be executed %(errno 13%)", fails(world:connect()).message)
  end)

  test("ends with its container", function()
    local client = world:connect()
    local id, heard, _, helper = start(client)
    assert.is_true(client:kill(id, "QUIT"))
    assert.is_true(ends(heard))
    assert.are.equal(2, assert(client:wait(id)).exit_code)
    eventually("the helper's end", function() return not lives(helper) end)
    assert.is_true(client:remove(id))
  end)

  test("takes its container along where its helper ends, and says so", function()
    local client = world:connect()
    local id, heard, _, helper = start(client)
    assert(os.execute("kill -9 " .. helper))
    assert.is_true(ends(heard))
    assert.are.equal(137, assert(client:wait(id)).exit_code)
    assert.matches("slirp4netns was ended by signal 9, and the container with it", heard.engine)
    assert.is_true(client:remove(id))
  end)

  test("goes on with a container that outlives its gantry, and ends it without one, too", function()
    local first = world:connect()
    local id, _, _, helper = start(first, true)
    first:close()
    task.sleep(0.2)
    assert.is_true(lives(helper))
    assert.is_true(assert(world:connect():inspect(id)).state.running)
    assert(os.execute("kill -9 " .. helper))
    eventually("the container's end", function() return world:connect():inspect(id).state.status == "exited" end)
  end)

  test("goes with a container whose gantry was killed", function()
    local command = support.command({ "run", support.write(world.root .. "/kv.lua", ([[
      return { binary = %q, cookie = { %q, %q }, stop_timeout = 1, networks = { "user" } }]]):format(oci.kv "1.8",
      table.unpack(support.cookie))), "--engine", "oci:" }, { runtime_dir = world.root })
    command:await("stdout", "ready_ms")
    local client = world:connect()
    local found = assert(client:list({ ["gantry.plugin"] = "kv" })[1])
    local pid = assert(client:inspect(found.id)).state.pid
    local helper = assert(helper_of(pid))
    command:kill "KILL"
    eventually("the end of both", function() return not lives(pid) and not lives(helper) end)
    eventually("the container's removal", function() return client:inspect(found.id) == nil end)
  end)

  test("ends with its monitor, as its container does for gantry", function()
    local client = world:connect()
    local id, heard, _, helper = start(client)
    local pipe <close> = assert(io.popen("pgrep -f '[g]antry-monitor .*/" .. id .. " '"))
    assert(os.execute("kill -9 " .. pipe:read "l"))
    assert.is_truthy(ends(heard))
    eventually("the helper's end", function() return not lives(helper) end)
    assert.is_true(client:remove(id))
  end)
end)
