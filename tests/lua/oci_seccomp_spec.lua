-- SPDX-License-Identifier: Apache-2.0
--
--- Filters of system calls for OCI runtimes: gantry's own, and what is made of Docker's profiles.

local core = require "gantry.core"
local profile = require "gantry.engine.oci.seccomp_profile"
local seccomp = require "gantry.engine.oci.seccomp"

-- What the generated file was made of, where this machine has the same.
local SOURCE <const> = "/usr/share/containers/seccomp.json"
local FILE <const> = "lua/gantry/engine/oci/seccomp_profile.lua"

---@param filter table
---@param name string
---@return string[] actions of the rules that name a call
local function actions(filter, name)
  local found = {}
  for _, rule in ipairs(filter.syscalls) do
    for _, one in ipairs(rule.names) do
      if one == name then found[#found + 1] = rule.action:match "_(%u+)$" .. (rule.args and " by arguments" or "") end
    end
  end
  return found
end

describe("gantry's filter of system calls", function()
  it("is of one machine type", function()
    for machine, name in pairs { x86_64 = "SCMP_ARCH_X86_64", aarch64 = "SCMP_ARCH_AARCH64" } do
      local filter = assert(seccomp.default(machine))
      assert.are.same({ name }, { table.unpack(filter.architectures) })
      assert.are.equal(38, filter.defaultErrnoRet)
      assert.are.same({ machine == "x86_64" and "ALLOW" or nil }, actions(filter, "open"))
    end
    local filter, err = seccomp.default "riscv64"
    assert.is_nil(filter)
    assert.are.equal("ENGINE_UNSUPPORTED", err.code)
  end)

  it("refuses what changes mounts, namespaces, keys and other processes", function()
    local filter = assert(seccomp.default "x86_64")
    for name in ([[mount umount2 pivot_root move_mount open_tree unshare setns keyctl add_key request_key ptrace
        process_vm_writev bpf perf_event_open init_module kexec_load userfaultfd reboot syslog]]):gmatch "%S+" do
      assert.are.same({ "ERRNO" }, actions(filter, name), name)
    end
    assert.are.same({}, actions(filter, "clone3"))
    assert.are.same({}, actions(filter, "io_uring_setup"))
    assert.are.same({ "ALLOW by arguments" }, actions(filter, "clone"))
    for _, action in ipairs(actions(filter, "socket")) do assert.is_truthy(action:find "by arguments$") end
    for name in ("read write openat execve mmap futex epoll_pwait accept4 bind listen"):gmatch "%S+" do
      assert.are.same({ "ALLOW" }, actions(filter, name), name)
    end
  end)

  it("names each call once", function()
    local seen = {}
    for _, lists in ipairs { profile.allowed, profile.refused } do
      for _, machine in ipairs { "x86_64", "aarch64" } do
        for name in (lists.all .. " " .. lists[machine]):gmatch "%S+" do
          local key = machine .. " " .. name
          assert.is_nil(seen[key], key)
          seen[key] = true
        end
      end
    end
  end)

  it("is what its script makes of its source", function()
    local file <close> = assert(io.open(FILE))
    local text = file:read "a"
    local have = core.system.stat(SOURCE) and io.popen("sha256sum " .. SOURCE):read "a":match "%x+"
    if have ~= text:match "source: (%x+)" then return pending("containers-common's profile is not here, or another") end
    if not core.system.stat "/usr/include/x86_64-linux-gnu/asm/unistd_64.h" then
      return pending "its script needs the kernel's headers for x86-64"
    end
    local pipe <close> = assert(io.popen("lua5.4 scripts/seccomp_profile.lua " .. SOURCE))
    assert.are.equal(text, pipe:read "a")
  end)
end)

describe("a profile as Docker documents it", function()
  local SITUATION <const> = { machine = "x86_64", kernel = "5.10.0-9", capabilities = { "CAP_IPC_LOCK" } }

  ---@return string names of calls that are left
  local function kept(entry)
    entry.names, entry.action = { "x" }, "SCMP_ACT_ALLOW"
    local filter = assert(seccomp.flatten({ defaultAction = "SCMP_ACT_ERRNO", syscalls = { entry } }, SITUATION))
    return #filter.syscalls
  end

  it("holds for machines, kernels and capabilities, of which a runtime knows nothing", function()
    assert.are.equal(1, kept {})
    assert.are.equal(1, kept { includes = { arches = { "arm64", "amd64" } } })
    assert.are.equal(0, kept { includes = { arches = { "arm64" } } })
    assert.are.equal(0, kept { excludes = { arches = { "amd64" } } })
    assert.are.equal(1, kept { includes = { caps = { "CAP_IPC_LOCK" } } })
    assert.are.equal(0, kept { includes = { caps = { "CAP_IPC_LOCK", "CAP_SYS_ADMIN" } } })
    assert.are.equal(0, kept { excludes = { caps = { "CAP_SYS_ADMIN", "CAP_IPC_LOCK" } } })
    assert.are.equal(1, kept { excludes = { caps = { "CAP_SYS_ADMIN" } } })
    assert.are.equal(1, kept { includes = { minKernel = "4.8" } })
    assert.are.equal(0, kept { includes = { minKernel = "5.11" } })
    assert.are.equal(0, kept { excludes = { minKernel = "5.10" } })
  end)

  it("keeps what a runtime takes", function()
    local filter = assert(seccomp.flatten({ defaultAction = "SCMP_ACT_LOG", defaultErrnoRet = 1, archMap = {
      { architecture = "SCMP_ARCH_X86_64", subArchitectures = { "SCMP_ARCH_X86" } },
      { architecture = "SCMP_ARCH_AARCH64", subArchitectures = { "SCMP_ARCH_ARM" } } },
      syscalls = { { name = "old", action = "SCMP_ACT_ERRNO", errnoRet = 5, args = { { index = 0, value = 1,
        op = "SCMP_CMP_EQ" } } } } }, SITUATION))
    assert.are.same({ "SCMP_ARCH_X86_64", "SCMP_ARCH_X86" }, { table.unpack(filter.architectures) })
    assert.are.same({ "old" }, { table.unpack(filter.syscalls[1].names) })
    assert.are.equal(5, filter.syscalls[1].errnoRet)
    assert.are.equal(1, #filter.syscalls[1].args)
  end)

  it("is refused where it is none", function()
    for _, given in ipairs { false, "x", {}, { defaultAction = "A", syscalls = "x" },
      { defaultAction = "A", syscalls = { 1 } }, { defaultAction = "A", syscalls = { { names = { "x" } } } },
      { defaultAction = "A", syscalls = { { names = { "x" }, action = "B", includes = 1 } } } } do
      local filter, err = seccomp.flatten(given, SITUATION)
      assert.is_nil(filter)
      assert.are.equal("SECCOMP_INVALID", err.code)
    end
  end)
end)
