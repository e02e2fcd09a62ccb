-- SPDX-License-Identifier: Apache-2.0
--
--- What a hostile plugin can do in a container of an OCI runtime, by the config.json that gantry builds: each attempt
--- on each runtime, as root and as an ordinary user, and the same program in Docker. docs/isolation.md has the table.

local core = require "gantry.core"
local oci_world = require "engine.oci_world"
local support = require "engine.support"

local SOCKETS <const> = oci_world.socket_directory

-- All of these are refused by the kernel.
local REFUSED <const> = { "mount", "remount", "umount", "open_tree", "pivot_root", "chroot", "ptrace", "process_vm",
  "keyctl", "add_key", "unshare_user", "unshare_net", "unshare_mount", "clone_user", "clone3_user", "setns",
  "raw_socket", "packet_socket", "vsock", "netlink_audit", "bpf", "perf", "userfaultfd", "io_uring", "kernel_log",
  "kernel_module", "reboot", "set_hostname", "set_time", "device", "open_write=/proc/sys/kernel/core_pattern",
  "open_write=/proc/sysrq-trigger", "open_write=/sys/kernel/mm/ksm/run", "open_write=/dev/kmsg", "open_write=/dev/mem",
  "create=/x", "create=/etc/x", "create=/proc/x", "create=/sys/fs/cgroup/x", "read=/proc/kcore", "read=/dev/mem" }
-- gVisor has a kernel of its own, where these reach nothing of this machine's.
local OF_GVISOR <const> = { ptrace = true, unshare_user = true, unshare_net = true, unshare_mount = true,
  raw_socket = true, packet_socket = true, io_uring = true, device = true, clone_user = true }
local HIDDEN <const> = { "read=/proc/keys", "read=/proc/timer_list", "read=/sys/firmware" }

local program

setup(function() program = oci_world.program() end)
teardown(function() support.remove(program:match "^(.*)/") end)

for _, column in ipairs(oci_world.columns()) do
  describe(("a hostile plugin in a container of %s"):format(column.name), function()
    local world
    local gvisor <const> = column.runtime == "runsc"
    local missing <const> = oci_world.missing(column)

    before_each(function() world = not missing and oci_world.new(column, program) or nil end)
    after_each(function() if world then world:remove() end end)

    ---@param name string
    ---@param body function
    local function try(name, body)
      it(name, function()
        if missing then return pending(missing) end
        body()
      end)
    end

    try("is refused what leads out of it", function()
      local results, code, text = world:run({}, REFUSED)
      assert.are.equal(0, code, text)
      for _, attempt in ipairs(REFUSED) do
        local result = results[attempt]
        local refused = result and (result:find "^refused" or result == "empty")
        local own = gvisor and OF_GVISOR[attempt] and result == "done"
        assert.is_truthy(refused or own, ("%s %s"):format(attempt, result))
      end
    end)

    try("has no rights, and gains none", function()
      local results, code, text = world:run({}, { "no_new_privileges", "capabilities", "core", "processes",
        "interfaces", "inet_socket", "execute=/suid" })
      assert.are.equal(0, code, text)
      assert.are.equal("held", results.no_new_privileges)
      assert.are.equal("none", results.capabilities)
      assert.are.equal("none", results.core)
      assert.are.equal("others 0", results.processes)
      assert.are.equal("1", results.interfaces) -- its own loopback
      assert.are.equal("done", results.inet_socket)
      assert.are.equal("exit 0", results["execute=/suid"])
      local own = column.rootless and column.runtime ~= "crun" and "0:0" or "1000:1000"
      assert.are.equal(own, results.whoami)
    end)

    try("does not see the machine's", function()
      local results = world:run({}, HIDDEN)
      for _, attempt in ipairs(HIDDEN) do
        assert.is_truthy(results[attempt] == "empty" or results[attempt]:find "^refused", attempt)
      end
    end)

    try("starts no program of its own from its socket directory, and leads no way out of it", function()
      local results, code, text = world:run({}, { "copy_and_execute=" .. SOCKETS .. "/x", "copy_and_execute=/dev/shm/x",
        "link=" .. SOCKETS, "create=" .. SOCKETS .. "/plugin.sock" })
      assert.are.equal(0, code, text)
      assert.are.equal("exit 126", results["copy_and_execute=" .. SOCKETS .. "/x"])
      assert.are.equal("exit 126", results["copy_and_execute=/dev/shm/x"])
      assert.is_truthy(results.hard_link:find "^refused", results.hard_link)
      assert.are.same({ "link.sock", "plugin.sock" }, support.entries(world.folder .. "/sockets"))
      assert.are.equal("/etc/shadow", core.system.link_target(world.folder .. "/sockets/link.sock"))
      for _, folder in ipairs { world.folder, world.folder .. "/image", world.folder .. "/image/run" } do
        for _, name in ipairs(support.entries(folder)) do assert.are_not.equal("escaped", name) end
      end
      local owner = core.system.stat(world.folder .. "/sockets/plugin.sock").uid
      assert.are.equal(column.rootless and core.system.stat(world.folder).uid or 1000, owner)
    end)

    try("fills the memory that it has as files, and no more", function()
      local results = world:run({}, { "disk_bomb=/tmp/big", "disk_bomb=/dev/shm/big", "disk_bomb=/big" })
      assert.are.equal("ENOSPC 8388608", results["disk_bomb=/tmp/big"])
      assert.are.equal("ENOSPC 67108864", results["disk_bomb=/dev/shm/big"])
      assert.is_truthy(results["disk_bomb=/big"]:find "^refused")
    end)

    try("does not outgrow its processes, or is told that nobody counts them", function()
      if gvisor and not column.rootless then return pending "gVisor's processes are none of this machine's" end
      local results, _, text = world:run({ pids_limit = 48 }, { "fork_bomb" })
      if results.REFUSED then
        assert.is_truthy(gvisor or not column.rootless, text)
        assert.are.equal("LIMIT_NOT_DELEGATED", results.REFUSED:match "^%S+")
      else
        local count = tonumber(results.fork_bomb:match "^bounded (%d+)$")
        assert.is_true(count ~= nil and count <= 48, text)
      end
    end)

    try("does not outgrow its memory, or is told that nobody bounds it", function()
      local results, code, text = world:run({ memory = 64 << 20 }, { "whoami", "memory_bomb" })
      if results.REFUSED then
        assert.are.equal("LIMIT_NOT_DELEGATED", results.REFUSED:match "^%S+")
      else
        assert.is_false(column.rootless, text)
        assert.is_nil(results.memory_bomb, text)
        assert.is_truthy(results.whoami, text)
        assert.are_not.equal(0, code)
      end
    end)

    try("writes to a root of its own, where it may, and never to the image's", function()
      local results, code, text = world:run({ read_only = false }, { "create=/x", "create=/etc/x" })
      assert.are.equal(0, code, text)
      -- Root's file system is root's: an ordinary user of the image's may not write there.
      assert.are.equal(column.rootless and "done" or "refused EACCES", results["create=/x"])
      results = world:run({ read_only = false, user = "root" }, { "create=/y" })
      assert.are.equal("done", results["create=/y"])
      for _, name in ipairs(support.entries(world.folder .. "/image")) do
        assert.is_true(name ~= "x" and name ~= "y")
      end
    end)
  end)
