-- SPDX-License-Identifier: Apache-2.0
--
--- base/elf.lua: what an ELF file says of itself: for which processor it is, and what its dynamic linker is to load
--- with it. Nothing of it is executed, and nothing in it is believed: every place is read as far as it is there.

local elf = {}

---@class gantry.Elf
---@field machine string as uname has it, such as "x86_64"; "machine N" where it is none that Go builds for
---@field architecture string? as Go and images have it, such as "amd64"
---@field bits 32|64
---@field kind "program"|"library"|"other"
---@field interpreter string? its dynamic linker; a static program has none
---@field needed string[] names of libraries
---@field search string[] folders that it wants to be searched before the usual ones, as written ($ORIGIN)

-- e_machine: the names of uname and of Go.
local MACHINES <const> = { [3] = { "i686", "386" }, [40] = { "armv7l", "arm" }, [62] = { "x86_64", "amd64" },
  [183] = { "aarch64", "arm64" }, [243] = { "riscv64", "riscv64" }, [21] = { "ppc64le", "ppc64le" },
  [22] = { "s390x", "s390x" }, [258] = { "loongarch64", "loong64" }, [8] = { "mips64", "mips64" } }

local PROGRAM <const>, SHARED <const> = 2, 3 -- e_type
local LOAD <const>, DYNAMIC <const>, INTERPRETER <const> = 1, 2, 3 -- p_type
local NEEDED <const>, STRINGS <const>, RPATH <const>, RUNPATH <const>, FLAGS_1 <const> = 1, 5, 15, 29, 0x6ffffffb
local PIE <const> = 0x08000000

local HEADER <const> = 64
local MOST_SEGMENTS <const>, MOST_DYNAMIC <const>, LONGEST_TEXT <const> = 256, 64 * 1024, 4096

-- By bits: where things stand, as string.unpack reads them.
local SHAPES <const> = {
  [32] = { header = "I2I2I4I4I4I4I4I2I2I2", segment = "I4I4I4I4I4I4I4I4", segment_size = 32, dynamic = "I4I4",
    dynamic_size = 8 },
  [64] = { header = "I2I2I4I8I8I8I4I2I2I2", segment = "I4I4I8I8I8I8I8I8", segment_size = 56, dynamic = "I8I8",
    dynamic_size = 16 },
}

---@class gantry.ElfReader
---@field file table with :read(at, count)
---@field endian "<"|">"
---@field shape table
---@field segments { kind: integer, offset: integer, address: integer, size: integer }[]
local Reader = {}
Reader.__index = Reader

---@param at integer
---@param count integer
---@return string bytes less where the file has no more
function Reader:bytes(at, count)
  if at < 0 or count <= 0 then return "" end
  return self.file:read(at, count) or ""
end

---@param format string
---@param bytes string
---@return integer ... nothing where they are too few
function Reader:unpack(format, bytes)
  format = self.endian .. format
  if #bytes >= string.packsize(format) then return string.unpack(format, bytes) end
end

---@param offset integer
---@param count integer
function Reader:read_segments(offset, count)
  local size = self.shape.segment_size
  local bytes = self:bytes(offset, math.min(count, MOST_SEGMENTS) * size)
  for at = 1, #bytes - size + 1, size do
    local kind, second, third, fourth, fifth, sixth = self:unpack(self.shape.segment, bytes:sub(at, at + size - 1))
    local wide = size == 56 -- the flags stand elsewhere
    self.segments[#self.segments + 1] = wide and { kind = kind, offset = third, address = fourth, size = sixth }
      or { kind = kind, offset = second, address = third, size = fifth }
  end
end

---@param kind integer
---@return { offset: integer, size: integer }? segment the first of its kind
function Reader:segment(kind)
  for _, one in ipairs(self.segments) do
    if one.kind == kind then return one end
  end
end

---@param address integer in memory
---@return integer? offset in the file
function Reader:offset_of(address)
  for _, one in ipairs(self.segments) do
    if one.kind == LOAD and math.ult(address - one.address, one.size) then return one.offset + address - one.address end
  end
end

---@param at integer
---@return string? text up to its NUL
function Reader:text(at)
  local text = self:bytes(at, LONGEST_TEXT):match "^([^\0]+)\0"
  return text and not text:find "%c" and text or nil
end

---@param found gantry.Elf
function Reader:read_dynamic(found)
  local segment = self:segment(DYNAMIC)
  if not segment then return end
  local bytes, size = self:bytes(segment.offset, math.min(segment.size, MOST_DYNAMIC)), self.shape.dynamic_size
  local needed, search, strings, flags = {}, {}, nil, 0
  for at = 1, #bytes - size + 1, size do
    local tag, value = self:unpack(self.shape.dynamic, bytes:sub(at, at + size - 1))
    if tag == 0 then break end
    if tag == NEEDED then needed[#needed + 1] = value end
    if tag == RPATH or tag == RUNPATH then search[#search + 1] = value end
    if tag == STRINGS then strings = self:offset_of(value) end
    if tag == FLAGS_1 then flags = value end
  end
  found.pie = flags & PIE ~= 0
  if not strings then return end
  for _, offset in ipairs(needed) do found.needed[#found.needed + 1] = self:text(strings + offset) end
  for _, offset in ipairs(search) do
    for folder in (self:text(strings + offset) or ""):gmatch "[^:]+" do found.search[#found.search + 1] = folder end
  end
end

---@param kind integer e_type
---@param found gantry.Elf
---@return "program"|"library"|"other"
local function kind_of(kind, found)
  if kind == PROGRAM or kind == SHARED and (found.interpreter or found.pie) then return "program" end
  return kind == SHARED and "library" or "other"
end

---@param file { read: fun(self: table, at: integer, count: integer): string? }
---@return gantry.Elf? found nil where it is no ELF file
function elf.read(file)
  local head = file:read(0, HEADER) or ""
  local class, data = head:byte(5, 6)
  local shape = SHAPES[(class or 0) * 32]
  if head:sub(1, 4) ~= "\127ELF" or not shape or (data ~= 1 and data ~= 2) then return nil end
  local self = setmetatable({ file = file, endian = data == 1 and "<" or ">", shape = shape, segments = {} }, Reader)
  local kind, number, _, _, offset, _, _, _, size, count = self:unpack(shape.header, head:sub(17))
  if not count then return nil end
  if size == shape.segment_size then self:read_segments(offset, count) end
  local names = MACHINES[number] or { "machine " .. number }
  local found = { machine = names[1], architecture = names[2], bits = class * 32, needed = {}, search = {} }
  local interpreter = self:segment(INTERPRETER)
  found.interpreter = interpreter and self:text(interpreter.offset)
  self:read_dynamic(found)
  found.kind = kind_of(kind, found)
  return found
end

return elf
