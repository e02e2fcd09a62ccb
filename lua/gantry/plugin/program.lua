-- SPDX-License-Identifier: Apache-2.0
--
--- plugin/program.lua: why the program of a container was not run, found by looking at its file: engines, runtimes and
--- inits all say "no such file" of a file that is there and whose loader is not.

local core = require "gantry.core"
local words = require "gantry.base.words"

local program = {}

-- How much of a program is looked at: its loader is named near its beginning.
local HEAD <const> = 64 * 1024
local MOST_LINKS <const> = 8
local ANY_MAY_RUN <const> = tonumber("111", 8)
local USUAL_PATH <const> = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
-- What a loader exits with that lacks a library.
local LIBRARY_MISSING <const> = 127

-- Of ELF's machines, those that images are made for, as Go and as the kernel call them.
local MACHINES <const> = { [3] = "386", [20] = "ppc", [21] = "ppc64le", [22] = "s390x", [40] = "arm", [62] = "amd64",
  [183] = "arm64", [243] = "riscv64", [258] = "loong64" }
local KERNEL <const> = { x86_64 = { "amd64", "386" }, aarch64 = { "arm64", "arm" }, armv7l = { "arm" },
  riscv64 = { "riscv64" }, s390x = { "s390x" }, ppc64le = { "ppc64le" }, loongarch64 = { "loong64" } }
local LOADER <const> = 3 -- PT_INTERP
local STATIC <const> = "build it static (CGO_ENABLED=0 go build)"

-- ---- what is in a file ----

---@param head string an ELF file's first bytes
---@return { machine: integer, loader: string? }? about nil where the header is cut
function program.read_elf(head)
  if #head < 64 then return nil end
  local wide, order = head:byte(5) == 2, head:byte(6) == 2 and ">" or "<"
  local machine = string.unpack(order .. "I2", head, 19)
  local at = wide and string.unpack(order .. "I8", head, 33) or string.unpack(order .. "I4", head, 29)
  local size, count = string.unpack(order .. "I2I2", head, wide and 55 or 43)
  local found = { machine = machine }
  for i = 0, math.min(count, 64) - 1 do
    local from = at + i * size + 1
    if from < 1 or from + 55 > #head then break end
    if string.unpack(order .. "I4", head, from) == LOADER then
      local offset = string.unpack(order .. (wide and "I8" or "I4"), head, from + (wide and 8 or 4))
      found.loader = head:sub(offset + 1, offset + 4096):match "^(/%Z+)\0"
    end
  end
  return found
end

-- ---- where it is ----

---@param plugin gantry.Plugin
---@return string? name as it is to be executed
local function name_of(plugin)
  local image = plugin.image or {}
  local command = plugin.config.entrypoint or image.entrypoint or {}
  if #command == 0 then command = plugin.config.args or image.command or {} end
  return command[1]
end

---@param plugin gantry.Plugin
---@return string
local function search_path(plugin)
  for _, entry in ipairs(plugin.inspected and plugin.inspected.env or {}) do
    local value = entry:match "^PATH=(.*)$"
    if value then return value end
  end
  return USUAL_PATH
end

---@param folder string
---@param path string
---@return string absolute
local function joined(folder, path)
  if path:sub(1, 1) == "/" then return path end
  return (folder:gsub("/*$", "/")) .. path
end

