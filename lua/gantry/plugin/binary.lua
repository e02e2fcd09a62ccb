-- SPDX-License-Identifier: Apache-2.0
--
--- plugin/binary.lua: the file that a policy names instead of an image: whether it is a program that can run alone in a
--- container of this machine, what it holds, and what it needs besides. It is read, never executed.

local binaries = require "gantry.place.binaries"
local binary_image = require "gantry.engine.binary_image"
local c_module = require "gantry.base.c_module"
local core = require "gantry.core"
local elf = require "gantry.base.elf"
local errors = require "gantry.base.errors"
local libraries = require "gantry.plugin.libraries"
local task = require "gantry.task"

local binary = {}

-- Bytes that are hashed at once: milliseconds, in which nothing else happens.
local PIECE <const> = 1024 * 1024
-- Seconds after a change in which another one might leave the same time.
local SETTLED <const> = 1
-- Where the machine's own processor is written down: this program.
local SELF <const> = "/proc/self/exe"
-- What a processor runs beside its own.
local ALSO <const> = { x86_64 = "i686", aarch64 = "armv7l" }

---@class gantry.Binary
---@field path string
---@field file userdata open; closed with the object
---@field size integer
---@field elf gantry.Elf
---@field architecture string as images have it
---@field mounts table[] what it needs of this machine
---@field sha256 string
---@field layer string SHA-256 of the layer of an image that holds it
local Binary = {}
Binary.__index = Binary

function Binary:__close()
  self.file:close()
end

---@param code string
---@param path string
---@param text string what is wrong, and the remedy
---@param fields table? of the error
---@return nil, gantry.Error err with the field of the policy that is at fault
local function refuse(code, path, text, fields)
  fields = fields or {}
  fields.field = fields.field or "binary"
  return nil, errors.new(code, ("binary %s %s"):format(path, text), fields)
end

local ENOENT <const>, ENOTDIR <const> = 2, 20

---@param path string
---@return userdata? file, table|gantry.Error status_or_err
local function open(path)
  local file, status = core.files.open(path)
  if not file then
    local missing = status.os_error == ENOENT or status.os_error == ENOTDIR
    if missing then
      return refuse("BINARY_NOT_FOUND", path, "is not there; build it, or correct the policy", { cause = status })
    end
    return refuse("BINARY_UNREADABLE", path, ("cannot be read: %s"):format(status.message), { cause = status })
  end
  local wrong
  if status.type == "directory" then
    wrong = { "BINARY_NOT_A_FILE", "is a folder; name the program in it" }
  elseif status.type ~= "file" then
    wrong = { "BINARY_NOT_A_FILE", "is no regular file; name a program" }
  elseif status.size > binary_image.LARGEST then
    wrong = { "BINARY_TOO_LARGE", "is larger than 8 GiB; put it into an image" }
  else
    return file, status
  end
  file:close()
  return refuse(wrong[1], path, wrong[2])
end

---Why a file is no program, by how it begins.
---@param head string
---@return string
local function describe_other(head)
  local line = head:match "^#!%s*([^\n]*)"
  if line and line:find "%f[%w]gantry%s+exec" then return "is a policy of gantry's; name the binary that it names" end
  if line then
    return ("is a script for %s, which a container of one file does not have; name a program, or put both into an "
      .. "image"):format(line:match "^%S+" or "?")
  end
  return "is no program for Linux (no ELF file); build it for Linux, or correct the path"
end

---@return gantry.Elf? found this process's own program
local function own_program()
  local file <close> = core.files.open(SELF)
  return file and elf.read(file)
end

---@param path string
---@param file userdata
---@return gantry.Elf? found, gantry.Error? err
local function read_program(path, file)
  local found = elf.read(file)
  if not found then return refuse("BINARY_NOT_A_PROGRAM", path, describe_other(file:read(0, 128) or "")) end
  if found.kind ~= "program" then
    return refuse("BINARY_NOT_A_PROGRAM", path, found.kind == "library"
      and "is a shared library; name the program" or "is an ELF file, but no program; name the program")
  end
  local own = own_program()
  if own and own.machine ~= found.machine and ALSO[own.machine] ~= found.machine or not found.architecture then
    return refuse("BINARY_ARCHITECTURE", path, ("is for %s, and this machine is %s; use the one for it%s"):format(
      found.machine, own and own.machine or "another", own and own.architecture and " (linux/" .. own.architecture
      .. ")" or ""))
  end
  return found
