-- SPDX-License-Identifier: Apache-2.0
--
--- Limits of OCI runtimes' containers: what the kernel's own files say after the start, and what is refused where
--- nobody would hold to it.

local cgroups = require "gantry.engine.oci.cgroups"
local core = require "gantry.core"
local json = require "gantry.json"
local limits = require "gantry.engine.oci.limits"
local oci_world = require "engine.oci_world"
local support = require "engine.support"

local UNIFIED <const> = "/sys/fs/cgroup/unified"

describe("a container's limits", function()
  local program, world, cgroup

  setup(function() program = oci_world.program() end)
  teardown(function() support.remove(program:match "^(.*)/") end)
  after_each(function()
    if world then world:remove() end
    if cgroup then os.execute(("find %s -depth -type d -exec rmdir {} +"):format(cgroup)) end
    world, cgroup = nil, nil
  end)

  ---@return boolean there where the runtime can be tried here
  local function make(runtime, rootless)
    local column = { runtime = runtime, rootless = rootless }
    local missing = oci_world.missing(column)
    if missing then return pending(missing) and false end
    world = oci_world.new(column, program)
    return true
  end

  ---Looks at a container while it waits.
  ---@param changes table
  ---@param look fun(pid: integer, config: table)
  ---@return string output
  local function while_it_runs(changes, look)
    world:shell("mkfifo -m 666 sockets/go")
    local pipe = world:start(changes, { "await=" .. oci_world.socket_directory .. "/go", "whoami" })
    local first = pipe:read "l"
    if not first or not first:find "waits$" then return (first or "") .. pipe:read "a" end
    local config = json.decode(support.read(world.folder .. "/container/config.json"))
    local ok, reason = pcall(look, world:state().pid, config)
    local go = assert(io.open(world.folder .. "/sockets/go", "w"))
    go:write "x"
    go:close()
    local text = pipe:read "a"
    pipe:close()
    if not ok then error(reason, 0) end
    return text
  end

  it("are in the kernel's files of its cgroup", function()
    if not make("runc", false) then return end
    local seen
    local text = while_it_runs({ memory = 64 << 20, pids_limit = 48, nano_cpus = 500000000, cpuset = "0" },
      function(pid, config)
        seen = true
        local resources, version = config.linux.resources, cgroups.version()
        assert(limits.verify(resources, version, cgroups.reader(pid, version), false))
        resources.memory.limit = 32 << 20
        local ok, err = limits.verify(resources, version, cgroups.reader(pid, version), false)
        assert.is_nil(ok)
        assert.are.equal("LIMIT_NOT_DELEGATED", err.code)
      end)
    assert.is_true(seen, text)
  end)

  it("are of the process alone where the user's namespace counts them", function()
    if not make("crun", true) then return end
    local seen
    local text = while_it_runs({ pids_limit = 48, ulimits = { { name = "nofile", soft = 64, hard = 128 } } },
      function(pid)
        seen = support.read(("/proc/%d/limits"):format(pid))
      end)
    assert.is_truthy(seen and seen:find "Max processes +48 +48 ", text)
    assert.is_truthy(seen:find "Max open files +64 +128 ")
    assert.is_truthy(seen:find "Max core file size +0 +0 ")
  end)

  it("are refused where the kernel's version 2 has no controllers", function()
    if cgroups.version() == 2 then return pending "this machine has cgroups of version 2 alone" end
    if not make("crun", false) then return end
    for field, value in pairs { memory = 64 << 20, nano_cpus = 500000000, pids_limit = 48 } do
      local results, code, text = world:run({ [field] = value }, { "whoami" })
      assert.are.equal(99, code, text)
      assert.is_truthy(results.REFUSED:find("LIMIT_NOT_DELEGATED " .. field .. ":", 1, true), text)
    end
  end)

  it("are refused to an ordinary user to whom nothing was delegated, by each runtime", function()
    for _, runtime in ipairs { "crun", "runc", "runsc" } do
      if not make(runtime, true) then return end
      for field, value in pairs { memory = 64 << 20, nano_cpus = 500000000, cpuset = "0", cgroup_parent = "/x" } do
        local results, _, text = world:run({ [field] = value }, { "whoami" })
        assert.is_truthy((results.REFUSED or ""):find("LIMIT_NOT_DELEGATED " .. field .. ":", 1, true), text)
        assert.is_nil(results.whoami)
      end
      world:remove()
      world = nil
    end
  end)

  it("have a cgroup below one that was delegated, without what that cannot limit", function()
    if core.system.euid() ~= 0 or not core.system.stat(UNIFIED) then
      return pending "needs root, and the hybrid's cgroups of version 2 (the controllers need a machine of version 2)"
    end
    if not make("crun", true) then return end
    cgroup = UNIFIED .. "/gantry-test-" .. core.system.random(4)
    assert(os.execute(("mkdir %s && chown -R 61234:61234 %s"):format(cgroup, cgroup)))
    world.cgroup = cgroup
    local path
    local text = while_it_runs({}, function(pid) path = support.read(("/proc/%d/cgroup"):format(pid)) end)
    local wanted = ("0::/%s/gantry/gantry-test-"):format(cgroup:match "[^/]+$")
    assert.is_truthy(path and path:find(wanted, 1, true), path or text)
    local results = world:run({ memory = 64 << 20 }, { "whoami" })
    assert.is_truthy(results.REFUSED:find "^LIMIT_NOT_DELEGATED memory: .*has but these controllers", results.REFUSED)
  end)
end)