---Where a path of the container lies on this machine, by the policy's mounts: not every engine reads those.
---@param plugin gantry.Plugin
---@param path string
---@return string? path
local function on_host(plugin, path)
  for _, mount in ipairs(plugin.config.mounts or {}) do
    local target = mount.target:gsub("/+$", "")
    if path == target then return mount.source end
    if path:sub(1, #target + 1) == target .. "/" then return mount.source .. path:sub(#target + 1) end
  end
end

---@param path string of this machine
---@return gantry.FileHead? head nil where nothing is there
---@return gantry.Error? err
local function read_here(path)
  local bytes, status = core.files.read(path, HEAD)
  if bytes then return { kind = status.type == "directory" and "folder" or status.type, mode = status.mode,
    bytes = bytes, target = "" } end
  return nil, core.system.stat(path) and status or nil
end

---@param path string of the container
---@param plugin gantry.Plugin
---@return gantry.FileHead? head, gantry.Error? err
local function read_there(path, plugin)
  local head, err = plugin.engine:read_head(plugin.container, path, HEAD)
  return head, err and err.code ~= "NOT_FOUND" and err or nil
end

---What is at a path of the container, links followed.
---@param plugin gantry.Plugin
---@param path string
---@return gantry.FileHead? head nil where nothing is there
---@return gantry.Error? err where that cannot be told
local function look(plugin, path)
  for _ = 1, MOST_LINKS do
    local here = on_host(plugin, path)
    local read, subject = here and read_here or read_there, here or path
    local head, err = read(subject, plugin)
    if not head then return nil, err end
    if head.kind ~= "link" then return head end
    path = joined(path:match "^(.*)/[^/]*$" or "", head.target)
  end
end

---@param plugin gantry.Plugin
---@param name string
---@return gantry.FileHead? head, gantry.Error? err
local function find(plugin, name)
  if name:find("/", 1, true) then
    return look(plugin, joined(plugin.config.working_dir or plugin.image.working_dir or "/", name))
  end
  for folder in search_path(plugin):gmatch "[^:]+" do
    local head, err = look(plugin, joined(folder, name))
    if head and head.kind == "file" or err then return head, err end
  end
end

-- ---- what is wrong with it ----

---@param machine integer
---@return string? problem
local function wrong_machine(machine)
  local file <close> = io.open("/proc/sys/kernel/arch", "r")
  local here = file and file:read "l"
  local fits, built = KERNEL[here or ""], MACHINES[machine] or ("machine %d"):format(machine)
  for _, one in ipairs(fits or { built }) do
    if one == built then return nil end
  end
  return ("is built for %s, and this machine is %s; take the image of this platform, or build with GOARCH=%s"):format(
    built, fits[1], fits[1])
end

---What runs a program. An empty file does not: engines leave such where another container had something mounted.
---@param plugin gantry.Plugin
---@param path string
---@return gantry.FileHead? head, gantry.Error? err
local function look_for_runner(plugin, path)
  local head, err = look(plugin, path)
  if head and head.kind == "file" and head.bytes == "" then return nil end
  return head, err
end

---@param plugin gantry.Plugin
---@param head gantry.FileHead
---@return string? problem, gantry.Error? err
local function wrong_elf(plugin, head)
  local about = program.read_elf(head.bytes)
  if not about then return "is cut off: it is shorter than its own header; build the image again" end
  local foreign = wrong_machine(about.machine)
  if foreign or not about.loader then return foreign end
  local loader, err = look_for_runner(plugin, about.loader)
  if err then return nil, err end
  if not loader then
    return ("is a dynamic program, and the image lacks its loader %s; %s, or take an image with that loader, such as "
      .. "debian or distroless"):format(about.loader, STATIC)
  elseif plugin.exit and plugin.exit.code == LIBRARY_MISSING then
    return ("is a dynamic program, and the image lacks a library of it; %s, or put the library into the image"):format(
      STATIC)
  end
end

---@param plugin gantry.Plugin
---@param head gantry.FileHead
---@return string? problem, gantry.Error? err
local function wrong_script(plugin, head)
  local path = head.bytes:match "^#![ \t]*([^%s]+)"
  if not path or path:sub(1, 1) ~= "/" then return "is a script whose first line names no interpreter" end
  local interpreter, err = look_for_runner(plugin, path)
  if interpreter or err then return nil, err end
  return ("is a script for %s, which its image lacks; take an image that has it"):format(words.show(path))
end

---Why the program of a plugin's container, which was not run, could not be.
---@param plugin gantry.Plugin
---@return string? problem that names the program, and the remedy
---@return gantry.Error? err where the file cannot be looked at; nil, nil where nothing is wrong with it
function program.problem(plugin)
  local name = name_of(plugin)
  if not name then return nil end
  local head, err = find(plugin, name)
  if err then return nil, err end
  local problem
  if not head then
    problem = ("is not in the image%s; correct the entrypoint"):format(name:find("/", 1, true) and ""
      or ", in no folder of its PATH")
  elseif head.kind ~= "file" then
    problem = ("is %s, no program; correct the entrypoint"):format(head.kind == "folder" and "a folder" or "no file")
  elseif head.mode & ANY_MAY_RUN == 0 then
    problem = "may not be executed; build the image with it executable (COPY --chmod=755)"
  elseif head.bytes:find "^\127ELF" then
    problem, err = wrong_elf(plugin, head)
  elseif head.bytes:find "^#!" then
    problem, err = wrong_script(plugin, head)
  elseif not head.bytes:find "^\0asm" then -- some runtimes run WebAssembly
    problem = "is neither a program (ELF) nor a script (#!); correct the entrypoint, or build the image again"
  end
  return problem and ("'%s' %s"):format(name, problem), err
end

return program