end

describe("the same program in Docker", function()
  local COUNTED <const> = { "no_new_privileges", "capabilities", "processes", "interfaces", "core", "execute=/suid",
    "copy_and_execute=/dev/shm/x", "copy_and_execute=" .. SOCKETS .. "/x", "disk_bomb=/dev/shm/big", "link=" .. SOCKETS,
    "read=/proc/keys", "read=/proc/timer_list", "read=/sys/firmware" }
  local world, image

  after_each(function()
    if image then os.execute("docker rmi " .. image .. " >/dev/null") end
    if world then world:remove() end
    world, image = nil, nil
  end)

  ---@param attempts string[]
  ---@return table<string, string> results, string text
  local function run_in_docker(attempts)
    image = "gantry-test-hostile:" .. core.system.random(4)
    assert(os.execute(("tar -C %s/image -c . | docker import - %s >/dev/null"):format(world.folder, image)))
    local pipe = assert(io.popen(("docker run --rm --network none --read-only --cap-drop ALL --user app --tmpfs /tmp "
      .. "--security-opt no-new-privileges -v %s/sockets:%s %s /hostile %s 2>&1"):format(world.folder, SOCKETS, image,
      table.concat(attempts, " "))))
    local text, results = pipe:read "a", {}
    pipe:close()
    for attempt, result in text:gmatch "(%S+) ([^\n]*)\n" do results[attempt] = result end
    return results, text
  end

  it("is refused nothing that an OCI runtime lets it do", function()
    local column = { runtime = "runc", rootless = false }
    local missing = oci_world.missing(column) or not os.execute "docker version >/dev/null 2>&1" and "docker is missing"
    if missing then return pending(missing) end
    world = oci_world.new(column, program)
    local attempts = { table.unpack(COUNTED) }
    table.move(REFUSED, 1, #REFUSED, #attempts + 1, attempts)
    local own = world:run({}, attempts)
    world:shell "rm -f sockets/*"
    local docker, text = run_in_docker(attempts)
    for _, attempt in ipairs(attempts) do
      local theirs = assert(docker[attempt], text)
      if theirs:find "^refused" then assert.are_not.equal("done", own[attempt], attempt) end
      if theirs:match "^%a+" ~= own[attempt]:match "^%a+" or not theirs:find "^refused" and theirs ~= own[attempt] then
        print(("%s: %s in Docker, %s here"):format(attempt, theirs, own[attempt]))
      end
    end
  end)
end)
