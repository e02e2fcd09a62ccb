-- SPDX-License-Identifier: Apache-2.0
--
--- hosts.lua: what the specs of `gantry exec` share: go-plugin hosts that know nothing of gantry (tests/hosts),
--- policies that they execute as their plugins, and the processes that stand in for these.

local core = require "gantry.core"
local support = require "engine.support"
local task = require "gantry.task"

local hosts = {}

hosts.folder = (os.getenv("GANTRY_CACHE") or support.source .. "/.cache") .. "/hosts"

---@param name string
---@return string? path nil where it was not built: this machine's Go is too old for it
function hosts.find(name)
  local path = hosts.folder .. "/" .. name
  return core.system.stat(path) and path or nil
end

---Writes an executable policy: what a host takes for its plugin's binary.
---@param path string
---@param fields string Lua source of the policy's fields
---@return string path
function hosts.policy(path, fields)
  support.write(path, ("#!%s exec\nreturn {\n%s\n}\n"):format(support.executable, fields))
  assert(os.execute("chmod 755 " .. path))
  return path
end

---Starts a host; use inside a task.
---@param name string of tests/hosts
---@param arguments string[]
---@param options table as of support.command
---@return support.Command
function hosts.start(name, arguments, options)
  options.executable = assert(hosts.find(name))
  return support.command(arguments, options)
end

---Runs a host to its end.
---@return { code: integer?, signal: integer?, stdout: string, stderr: string }
function hosts.run(name, arguments, options)
  options.executable = assert(hosts.find(name))
  return support.run(arguments, options)
end

---The engine behind TLS; use inside a task.
---@param folder string for the certificates: is made
---@return gantry.Process front to be closed
---@return string[] environment by which it is found
function hosts.behind_tls(folder)
  assert(os.execute("mkdir -m 700 " .. folder))
  local address = task.event()
  local front = assert(core.process.spawn(task.loop(), {
    assert(hosts.find "tlsfront"), folder, support.engine().endpoint.unix_socket,
    input = "null", output = "pipe", error = "inherit", on_exit = function() end,
    on_output = function(_, bytes) address:set(bytes:match("^(%S+)\n")) end,
  }))
  return front, { "DOCKER_HOST=" .. address:wait(), "DOCKER_CERT_PATH=" .. folder, "DOCKER_TLS_VERIFY=1" }
end

---@class hosts.CuttingProxy tests/engine/cutting_proxy.lua, which says what may be told
local CuttingProxy = {}
CuttingProxy.__index = CuttingProxy

---Stands in front of the engine; use inside a task. The caller's to stop, or a `<close>` variable.
---@param socket string where it listens
---@return hosts.CuttingProxy
function hosts.cutting_proxy(socket)
  os.remove(socket)
  local command = support.command({ support.source .. "/tests/engine/cutting_proxy.lua", socket,
    support.engine().endpoint.unix_socket }, { executable = "/usr/bin/lua5.4", input = "pipe" })
  command:await("stdout", "ready\n")
  return setmetatable({ command = command }, CuttingProxy)
end

---@param line string
function CuttingProxy:tell(line)
  self.command.pieces.stdout = {}
  assert(self.command.process:write(line .. "\n"))
  self.command:await("stdout", line .. "\n")
end

function CuttingProxy:stop()
  assert(not self.command.exit, self.command.stderr)
  self.command:kill "KILL"
  self.command:wait()
end

CuttingProxy.__close = CuttingProxy.stop

---@class hosts.FaultProxy
---@field process gantry.Process the caller's to close
---@field said string what it has said so far: a line for each request
---@field broken gantry.Event once the one request was

---Stands in front of the engine and breaks one request; use inside a task.
---@param socket string where it listens
---@param pattern string of tests/engine/fault_proxy.lua
---@param action string likewise
---@return hosts.FaultProxy
function hosts.fault_proxy(socket, pattern, action)
  os.remove(socket)
  local proxy, ready = { said = "", broken = task.event() }, task.event()
  proxy.process = assert(core.process.spawn(task.loop(), { "lua5.4",
    support.source .. "/tests/engine/fault_proxy.lua", socket, support.engine().endpoint.unix_socket, pattern, action,
    input = "null", output = "pipe", error = "inherit", on_exit = function() end,
    on_output = function(_, bytes)
      proxy.said = proxy.said .. bytes
      ready:set()
      if proxy.said:find("broken\n", 1, true) then proxy.broken:set() end
    end }))
  ready:wait()
  return proxy
end

---@param path string
---@return string?
local function read_file(path)
  local file = io.open(path, "rb")
  local text = file and file:read("a")
  if file then file:close() end
  return text
end

---The processes of `gantry exec` for a policy, by what they are.
---@param policy string its path
---@return table<string, integer[]> pids face, guardian, launcher, cleaner; numbers by kind
---@return integer count of all
function hosts.processes(policy)
  local found, count = { face = {}, guardian = {}, launcher = {}, cleaner = {} }, 0
  for _, entry in ipairs(support.entries("/proc")) do
    local command = entry:find("^%d+$") and read_file("/proc/" .. entry .. "/cmdline")
    local name = command and command ~= "" and read_file("/proc/" .. entry .. "/comm")
    local kind
    if name and command:find(policy, 1, true) then
      kind = name:find("guardian") and "guardian" or name:find("launcher") and "launcher"
        or command:find("\0exec\0", 1, true) and "face"
    end
    if kind then
      table.insert(found[kind], math.tointeger(entry))
      count = count + 1
    end
  end
  return found, count
end

---Kills all that looks after a plugin as if at one instant. Stopped first: the stand-in replaces a guardian as soon as
---it is killed, and a guardian that sees the stand-in killed cleans up.
---@param policy string its path
function hosts.kill_all(policy)
  local found, numbers = hosts.processes(policy), {}
  for _, kind in ipairs { "face", "guardian", "launcher", "cleaner" } do
    table.move(found[kind], 1, #found[kind], #numbers + 1, numbers)
  end
  local pids = table.concat(numbers, " ")
  assert(os.execute(("kill -STOP %s && kill -KILL %s"):format(pids, pids)))
end

---@param policy string
---@return boolean none, string those that there are
local function no_processes(policy)
  local found, count = hosts.processes(policy)
  local parts = {}
  for kind, pids in pairs(found) do parts[#parts + 1] = ("%s: %s"):format(kind, table.concat(pids, " ")) end
  return count == 0, table.concat(parts, ", ")
end

---Nothing is left of a launch: no process, no container, no directory.
---@param policy string
---@param runtime_dir string
function hosts.assert_nothing_left(policy, runtime_dir)
  support.eventually("no process of " .. policy, function() return no_processes(policy) end, 180)
  support.eventually("no container below " .. runtime_dir, function()
    local answered, found = pcall(support.containers, runtime_dir) -- an engine may be away
    return answered and #found == 0, not answered and tostring(found) or nil
  end, 180)
  support.eventually("nothing in " .. runtime_dir, function() return #support.entries(runtime_dir) == 0 end)
end

return hosts
