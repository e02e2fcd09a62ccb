-- SPDX-License-Identifier: Apache-2.0
--
--- plugin/libraries.lua: what a dynamic program needs of this machine to start: its loader and its libraries, found as
--- the loader finds them, without executing anything.

local core = require "gantry.core"
local elf = require "gantry.base.elf"
local errors = require "gantry.base.errors"

local libraries = {}

local CONFIGURATION <const>, LARGEST <const>, DEEPEST <const> = "/etc/ld.so.conf", 64 * 1024, 8
-- A chain of libraries without end is a trap.
local MOST <const> = 512

---@class gantry.LibrarySearch
---@field program gantry.Elf
---@field mounts { source: string, target: string, read_only: boolean }[]
---@field missing string[]
---@field seen table<string, boolean> names
---@field folder string? the first of the loader's own folders in which one was found
---@field usual string[] the loader's own folders
---@field configured string[] of this machine, which no container knows of

---@param program gantry.Elf
---@return string[]
local function usual_folders(program)
  local list = {}
  for _, name in ipairs(core.files.list "/lib" or {}) do
    if name:find("^" .. program.machine:gsub("^i%d86$", "i.86") .. "%-") then
      list[#list + 1], list[#list + 2] = "/lib/" .. name, "/usr/lib/" .. name
    end
  end
  for _, folder in ipairs { "/lib" .. program.bits, "/usr/lib" .. program.bits, "/lib", "/usr/lib" } do
    list[#list + 1] = folder
  end
  return list
end

---Adds the folders of a configuration file, and of those that it includes.
---@param list string[]
---@param path string
---@param depth integer
local function add_configured(list, path, depth)
  local text = depth > 0 and core.files.read(path, LARGEST) or ""
  for line in text:gmatch "[^\n]+" do
    line = line:gsub("#.*", ""):match "^%s*(.-)%s*$"
    local included = line:match "^include%s+(.+)$"
    if included then
      local folder, name = included:match "^(.*)/([^/]*)$"
      folder = (folder or ""):sub(1, 1) == "/" and folder or "/etc/" .. (folder or "")
      local pattern = "^" .. (name or included):gsub("%p", "%%%0"):gsub("%%%*", ".*") .. "$"
      local names = core.files.list(folder) or {}
      table.sort(names)
      for _, one in ipairs(names) do
        if one:find(pattern) then add_configured(list, folder .. "/" .. one, depth - 1) end
      end
    elseif line:sub(1, 1) == "/" then
      list[#list + 1] = line
    end
  end
end

---@param path string
---@param program gantry.Elf
---@return gantry.Elf? found where it is there, for the same processor
local function look(path, program)
  local file <close> = core.files.open(path)
  local found = file and elf.read(file)
  return found and found.machine == program.machine and found.bits == program.bits and found or nil
end

---@param self gantry.LibrarySearch
---@param wanted_by { path: string, elf: gantry.Elf }
---@return string[]
local function folders_for(self, wanted_by)
  local list = {}
  local origin = (core.system.real_path(wanted_by.path) or wanted_by.path):match "^(.*)/"
  for _, folder in ipairs(wanted_by.elf.search) do
    folder = folder:gsub("%${?ORIGIN}?", (origin:gsub("%%", "%%%%")))
    if folder:sub(1, 1) == "/" then list[#list + 1] = folder end
  end
  for _, folders in ipairs { self.configured, self.usual } do table.move(folders, 1, #folders, #list + 1, list) end
  return list
end

---@param self gantry.LibrarySearch
---@param name string as it is needed
---@param wanted_by { path: string, elf: gantry.Elf }
---@return { path: string, elf: gantry.Elf }? found
local function find(self, name, wanted_by)
  if name:find("/", 1, true) then return nil end
  for _, folder in ipairs(folders_for(self, wanted_by)) do
    local path = folder .. "/" .. name
    local found = look(path, self.program)
    if found then
      for _, usual in ipairs(self.usual) do
        if usual == folder then self.folder = self.folder or folder end
      end
      return { path = path, elf = found, name = name }
    end
  end
end

---@param self gantry.LibrarySearch
---@param program { path: string, elf: gantry.Elf }
---@return { path: string, name: string }[] found all that are needed, each once
local function collect(self, program)
  local found, at = { program }, 1
  while found[at] and #found < MOST do
    for _, name in ipairs(found[at].elf.needed) do
      local one = not self.seen[name] and find(self, name, found[at])
      if not self.seen[name] and not one then self.missing[#self.missing + 1] = name end
      self.seen[name] = true
      found[#found + 1] = one or nil
    end
    at = at + 1
  end
  table.remove(found, 1)
  return found
end

---@param program gantry.Elf
---@return string what it needs, for people
function libraries.describe(program)
  local list = { program.interpreter, table.unpack(program.needed) }
  return table.concat(list, ", ")
end

---The mounts that give a program in a container of its own what it needs: each library at the place where its loader
---looks without being told.
---@param path string the program's
---@param program gantry.Elf dynamic
---@return { source: string, target: string, read_only: boolean }[]? mounts, gantry.Error? err BINARY_LIBRARY_MISSING
function libraries.mounts(path, program)
  local self = { program = program, missing = {}, seen = {}, usual = usual_folders(program), configured = {} }
  add_configured(self.configured, CONFIGURATION, DEEPEST)
  if not look(program.interpreter, program) then self.missing[1] = program.interpreter end
  -- The loader is a library of others', which they name without its folder.
  self.seen[program.interpreter:match "[^/]*$"] = true
  local found = collect(self, { path = path, elf = program })
  if #self.missing > 0 then
    return nil, errors.new("BINARY_LIBRARY_MISSING", ("binary %s needs what this machine lacks: %s; install that, or "
      .. "build the binary static (CGO_ENABLED=0)"):format(path, table.concat(self.missing, ", ")))
  end
  local mounts = { { source = core.system.real_path(program.interpreter), target = program.interpreter,
    read_only = true } }
  for _, one in ipairs(found) do
    mounts[#mounts + 1] = { source = core.system.real_path(one.path), target = (self.folder or "/lib") .. "/"
      .. one.name, read_only = true }
  end
  return mounts
end

return libraries
