-- SPDX-License-Identifier: Apache-2.0
--
--- Networks of OCI runtimes' containers, by the config.json that gantry builds: none, this machine's, and user-mode by
--- a helper beside the container, which leads to other machines and not to what listens on this one's loopback.

local core = require "gantry.core"
local json = require "gantry.json"
local network = require "gantry.engine.oci.network"
local oci_world = require "engine.oci_world"
local shell = require "gantry.base.shell"
local support = require "engine.support"

-- A machine of its own: neither helper, nor what it leads to, is this one's.
local MACHINE <const> = [[ip link set lo up && ip link add eth7 type veth peer name eth8 && ip link set eth8 up &&
ip addr add 198.51.100.2/24 dev eth7 && ip link set eth7 up && ip route add default via 198.51.100.1 &&
ip addr add 203.0.113.7/32 dev lo]]
local SERVERS <const> = [[
import socket, subprocess, sys
servers = [socket.create_server(place) for place in (("203.0.113.7", 7000), ("127.0.0.1", 7001))]
sys.exit(subprocess.call(%s, shell=True))
]]

describe("a container's network", function()
  local program, world

  setup(function() program = oci_world.program() end)
  teardown(function() support.remove(program:match "^(.*)/") end)
  after_each(function()
    if world then world:remove() end
    world = nil
  end)

  ---@return boolean there where the runtime can be tried here
  local function make(runtime, rootless)
    local column = { runtime = runtime, rootless = rootless }
    local missing = oci_world.missing(column)
    if missing then return pending(missing) and false end
    world = oci_world.new(column, program)
    return true
  end

  for _, column in ipairs { { "runc", false }, { "runc", true }, { "crun", true } } do
    local runtime, rootless = column[1], column[2]

    it(("is this machine's where the policy says so: %s%s"):format(runtime, rootless and ", rootless" or ""), function()
      if not make(runtime, rootless) then return end
      local results, code, text = world:run({ network = "host" }, { "interfaces", "read=/sys/class/net",
        "open_write=/sys/kernel/mm/ksm/run" })
      assert.are.equal(0, code, text)
      local file <close> = assert(io.open "/proc/net/dev")
      local _, count = file:read "a":gsub(":", "")
      assert.are.equal(count, tonumber(results.interfaces))
      assert.are.equal("done", results["read=/sys/class/net"])
      assert.is_truthy(results["open_write=/sys/kernel/mm/ksm/run"]:find "^refused")
    end)
  end

  ---Runs the program in a network that is user-mode, on a machine of one interface and one more address, at which a
  ---server listens, as another one does at its loopback.
  ---@param name string of the network
  ---@param attempts string[]
  ---@return string output
  local function dial(name, attempts)
    world.tun = true
    world:shell(("mkdir -m 700 run images && cp %s dial && chmod 755 dial"):format(program))
    if world:changes_user() then world:shell "chown 61234:61234 run images" end
    support.write(world.folder .. "/dial.json", json.encode { engine = "oci:" .. world.runtime, args = attempts,
      binary = world.folder .. "/dial", network = name, folder = world.folder })
    world:shell "chmod 644 dial.json"
    local command = world:command { "lua5.4", support.source .. "/tests/engine/oci_dial.lua",
      world.folder .. "/dial.json" }
    support.write(world.folder .. "/servers.py", SERVERS:format(json.encode(command)))
    local pipe = assert(io.popen(("unshare -n sh -c %s 2>&1"):format(shell.quote(MACHINE .. " && exec python3 "
      .. world.folder .. "/servers.py"))))
    local text = pipe:read "a"
    pipe:close()
    return text
  end

  for _, column in ipairs { { "slirp4netns", "runc", false }, { "user", "crun", true }, { "slirp4netns", "runc", true },
    { "pasta", "crun", true } } do
    local helper, runtime, rootless = column[1], column[2], column[3]

    it(("leads to other machines, and not to this one's loopback: %s with %s%s"):format(helper, runtime,
      rootless and ", rootless" or ""), function()
      local needed = network.HELPERS[helper == "user" and "slirp4netns" or helper]
      if not core.system.stat(needed.path) then return pending(needed.package .. " is not installed") end
      if core.system.euid() ~= 0 then return pending "/dev/net/tun is put in place by root" end
      if not make(runtime, rootless) then return end
      local text = dial(helper, { "interfaces", "connect=203.0.113.7:7000", "connect=10.0.2.2:7001",
        "connect=198.51.100.1:7001", "connect=127.0.0.1:7001", "read=/etc/resolv.conf" })
      assert.are.equal("2", text:match "interfaces (%d+)", text)
      assert.is_truthy(text:find("connect=203.0.113.7:7000 done", 1, true), text)
      for _, address in ipairs { "10.0.2.2", "198.51.100.1", "127.0.0.1" } do
        assert.is_truthy(text:find(("connect=%s:7001 refused"):format(address), 1, true), text)
      end
      assert.is_truthy(text:find("read=/etc/resolv.conf done", 1, true), text)
      assert.is_truthy(text:find "exit 0\n$", text)
      assert.are.same({}, support.entries(world.folder .. "/run/.oci/containers"))
    end)
  end

  it("is refused to one who may not open /dev/net/tun, with the remedy", function()
    if core.system.euid() ~= 0 or core.system.stat("/dev/net/tun").mode & 6 ~= 0 then
      return pending "/dev/net/tun is open to everybody here"
    end
    if not make("crun", true) then return end
    local results = world:run({ network = "slirp4netns" }, { "interfaces" })
    assert.is_truthy(results.REFUSED:find "^ENGINE_UNSUPPORTED networks: .*chmod 0666 /dev/net/tun")
  end)
end)
