-- SPDX-License-Identifier: Apache-2.0
--
--- engine/oci/runtime_calls.lua: calls of an OCI runtime: its command lines, a deadline on each, and what it says of a
--- failure, which is in a log of its own: its standard error is the plugin's.

local core = require "gantry.core"
local errors = require "gantry.base.errors"
local json = require "gantry.json"
local layout = require "gantry.engine.oci.layout"
local task = require "gantry.task"

local runtime_calls = {}

-- Seconds for any call.
runtime_calls.TIMEOUT = 30
local MOST_COMPLAINT <const>, LONGEST_MESSAGE <const> = 4096, 1000

-- What of this process's environment a runtime has any use for. Of the rest some would speak to it: with NOTIFY_SOCKET
-- runc makes the container a service of systemd's, with LISTEN_FDS it hands descriptors on. In TMPDIR gVisor makes its
-- sandbox's root, as nobody, whom a folder of this user's alone does not let in.
local VARIABLES <const> = { "PATH", "HOME", "XDG_RUNTIME_DIR" }

---@return string[] environment of a runtime and its monitor
function runtime_calls.environment()
  local own, list = core.system.environment(), {}
  for _, name in ipairs(VARIABLES) do
    if own[name] then list[#list + 1] = name .. "=" .. own[name] end
  end
  return list
end

---@param place gantry.OciLayout
---@param record gantry.OciRecord
---@return string[] command what each command line of a container begins with
local function begin(place, record)
  local directory = place:container(record.id)
  local command = { record.path, "--root", place:runtime_root(record.runtime) }
  for _, argument in ipairs(record.arguments) do command[#command + 1] = argument end
  for _, argument in ipairs { "--log", directory .. "/runtime.log", "--log-format", "json" } do
    command[#command + 1] = argument
  end
  return command
end

---@param command string[]
---@param ... string
---@return string[] command
local function extend(command, ...)
  for _, argument in ipairs { ... } do command[#command + 1] = argument end
  return command
end

---Whether the runtime's own process stays for as long as the container: gVisor makes none to come back to for an
---ordinary user.
---@param record gantry.OciRecord
---@return boolean
function runtime_calls.stays(record)
  return record.runtime == "runsc" and core.system.euid() ~= 0
end

---The command line that starts a container.
---@param place gantry.OciLayout
---@param record gantry.OciRecord
---@return string[]
function runtime_calls.run(place, record)
  local directory = place:container(record.id)
  local command = extend(begin(place, record), "run", "--bundle", directory, "--pid-file", directory .. "/pid")
  if not runtime_calls.stays(record) then command[#command + 1] = "--detach" end
  return extend(command, record.id)
end

---The command line that removes what the runtime keeps of a container.
---@param place gantry.OciLayout
---@param record gantry.OciRecord
---@return string[]
function runtime_calls.delete(place, record)
  return extend(begin(place, record), "delete", "--force", record.id)
end

---@param place gantry.OciLayout
---@param record gantry.OciRecord
---@param signal string
---@return string[]
function runtime_calls.kill(place, record, signal)
  return extend(begin(place, record), "kill", record.id, signal)
end

---The command line that lets a container go on that somebody has paused.
---@param place gantry.OciLayout
---@param record gantry.OciRecord
---@return string[]
function runtime_calls.resume(place, record)
  return extend(begin(place, record), "resume", record.id)
end

---What a runtime has written to its log as its last failure.
---@param text string of objects of JSON, which gVisor puts on one line
---@return string? message
function runtime_calls.last_message(text)
  local found
  for line in text:gsub('}({"%l+":)', "}\n%1"):gmatch "[^\n]+" do
    local value = json.decode(line)
    local message = type(value) == "table" and (value.msg or value.message)
    local level = type(value) == "table" and value.level
    if type(message) == "string" and (level == "error" or level == "fatal" or level == nil) then found = message end
  end
  if not found then return nil end
  return (found:gsub("%s+", " "):gsub("%c", "?"):sub(1, LONGEST_MESSAGE))
end

---@param place gantry.OciLayout
---@param id string
---@return string? message
function runtime_calls.said(place, id)
  return runtime_calls.last_message(layout.read(place:container(id) .. "/runtime.log") or "")
end

---@param record gantry.OciRecord
---@param reason string
---@return string message of a container that was never started
function runtime_calls.start_failure(record, reason)
  return ("start container %s: %s says: %s"):format(record.id:sub(1, 12), record.runtime, reason)
end

---@param exit { code: integer?, signal: integer? }
---@return string
local function ending(exit)
  if exit.signal then return "was ended by signal " .. exit.signal end
  return "ended with exit code " .. tostring(exit.code)
end

---Runs a command to its end.
---@param command string[] its program by its whole path
---@param action string such as "delete container 0123456789ab"
---@return boolean? ok, gantry.Error? err ENGINE_ERROR
function runtime_calls.call(command, action)
  local complaint, ended = "", task.event()
  local process <close>, err = core.process.spawn(task.loop(), { output = "pipe", error = "pipe", new_session = true,
    environment = runtime_calls.environment(),
    on_output = function(_, bytes) complaint = (complaint .. bytes):sub(-MOST_COMPLAINT) end,
    on_exit = function(exit) ended:set(exit) end, table.unpack(command) })
  if not process then return nil, err end
  local exit = task.deadline(runtime_calls.TIMEOUT, ended.wait, ended)
  if not exit then
    return nil, errors.new("ENGINE_ERROR", ("%s: %s did not end within %d s, and was killed; see whether it hangs "
      .. "when run by hand"):format(action, command[1], runtime_calls.TIMEOUT))
  end
  if exit.code == 0 then return true end
  local text = complaint:gsub("%s+", " "):gsub("%c", "?"):sub(1, LONGEST_MESSAGE):match "^%s*(.-)%s*$"
  return nil, errors.new("ENGINE_ERROR", ("%s: %s %s%s"):format(action, command[1], ending(exit),
    text ~= "" and ": " .. text or " and said nothing"))
end

return runtime_calls
