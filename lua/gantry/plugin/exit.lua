-- SPDX-License-Identifier: Apache-2.0
--
--- plugin/exit.lua: how a plugin's process ended, as one value, from what read_exit.lua was told by the engine; and
--- its wording.

local exit_code = require "gantry.base.exit_code"

local exit = {}

local SIGNALS = {
  [1] = "HUP", [2] = "INT", [3] = "QUIT", [4] = "ILL", [6] = "ABRT", [7] = "BUS", [8] = "FPE", [9] = "KILL",
    [10] = "USR1",
  [11] = "SEGV", [12] = "USR2", [13] = "PIPE", [14] = "ALRM", [15] = "TERM",
}

---@class gantry.Exit
---@field cause "exit"|"signal"|"oom"|"engine_error"|"lost"
---@field code integer? nil where it is unknown
---@field signal string? such as "KILL"
---@field error string? what the engine says
---@field uptime number? seconds by the engine's clock
---@field requested boolean whether gantry was asked to stop the plugin
---@field child_oom boolean? another process in its container was killed for memory, at some time before
---@field known boolean false where the container was gone before its end could be read

---Seconds since 1970 of the engine's time stamps (RFC 3339, UTC), nil for its zero time.
---@param text string?
---@return number?
function exit.timestamp(text)
  local year, month, day, hour, minute, second =
    (text or ""):match("^(%d%d%d%d)-(%d%d)-(%d%d)T(%d%d):(%d%d):(%d%d%.?%d*)")
  if not year or tonumber(year) < 1970 then return nil end
  local whole = os.time { year = year, month = month, day = day, hour = hour, min = minute, sec = 0, isdst = false }
  return whole + tonumber(second)
end

---@param state gantry.ContainerState
---@return number?
local function uptime(state)
  local started, finished = exit.timestamp(state.started_at), exit.timestamp(state.finished_at)
  if not started or not finished then return nil end
  return math.max(0, finished - started) -- of a very short life, the engine may note the end before the start
end

-- Of a process that SIGKILL ended, as memory that ran out does.
local KILLED <const> = exit_code.of { signal = 9 }

---Memory ran out for the process that ended only where SIGKILL ended it, and not ours: the engine's flag says that some
---process in the container was killed for memory at some time, and stays.
---@param code integer
---@param flag boolean? the engine's
---@param killed boolean? whether we sent SIGKILL
---@return "exit"|"signal"|"oom" cause, string? signal
---@return boolean? child_oom whether the flag tells of another process than the one that ended
local function cause_of(code, flag, killed)
  local signal = SIGNALS[code - exit_code.BY_SIGNAL]
  if flag and code == KILLED and not killed then return "oom", signal end
  return signal and "signal" or "exit", signal, flag and true or nil
end

---@param state gantry.ContainerState of a stopped container
---@param requested boolean
---@param killed boolean? whether we sent SIGKILL
---@return gantry.Exit
function exit.from_state(state, requested, killed)
  if state.status == "created" and (state.exit_code or 0) == 0 then
    return exit.unknown("engine_error", "the engine does not know that it was started", requested)
  end
  if state.status == "dead" and not state.exit_code then
    return exit.unknown("lost", state.error or "the engine does not know how it ended", requested)
  end
  local cause, signal, child_oom = cause_of(state.exit_code or 0, state.out_of_memory, killed)
  return { cause = cause, code = state.exit_code, signal = signal, error = state.error,
    uptime = uptime(state), requested = requested, known = true, child_oom = child_oom }
end

---@param death gantry.Death
---@param requested boolean
---@param killed boolean? whether we sent SIGKILL
---@return gantry.Exit
function exit.from_death(death, requested, killed)
  local cause, signal, child_oom = cause_of(death.code, death.oom, killed)
  return { cause = cause, code = death.code, signal = signal, uptime = death.uptime, requested = requested,
    known = true, child_oom = child_oom }
end

---@class gantry.ToldExit what a plugin's gate said
---@field code integer?
---@field signal integer?
---@field memory_ran_out boolean? nil where it cannot see that
---@field uptime number

---@param told gantry.ToldExit
---@param limited boolean whether its memory is
---@param requested boolean
---@param killed boolean? whether we sent SIGKILL
---@return gantry.Exit? exit nil where memory may have run out, which the engine tells
function exit.from_gate(told, limited, requested, killed)
  if told.signal and limited and told.memory_ran_out == nil and not killed then return nil end
  local death = { code = exit_code.of(told), oom = told.memory_ran_out == true, uptime = told.uptime }
  return exit.from_death(death, requested, killed)
end

---@param cause "lost"|"engine_error"
---@param reason string
---@param requested boolean
---@return gantry.Exit
function exit.unknown(cause, reason, requested)
  return { cause = cause, error = reason, requested = requested, known = false }
end

---In words, for messages: "exit code 3, after 41 ms".
---@param one gantry.Exit
---@return string
function exit.describe(one)
  local what
  if one.cause == "oom" then
    what = "out of memory"
  elseif one.cause == "signal" then
    what = ("killed by SIG%s, exit code %d"):format(one.signal, one.code)
  elseif one.code then
    what = ("exit code %d"):format(one.code)
  else
    what = one.error or "its end is unknown"
  end
  if not one.uptime then return what end
  if one.uptime < 10 then return ("%s, after %d ms"):format(what, math.floor(one.uptime * 1000 + 0.5)) end
  return ("%s, after %d s"):format(what, math.floor(one.uptime + 0.5))
end

return exit
