-- SPDX-License-Identifier: Apache-2.0
--
--- A container's cgroup found by one of its processes, on machines of all kinds, and its files read. The container of
--- each case is told by what the kernel says there; tests/engine has the machine that the tests run on.

local cgroup = require "gantry.plugin.cgroup"
local core = require "gantry.core"
local mount_table = require "gantry.plugin.mount_table"

local ID <const> = ("0123456789abcdef"):rep(4)

describe("the cgroups of a container's process", function()
  local function path(text, controller)
    local found = cgroup.parse(text, ID)[controller]
    return found and found.path .. "|" .. found.below
  end

  it("are read on machines of all kinds", function()
    for name, case in pairs {
      ["version 2, systemd"] = { "0::/system.slice/docker-" .. ID .. ".scope\n", "",
        "/system.slice/docker-" .. ID .. ".scope|" },
      ["Podman's cgroup inside"] = { "0::/machine.slice/libpod-" .. ID .. ".scope/container\n", "",
        "/machine.slice/libpod-" .. ID .. ".scope|/container" },
      ["a cgroup namespace beside it"] = { "0::/../" .. ID .. "\n", "", "/../" .. ID .. "|" },
      ["hybrid"] = { ("5:cpu,cpuacct:/docker/%s\n1:name=systemd:/docker/%s\n0::/docker/%s\n"):format(ID, ID, ID),
        "cpuacct", "/docker/" .. ID .. "|" },
      ["hybrid, without accounts in version 2"] = { "4:memory:/docker/" .. ID .. "\n0::/\n", "memory",
        "/docker/" .. ID .. "|" },
      ["a parent of the policy's"] = { "0::/a/b:c/" .. ID .. "/init.scope\n", "", "/a/b:c/" .. ID .. "|/init.scope" },
    } do
      assert.are.equal(case[3], path(case[1], case[2]), name)
    end
  end)

  it("are nobody else's", function()
    for name, text in pairs {
      ["another container"] = "0::/docker/" .. ("f"):rep(64) .. "\n", ["no container"] = "0::/user.slice\n",
      ["one that was removed"] = "0::/docker/" .. ID .. " (deleted)\n", ["nothing"] = "", ["nonsense"] = "\0:::\n::\n",
      ["rootless, without cgroups"] = "0::/user.slice/user-1000.slice/session-1.scope\n",
    } do
      assert.are.same({}, cgroup.parse(text, ID), name)
    end
    assert.is_nil(cgroup.find(core.system.pid(), ID))
    assert.is_nil(cgroup.find(2 ^ 30 // 1 | 0, ID))
    assert.is_false(cgroup.has(core.system.pid(), ID))
  end)
end)

describe("the folder of a cgroup", function()
  local root

  before_each(function()
    root = os.tmpname()
    os.remove(root)
    assert(os.execute(("mkdir -p %s/memory/docker/%s %s/two/docker/%s"):format(root, ID, root, ID)))
  end)
  after_each(function() assert(os.execute("rm -rf " .. root)) end)

  ---@param lines string[] of a mount table; ROOT stands for the folder
  local function folder(lines, controller, path)
    local text = table.concat(lines, "\n"):gsub("ROOT", root)
    local found = cgroup.folder(mount_table.parse(text), controller, path)
    return found and found:sub(#root + 1)
  end

  local MEMORY <const> = "35 31 0:32 / ROOT/memory rw,relatime shared:9 - cgroup cgroup rw,memory"
  local TWO <const> = "41 31 0:38 / ROOT/two rw,relatime - cgroup2 cgroup2 rw,nsdelegate"

  it("is in the mount that has its controller", function()
    assert.are.equal("/memory/docker/" .. ID, folder({ TWO, MEMORY }, "memory", "/docker/" .. ID))
    assert.are.equal("/two/docker/" .. ID, folder({ MEMORY, TWO }, "", "/docker/" .. ID))
    assert.is_nil(folder({ MEMORY, TWO }, "pids", "/docker/" .. ID))
    assert.is_nil(folder({ MEMORY }, "", "/docker/" .. ID))
    assert.is_nil(folder({}, "memory", "/docker/" .. ID))
  end)

  it("is looked for below what a mount shows", function()
    local part = MEMORY:gsub(" / ", " /outer ")
    assert.are.equal("/memory/docker/" .. ID, folder({ part }, "memory", "/outer/docker/" .. ID))
    assert.is_nil(folder({ part }, "memory", "/outermost/docker/" .. ID))
    assert.is_nil(folder({ part }, "memory", "/docker/" .. ID))
    local above = MEMORY:gsub(" / ", " /../.. ")
    assert.are.equal("/memory/docker/" .. ID, folder({ above }, "memory", "/../../docker/" .. ID))
  end)

  it("is never one above the mount", function()
    assert.is_nil(folder({ MEMORY }, "memory", "/../memory/docker/" .. ID))
    assert.is_nil(folder({ MEMORY }, "memory", "/docker/" .. ID .. "/.."))
  end)
end)

describe("the files of a cgroup", function()
  local folder

  before_each(function()
    folder = os.tmpname()
    os.remove(folder)
    assert(os.execute("mkdir -p " .. folder .. "/container"))
  end)
  after_each(function() assert(os.execute("rm -rf " .. folder)) end)

  ---@param files table<string, string>
  ---@param version 1|2
  ---@param inner string?
  local function read(files, version, inner)
    for name, text in pairs(files) do
      local file <close> = assert(io.open(folder .. "/" .. name, "w"))
      file:write(text)
    end
    local one = { version = version, path = folder, inner = inner and folder .. inner }
    return cgroup.read { cpu = one, memory = one, pids = one }
  end

  local TWO <const> = { ["cpu.stat"] = "usage_usec 1500000\nuser_usec 1\n", ["memory.current"] = "3000000\n",
    ["memory.max"] = "max\n", ["memory.stat"] = "anon 5\nworkingset_inactive_file 7\ninactive_file 1000000\n",
    ["pids.current"] = "8\n", ["pids.max"] = "max\n" }

  it("are read in version 2", function()
    assert.are.same({ source = "cgroup", cpu_seconds = 1.5, memory_bytes = 2000000, pids = 8 }, read(TWO, 2))
    assert.are.same({ 4000000, 50 }, (function()
      local usage = read({ ["memory.max"] = "4000000\n", ["pids.max"] = "50\n" }, 2)
      return { usage.memory_limit_bytes, usage.pids_limit }
    end)())
  end)

  it("are read in version 1, whose largest number is no limit", function()
    local files = { ["cpuacct.usage"] = "2500000000\n", ["memory.usage_in_bytes"] = "3000000\n",
      ["memory.limit_in_bytes"] = "9223372036854771712\n", ["pids.current"] = "8\n", ["pids.max"] = "2048\n",
      ["memory.stat"] = "inactive_file 5\ntotal_inactive_file 1000000\n" }
    assert.are.same({ source = "cgroup", cpu_seconds = 2.5, memory_bytes = 2000000, pids = 8, pids_limit = 2048 },
      read(files, 1))
  end)

  it("have the smaller of two limits", function()
    read(TWO, 2)
    local usage = read({ ["container/memory.max"] = "5000000\n", ["container/pids.max"] = "9\n" }, 2, "/container")
    assert.are.same({ 5000000, 9 }, { usage.memory_limit_bytes, usage.pids_limit })
    assert.are.equal(4000000, read({ ["memory.max"] = "4000000\n" }, 2, "/container").memory_limit_bytes)
  end)

  it("may be there in part: a controller that was not delegated", function()
    assert.are.same({ source = "cgroup", cpu_seconds = 1.5 }, read({ ["cpu.stat"] = "usage_usec 1500000\n" }, 2))
    assert.are.same({ source = "cgroup", cpu_seconds = 1.5, memory_bytes = 10 },
      read({ ["memory.current"] = "10\n" }, 2))
  end)

  it("go when the container goes", function()
    assert.is_nil(read({}, 2))
    assert.is_nil(read({}, 1))
    assert.is_nil(read({ ["cpu.stat"] = "nonsense", ["memory.current"] = "", ["pids.current"] = "-\n" }, 2))
  end)
end)
