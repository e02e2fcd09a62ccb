-- SPDX-License-Identifier: Apache-2.0
--
--- What an ELF file says of itself: of programs of this machine, and of files that are broken.

local core = require "gantry.core"
local elf = require "gantry.base.elf"

local CORPUS <const> = (os.getenv "GANTRY_SOURCE" or ".") .. "/tests/fuzz/corpus/elf/"

---@param path string
---@return gantry.Elf?
local function read(path)
  local file <close> = assert(core.files.open(path))
  return elf.read(file)
end

describe("gantry.base.elf", function()
  it("reads what a dynamic program needs", function()
    local found = read(CORPUS .. "dynamic")
    assert.are.same({ machine = "x86_64", architecture = "amd64", bits = 64, kind = "program",
      interpreter = "/lib64/ld.so", needed = { "libc.so.6", "libm.so.6" }, search = { "$ORIGIN/lib", "/opt/x" },
      pie = false }, found)
  end)

  it("reads either order of bytes, and 32 bits", function()
    local big, small = read(CORPUS .. "big_endian"), read(CORPUS .. "32_bit")
    assert.are.equal("s390x", big.architecture)
    assert.are.same({ "libc.so.6", "libm.so.6" }, big.needed)
    assert.are.equal("386 /lib/ld.so.2", small.architecture .. " " .. small.interpreter)
  end)

  it("reads this machine's own", function()
    local lua = read("/proc/self/exe")
    assert.are.equal("program", lua.kind)
    assert.is_not_nil(core.system.stat(lua.interpreter))
    assert.is_true(#lua.needed > 0)
    local pipe <close> = assert(io.popen "uname -m")
    assert.are.equal(pipe:read "l", lua.machine)
  end)

  it("tells a library from a program", function()
    assert.are.equal("library", read(os.getenv("GANTRY"):match "^(.*)/" .. "/lib/gantry/libgantry-core.so").kind)
  end)

  it("takes nothing else for one", function()
    assert.is_nil(read(CORPUS .. "script"))
    assert.is_nil(read("/dev/null"))
  end)

  it("reads what is left of a broken one", function()
    local file <close> = assert(io.open(CORPUS .. "dynamic", "rb"))
    local bytes = file:read "a"
    for length = 0, #bytes do
      for _, changed in ipairs { bytes:sub(1, length), bytes:sub(1, length) .. "\255" .. bytes:sub(length + 2) } do
        elf.read { read = function(_, at, count) return changed:sub(at + 1, at + count) end }
      end
    end
  end)
end)
