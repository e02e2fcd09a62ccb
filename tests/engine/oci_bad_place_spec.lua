-- SPDX-License-Identifier: Apache-2.0
--
--- Places that are no good for containers without a daemon: a state directory on a file system that is full, executes
--- nothing or cannot be written to, and one that somebody empties while plugins run.

local core = require "gantry.core"
local oci = require "engine.oci"
local oci_containers = require "engine.oci_containers"
local support = require "engine.support"
local task = require "gantry.task"

local ends, eventually, lives = oci_containers.ends, support.eventually, oci_containers.lives

describe("the place of containers without a daemon", function()
  local root

  local reason = oci_containers.missing()
  if reason then return it("can be tried", function() pending(reason) end) end

  before_each(function() root = support.temporary() end)
  after_each(function() support.remove(root) end)

  ---Runs the plugin until it is ready, then ends it, with a state directory on a file system of its own.
  ---@param options string of the mount
  ---@param before string? shell, in the mounted folder
  ---@return string output
  local function run_on(options, before)
    local policy = support.write(root .. "/kv.lua", oci.policy "")
    support.write(root .. "/script", ([[
set -e
mkdir -p -m 700 %s/on && mount -t tmpfs -o mode=700,%s none %s/on && cd %s/on
mkdir -m 700 run && { %s
}
cd /
export GANTRY_RUNTIME_DIR=%s/on/run GANTRY_STATE_DIR=%s/state
%s call %s grpc.health.v1.Health/Check --engine oci: 2>&1 || echo code $?
echo left: $(ls -A %s/on/run/.oci/containers %s/on/run/.oci/names 2>/dev/null | grep -v :)
]]):format(root, options, root, root, before or "true", root, root, support.executable, policy, root, root))
    local pipe <close> = assert(io.popen("unshare -m sh " .. root .. "/script 2>&1"))
    return pipe:read "a"
  end

  for _, options in ipairs { "noexec", "nosuid,nodev", "noexec,nosuid,nodev,noatime" } do
    it("may be a file system that is " .. options, function()
      if core.system.euid() ~= 0 then return pending "file systems are mounted by root" end
      local text = run_on(options)
      assert.is_nil(text:find("code", 1, true), text)
      assert.matches("left:%s*$", text)
    end)
  end

  it("is named where it is full, and nothing is left", function()
    if core.system.euid() ~= 0 then return pending "file systems are mounted by root" end
    -- What each step of a launch writes is what the disk is full for.
    local failed = 0
    for _, free in ipairs { 0, 8, 16, 24, 32, 40, 48, 64, 80 } do
      local text = run_on("size=256k", ("head -c %d /dev/zero >fill"):format((256 - 16 - free) * 1024))
      assert.matches("left:%s*$", text)
      if text:find("code", 1, true) then
        failed = failed + 1
        assert.is_truthy(text:find("No space left on device", 1, true), text)
        assert.is_truthy(text:find(root .. "/on/run", 1, true), text)
      end
    end
    assert.is_true(failed > 1)
  end)

  it("is named where nothing can be written", function()
    if core.system.euid() ~= 0 then return pending "file systems are mounted by root" end
    local text = run_on("size=1m", "mount -o remount,ro none " .. root .. "/on")
    assert.matches("code %d", text)
    assert.matches("Read%-only file system", text)
    assert.is_truthy(text:find(root .. "/on/run", 1, true), text)
  end)

  describe("that is emptied while a plugin runs", function()
    local world

    before_each(function() world = oci_containers.new() end)
    after_each(function() world:remove() end)

    local function test(name, fn)
      it(name, function() task.run(fn) end)
    end

    local function empty()
      assert(os.execute("rm -rf " .. world.root .. "/.oci"))
    end

    ---@return boolean
    local function has_cgroup(id)
      local pipe <close> = assert(io.popen("find /sys/fs/cgroup -name " .. id))
      return pipe:read "a" ~= ""
    end

    for _, outlives in ipairs { false, true } do
      test("leaves it in the hands of its gantry" .. (outlives and ", though it is to outlive that" or ""), function()
        local client = world:connect()
        local id, heard, pid = world:start(client, { outlives = outlives })
        empty()
        local found = assert(client:inspect(id))
        assert.are.same({ "running", true, pid }, { found.state.status, found.state.running, found.state.pid })
        assert.are.equal(id, client:list({})[1].id)
        assert.is_true(client:kill(id, "QUIT"))
        assert.is_true(ends(heard))
        assert.is_truthy(heard.stderr:find("SIGQUIT", 1, true))
        assert.are.same({ exit_code = 2 }, assert(client:wait(id)))
        assert.are.equal("exited", assert(client:inspect(id)).state.status)
        client:remove(id)
        assert.is_nil(client:inspect(id))
        assert.is_false(has_cgroup(id))
      end)
    end

    test("is removed with what runs", function()
      local client = world:connect()
      local id, heard, pid = world:start(client, { outlives = true })
      empty()
      assert.is_true(client:remove(id))
      assert.is_truthy(ends(heard))
      eventually("its end", function() return not lives(pid) end)
      assert.is_false(has_cgroup(id))
      assert.are.same({}, client:list {})
      local other = world:start(client)
      assert.is_true(client:remove(other))
    end)

    test("goes with its gantry all the same", function()
      local client = world:connect()
      local _, _, pid = world:start(client)
      empty()
      client:close()
      eventually("its end", function() return not lives(pid) end)
    end)

    test("tells who waits for its end already", function()
      local client = world:connect()
      local id, heard = world:start(client, { args = { "-handshake", "stays", "-exit-after", "1s", "-exit-code",
        "4" } })
      local waited = task.spawn(function() return client:wait(id) end)
      task.sleep(0.1)
      empty()
      assert.is_true(ends(heard))
      assert.are.same({ exit_code = 4 }, assert(waited:wait()))
      client:remove(id)
    end)
  end)

  describe("has names of containers that are there alone:", function()
    local world

    before_each(function() world = oci_containers.new() end)
    after_each(function() world:remove() end)

    it("those of containers that went with their gantry are let go of", function()
      task.run(function()
        local first = world:connect()
        local id = world:start(first)
        local folder = first.layout.path .. "/names"
        assert.are.equal(1, #support.entries(folder))
        first:close()
        local second = world:connect()
        eventually("the container's removal", function() return second:inspect(id) == nil end)
        local other = assert(world:create(second))
        assert.are.equal(1, #second:list {})
        assert.are.equal(1, #support.entries(folder))
        assert.is_true(second:remove(other))
      end)
    end)
  end)
end)
