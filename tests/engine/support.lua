-- SPDX-License-Identifier: Apache-2.0
--
--- support.lua: what the engine's specs share: a runtime directory and policies of their own, the command as a process,
--- and counts of what is on the engine: that which answers, or where without_daemon.sh runs them, the one without a
--- daemon, which has its containers in the runtime directory of whoever started them.

local core = require "gantry.core"
local errors = require "gantry.base.errors"
local gantry = require "gantry"
local task = require "gantry.task"
local without_daemon = require "engine.without_daemon"

local support = {}

local SIGNALS = { INT = 2, HUP = 1, KILL = 9, TERM = 15 }

support.executable = assert(os.getenv("GANTRY"), "GANTRY must name the executable under test (ctest sets it)")
support.source = assert(os.getenv("GANTRY_SOURCE"), "GANTRY_SOURCE must name the source tree (ctest sets it)")
support.cookie = { "GANTRY_KV_COOKIE", "6f1b0f6a2d5e4c7f9a83b1d0c2e47a55" }

---A new directory, which the caller removes with support.remove.
---@return string
function support.temporary()
  local path = ("%s/gantry-test-%s"):format(os.getenv("TMPDIR") or "/tmp", core.system.random(4))
  assert(os.execute("mkdir -m 700 " .. path))
  return path
end

function support.remove(path)
  assert(path:find("/gantry%-test%-"))
  if without_daemon.runs then without_daemon.assert_empty(path) end
  assert(os.execute("rm -rf " .. path))
end