end

---What a dynamic program needs, where the policy lets it have that.
---@param path string
---@param program gantry.Elf
---@param allowed boolean?
---@return table[]? mounts, gantry.Error? err
local function needs(path, program, allowed)
  if not program.interpreter then return {} end
  if allowed then return libraries.mounts(path, program) end
  return refuse("BINARY_DYNAMIC", path, ("is dynamic and cannot start alone: it needs %s; set libraries = true, which "
    .. "mounts this machine's read-only, or build it static (CGO_ENABLED=0)"):format(libraries.describe(program)))
end

---SHA-256 of the file, and of what stands before and behind it in a layer.
---@param self gantry.Binary
---@return string? digest, string|gantry.Error layer_or_err
local function hash(self)
  local module, missing = c_module.load "digest"
  if not module then return nil, missing end
  local before, after = binary_image.layer(self.size)
  local whole, layer = assert(module.new()), assert(module.new())
  layer:add(before)
  for at = 0, self.size - 1, PIECE do
    local wanted = math.min(PIECE, self.size - at)
    for _, sum in ipairs { whole, layer } do
      local count, err = sum:add_file(self.file, at, wanted)
      if not count then return nil, err end
      if count < wanted then return refuse("BINARY_CHANGED", self.path, "was changed while it was read; try again") end
    end
    task.sleep(0) -- others have their turn
  end
  layer:add(after)
  return whole:hex(), layer:hex()
end

---@class gantry.BinaryOptions
---@field policy string? whose binary it is
---@field environment table<string, string>? of the caller's

---Finds out what the file holds: from what was written down, where it is as it was then.
---@param self gantry.Binary
---@param options gantry.BinaryOptions
---@return boolean? ok, gantry.Error? err
local function measure(self, options)
  local key = options.policy and core.system.real_path(options.policy) or self.path
  local stamp, changed = self.file:stamp()
  local known = binaries.used(key, options.environment)
  if known and known.path == self.path and known.stamp == stamp then
    self.sha256, self.layer = known.sha256, known.layer
    return true
  end
  local digest, layer = hash(self)
  if not digest then return nil, layer end
  self.sha256, self.layer = digest, layer
  if self.file:stamp() == stamp and os.time() - changed > SETTLED then
    binaries.use({ key = key, path = self.path, stamp = stamp, sha256 = digest, layer = layer }, options.environment)
  end
  return true
end

---@param self gantry.Binary
---@param pin string?
---@return boolean? ok, gantry.Error? err
local function check_pin(self, pin)
  if not pin or pin == self.sha256 then return true end
  return refuse("BINARY_PIN_MISMATCH", self.path, ("is not the pinned one: the policy says sha256:%s, the file is "
    .. "sha256:%s; put the pinned file there, or change the policy's sha256"):format(pin, self.sha256),
    { field = "sha256" })
end

---Looks at a policy's binary and holds it against the pin.
---@param config gantry.Config
---@param options gantry.BinaryOptions
---@return gantry.Binary? binary to be held in a `<close>` variable, gantry.Error? err
function binary.open(config, options)
  local path = config.binary
  local file, status = open(path)
  if not file then return nil, status end
  local self = setmetatable({ path = path, file = file, size = status.size }, Binary)
  local ok, err = read_program(path, file)
  if ok then
    self.elf, self.architecture = ok, ok.architecture
    self.mounts, err = needs(path, ok, config.libraries)
    ok = self.mounts
  end
  if ok then ok, err = measure(self, options) end
  if ok then ok, err = check_pin(self, config.sha256) end
  if ok then return self end
  file:close()
  return nil, err
end

return binary
