-- SPDX-License-Identifier: Apache-2.0
--
--- oci_world.lua: containers of OCI runtimes run by hand, as root and as an ordinary user, around the program that
--- tries to get out (tests/plugins/hostile). Each has an unpacked image and a socket directory of its own.

local cgroups = require "gantry.engine.oci.cgroups"
local core = require "gantry.core"
local json = require "gantry.json"
local shell = require "gantry.base.shell"
local support = require "engine.support"

local oci_world = {}

local PROGRAMS <const> = { crun = "/usr/bin/crun", runc = "/usr/sbin/runc", runsc = "/usr/bin/runsc" }
-- An ordinary user that has no name on this machine.
local ORDINARY <const> = 61234
local IMAGE <const> = [[
mkdir -p image/etc image/tmp container sockets && chmod 755 . image image/etc && chmod 1777 image/tmp sockets
printf 'root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n' >image/etc/passwd
printf 'root:x:0:\napp:x:1000:\nstaff:x:50:app\n' >image/etc/group]]

oci_world.socket_directory = "/run/gantry/hostile"

---@class gantry.OciWorld
---@field folder string
---@field runtime string
---@field rootless boolean
---@field tun boolean? whether /dev/net/tun is open to everybody there
---@field cgroup string? folder of a cgroup that it is started in
local World = {}
World.__index = World

---All runtimes, as root and as an ordinary user.
---@return { name: string, runtime: string, rootless: boolean }[]
function oci_world.columns()
  local list = {}
  for _, runtime in ipairs { "crun", "runc", "runsc" } do
    for _, rootless in ipairs { false, true } do
      list[#list + 1] = { runtime = runtime, rootless = rootless,
        name = ("%s, %s"):format(runtime, rootless and "rootless" or "root") }
    end
  end
  return list
end

---Why a runtime cannot be tried here.
---@param column { runtime: string, rootless: boolean }
---@return string? reason
function oci_world.missing(column)
  if not core.system.stat(PROGRAMS[column.runtime]) then return column.runtime .. " is not installed" end
  if not column.rootless and core.system.euid() ~= 0 then return "the tests are not run as root" end
end

---The hostile program, static.
---@return string path
function oci_world.program()
  local path = support.temporary() .. "/hostile"
  assert(os.execute(("cc -static -O1 -o %s %s/tests/plugins/hostile/hostile.c"):format(path, support.source)))
  return path
end

---@param column { runtime: string, rootless: boolean }
---@param program string
---@return gantry.OciWorld
function oci_world.new(column, program)
  local world = setmetatable({ runtime = column.runtime, rootless = column.rootless, folder = support.temporary() },
    World)
  world:shell(IMAGE)
  world:shell(("cp %s image/hostile && cp %s image/suid && chmod 4755 image/suid"):format(program, program))
  -- Whoever unpacks an image owns it; chown takes the bit away.
  if world:changes_user() then
    world:shell(("chown -R %d:%d . && chmod 4755 image/suid"):format(ORDINARY, ORDINARY))
  end
  return world
end

---@return boolean
function World:changes_user() return self.rootless and core.system.euid() == 0 end

---@param script string run in its folder
function World:shell(script)
  assert(os.execute(("cd %s && { %s\n}"):format(self.folder, script)))
end

---The words of a command as its user runs it, with cgroups as its runtime takes them: crun refuses those of a machine
---that has both versions.
---@param words string[]
---@return string command
function World:command(words)
  local before = {}
  if self:changes_user() then
    before = { "setpriv", "--reuid", tostring(ORDINARY), "--regid", tostring(ORDINARY), "--clear-groups", "env",
      "XDG_RUNTIME_DIR=" .. self.folder, "HOME=" .. self.folder }
  end
  local list = {}
  for _, some in ipairs { before, words } do
    for _, word in ipairs(some) do list[#list + 1] = shell.quote(word) end
  end
  local command = "cd / && exec " .. table.concat(list, " ")
  local device = self.tun and ("{ test -e %s/tun || mknod -m 666 %s/tun c 10 200; } && "
    .. "mount --bind %s/tun /dev/net/tun && "):format(self.folder, self.folder, self.folder) or ""
  local join = self.cgroup and ("echo $$ >%s/cgroup.procs && "):format(self.cgroup) or ""
  local mount = self.runtime == "crun" and cgroups.version() == 1 and "mount -t cgroup2 none /sys/fs/cgroup && " or ""
  mount = join .. mount
  if device .. mount == "" then return "sh -c " .. shell.quote(command) end
  return "unshare -m sh -c " .. shell.quote(device .. mount .. command)
end

---@param changes table of the container's specification
---@param attempts string[]
---@return string path of the request
function World:request(changes, attempts)
  local spec = {
    name = "hostile", image = "hostile", entrypoint = { "/hostile" }, args = attempts, env = json.array {},
    groups = json.array {}, labels = {}, image_health = false, endpoints = {}, capabilities = json.array {},
    no_new_privileges = true, security_options = json.array {}, user = "app",
    mounts = { { kind = "bind", source = self.folder .. "/sockets", target = oci_world.socket_directory,
      read_only = false, own = true } }, tmpfs = { ["/tmp"] = "exec,nosuid,nodev,mode=1777,size=8m" },
  }
  for name, value in pairs(changes) do spec[name] = value end
  local path = self.folder .. "/request.json"
  support.write(path, assert(json.encode { spec = spec, image = { id = "sha256:0", digests = json.array {} },
    runtime = self.runtime, root = self.folder .. "/image", directory = self.folder .. "/container",
    id = "gantry-test-" .. core.system.random(4) }))
  assert(os.execute("chmod 644 " .. path))
  return path
end

---Starts a container in the foreground of a pipe.
---@param changes table
---@param attempts string[]
---@return file* pipe its standard output
function World:start(changes, attempts)
  local request = self:request(changes, attempts)
  return assert(io.popen(self:command { "lua5.4", support.source .. "/tests/engine/oci_launch.lua", request }
    .. " 2>&1"))
end

---Runs a container to its end.
---@param changes table
---@param attempts string[]
---@return table<string, string> results by attempt; what came of the last one of a name
---@return integer code
---@return string output
function World:run(changes, attempts)
  local pipe = self:start(changes, attempts)
  local text = pipe:read "a"
  local _, _, code = pipe:close()
  local results = {}
  for name, result in text:gmatch "(%S+) ([^\n]*)\n" do results[name] = result end
  return results, code, text
end

---@return table state as the runtime tells it
function World:state()
  local pipe = assert(io.popen(self:command { PROGRAMS[self.runtime], "--root", self.folder .. "/container/state",
    "state", json.decode(support.read(self.folder .. "/request.json")).id }))
  local state = assert(json.decode(pipe:read "a"))
  pipe:close()
  return state
end

function World:remove()
  support.remove(self.folder)
end

return oci_world