---Entries of a directory, sorted, but for the engine's own; empty also where it is missing.
---@param path string
---@return string[]
function support.entries(path)
  local list = {}
  local pipe <close> = assert(io.popen("ls -A -I .oci " .. path .. " 2>/dev/null"))
  for name in pipe:lines() do list[#list + 1] = name end
  return list
end

---@param text string
---@param path string
function support.write(path, text)
  local file <close> = assert(io.open(path, "wb"))
  assert(file:write(text))
  return path
end

---@param path string
---@return string
function support.read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read("a")
end

---A policy table for the test plugin with flags of its own.
---@param ... string the plugin's flags
---@return table
function support.kv(...)
  return {
    name = "kv", image = "gantry-test-kv", tag = "latest", args = { ... }, cookie = support.cookie,
    disable_network = true, stop_timeout = 2,
  }
end

---Lua source of a policy: the fields as `name = value` lines after those of the test plugin.
---@param lines string
---@return string
function support.policy_text(lines)
  return ([[
return {
  image = "gantry-test-kv", tag = "latest", cookie = { %q, %q }, disable_network = true, stop_timeout = 2,
%s
}
]]):format(support.cookie[1], support.cookie[2], lines or "")
end

---@return gantry.EngineClient
function support.engine()
  if without_daemon.runs then return without_daemon.engine() end
  return assert(gantry.engine())
end

---The engine as the command has it whose runtime directory that is: for what a spec launches itself.
---@param runtime_dir string
---@return gantry.EngineClient
function support.engine_at(runtime_dir)
  if without_daemon.runs then return without_daemon.at(runtime_dir) end
  return assert(gantry.engine())
end

---A container in Docker's own words, for what gantry asks of the engine and never reads.
---@param id string
---@return table
function support.in_docker_words(id)
  return assert(support.engine():call("GET", "/containers/" .. id .. "/json", { action = "inspect container " .. id }))
end

---Waits until a condition holds, asking again as long as it takes.
---@param what string
---@param condition fun(): any, string? value, and what there is instead of it
---@param seconds number? a minute where left out
---@return any value of the condition
function support.eventually(what, condition, seconds)
  seconds = seconds or 60
  local until_when = core.loop.clock() + seconds
  while true do
    local value, instead = condition()
    if value then return value end
    if core.loop.clock() > until_when then
      error(("this did not come true within %g s: %s; %s"):format(seconds, what, instead or ""), 2)
    end
    task.sleep(0.02)
  end
end

---A container whose process the engine tells of: a plugin may speak before that.
---@param id string
---@return gantry.Container
function support.running(id)
  return support.eventually(id .. " runs", function()
    local inspected = assert(support.engine():inspect(id))
    return inspected.state.pid and inspected
  end)
end

---User and group of a container's first process, as this machine has them.
---@param id string
---@return integer uid, integer gid
function support.user_of(id)
  local status = support.read(("/proc/%d/status"):format(support.running(id).state.pid))
  return math.tointeger(tonumber(status:match "\nUid:%s+(%d+)")), math.tointeger(tonumber(status:match
    "\nGid:%s+(%d+)"))
end

---Containers of gantry on the engine whose socket directory is below `runtime_dir`.
---@param runtime_dir string
---@return table[]
function support.containers(runtime_dir)
  if without_daemon.runs then without_daemon.look(runtime_dir) end
  local found = {}
  for _, container in ipairs(assert(support.engine():list {})) do
    local directory = container.labels and container.labels["gantry.directory"]
    if directory and directory:sub(1, #runtime_dir) == runtime_dir then found[#found + 1] = container end
  end
  return found
end

---@class support.Command
local Command = {}

---What came so far on a stream is put together when somebody asks for it: a flood comes in very many pieces.
function Command:__index(key)
  local pieces = rawget(self, "pieces")[key]
  if not pieces then return Command[key] end
  if #pieces > 1 then
    pieces = { table.concat(pieces) }
    self.pieces[key] = pieces
  end
  return pieces[1] or ""
end

---Kills those that still run; use inside a task.
---@param commands support.Command[]
function support.end_all(commands)
  for _, command in ipairs(commands) do
    if not command.exit then
      command:kill "KILL"
      command:wait()
    end
  end
end

---Starts the command; use inside a task.
---@param arguments string[]
---@param options { runtime_dir: string?, environment: string[]?, executable: string?, directory: string?,
--- input: string?, on_output: (fun(field: "stdout"|"stderr", bytes: string))? }?
---@return support.Command
function support.command(arguments, options)
  options = options or {}
  local self = setmetatable({ pieces = { stdout = {}, stderr = {} }, changed = task.event(), ended = task.event() },
    Command)
  local spec = { options.executable or support.executable, table.unpack(arguments) }
  local environment, own = {}, { GANTRY_RUNTIME_DIR = true }
  for _, entry in ipairs(options.environment or {}) do own[entry:match("^[^=]*")] = true end
  for name, value in pairs(core.system.environment()) do
    if not own[name] then environment[#environment + 1] = name .. "=" .. value end
  end
  environment[#environment + 1] = "GANTRY_RUNTIME_DIR=" .. (options.runtime_dir or "")
  if without_daemon.runs and options.runtime_dir then without_daemon.at(options.runtime_dir) end
  for _, entry in ipairs(options.environment or {}) do environment[#environment + 1] = entry end
  spec.environment = environment
  spec.input, spec.output, spec.error = options.input or "null", "pipe", "pipe"
  spec.directory = options.directory
  spec.on_output = function(stream, bytes)
    local field = stream == 1 and "stdout" or "stderr"
    table.insert(self.pieces[field], bytes)
    if options.on_output then options.on_output(field, bytes) end
    self:signal_change()
  end
  spec.on_exit = function(exit)
    self.exit = exit
    self.ended:set(exit)
    self:signal_change()
  end
  self.process = assert(core.process.spawn(task.loop(), spec))
  return self
end

function Command:signal_change()
  local changed = self.changed
  self.changed = task.event()
  changed:set()
end

---Waits until the output on a stream matches; fails when the command ends or 60 s pass without.
---@param field "stdout"|"stderr"
---@param pattern string
---@return string match
function Command:await(field, pattern)
  local found = task.deadline(60, function()
    while true do
      local match = self[field]:match(pattern)
      if match then return match end
      if self.exit then return false end
      self.changed:wait()
    end
  end)
  assert(found, ("no %q on %s; exit %s\nstdout: %s\nstderr: %s"):format(pattern, field, self.exit and self.exit.code,
    self.stdout,
    self.stderr))
  return found
end

---Sends a signal; nothing where the command has ended, of which nobody may have been told yet.
---@param name string
function Command:kill(name)
  local sent, err = self.process:signal(SIGNALS[name])
  assert(sent or errors.is(err, "PROCESS_ENDED"), err)
end

---@return { code: integer?, signal: integer? }
function Command:wait()
  local exit = task.deadline(120, function() return self.ended:wait() end)
  assert(exit, "the command did not end within 120 s; stderr: " .. self.stderr)
  return exit
end

---Runs the command to its end.
---@param arguments string[]
---@param options table?
---@return { code: integer, stdout: string, stderr: string }
function support.run(arguments, options)
  return task.run(function()
    local command = support.command(arguments, options)
    local exit = command:wait()
    return { code = exit.code, signal = exit.signal, stdout = command.stdout, stderr = command.stderr }
  end)
end

return support
