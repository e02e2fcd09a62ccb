-- SPDX-License-Identifier: Apache-2.0
--
--- plugin/stats.lua: what a plugin uses and has done. What it uses is read of the container's cgroup where that is on
--- this machine, else asked of the engine. Nothing is collected while nobody looks.

local cgroup = require "gantry.plugin.cgroup"
local core = require "gantry.core"
local errors = require "gantry.base.errors"
local exit = require "gantry.plugin.exit"
local listener = require "gantry.plugin.listener"

local stats = {}

---@class gantry.Stats what one generation of a plugin uses and has done
---@field source "cgroup"|"engine" who keeps account of what it uses
---@field clock number seconds of a clock that never goes back, when that was read: for the share between two readings
---@field cpu_seconds number? CPU time since its start
---@field cpu_share number? of one CPU, on average since its start: 0.5 is half a CPU
---@field memory_bytes integer? without what the kernel can drop of files that were read
---@field memory_limit_bytes integer? nil where there is none
---@field pids integer? processes and threads
---@field pids_limit integer? nil where there is none
---@field handshake_seconds number? from the launch to the handshake; nil where another process launched it
---@field ready_seconds number? from the launch to ready; likewise
---@field output_bytes integer that came of its output
---@field calls integer that were made by this object
---@field calls_failed integer those of them that ended with an error

---@alias gantry.Usage gantry.Stats what of it somebody keeps account of: up to pids_limit

-- ---- of the cgroup ----

---By the process that the engine has told of.
---@param plugin gantry.Plugin
---@return gantry.CgroupPlace?
local function by_record(plugin)
  local pid = plugin.inspected and plugin.inspected.state.pid or 0
  return pid > 0 and cgroup.find(pid, plugin.container) or nil
end

---By the process that listens on its socket.
---@param plugin gantry.Plugin
---@return gantry.CgroupPlace?
local function by_socket(plugin)
  local address = plugin.handshake
  local pid = address and address.network ~= "tcp" and listener.dial(address) or 0
  return pid > 0 and cgroup.find(pid, plugin.container) or nil
end

---Where its cgroup is; looked for once in a generation. The engine is asked only where nothing else tells.
---@param plugin gantry.Plugin
---@return gantry.CgroupPlace|false|nil place false where it is not on this machine
---@return gantry.Error? err where nobody knows
local function place_of(plugin)
  if plugin.cgroup ~= nil then return plugin.cgroup end
  local place = by_record(plugin) or by_socket(plugin)
  if not place then
    local inspected, err = plugin.engine:inspect(plugin.container)
    if not inspected then return nil, err end
    plugin.inspected = inspected
    place = by_record(plugin) or false
  end
  plugin.cgroup = place
  return place
end

-- ---- of the engine ----

---@param plugin gantry.Plugin
---@param reason string
---@return nil, gantry.Error
local function unknown(plugin, reason)
  return nil, errors.new("STATS_UNKNOWN", ("the engine at %s keeps no account of plugin '%s': %s"):format(
    plugin.engine.endpoint.name, plugin.name, reason))
end

---@param plugin gantry.Plugin
---@return gantry.Usage? usage, gantry.Error? err
---@return string? now the engine's time
local function ask_engine(plugin)
  local info, unasked = plugin.engine:info()
  if not info then return nil, unasked end
  if info.cgroup_driver == "none" then -- it would tell of the cgroup that it is in itself
    return unknown(plugin, "it is rootless and has no cgroups; use cgroup v2 with systemd's delegation")
  end
  local told, err = plugin.engine:stats(plugin.container)
  if not told then return nil, err end
  local usage = { source = "engine", cpu_seconds = told.cpu_seconds, memory_bytes = told.memory_bytes,
    memory_limit_bytes = told.memory_limit_bytes, pids = told.pids, pids_limit = told.pids_limit }
  if (usage.cpu_seconds or 0) > 0 or usage.memory_bytes then return usage, nil, told.at end
  return unknown(plugin, "it has ended")
end

-- ---- both ----

---How long it runs: by our own clock where it was launched here, else by that of the engine's machine.
---@param plugin gantry.Plugin
---@param clock number
---@param now string? the engine's time; where nil, the engine is on this machine
---@return number? seconds
local function age(plugin, clock, now)
  if plugin.run_since then return clock - plugin.run_since end
  local began = plugin.inspected and exit.timestamp(plugin.inspected.state.started_at)
  local read = exit.timestamp(now or os.date "!%Y-%m-%dT%H:%M:%SZ" --[[@as string]])
  return began and read and read - began
end

---What a plugin that runs uses.
---@param plugin gantry.Plugin
---@return gantry.Usage? usage, gantry.Error? err
function stats.usage(plugin)
  local place, err = place_of(plugin)
  if place == nil then return nil, err end
  local usage, now = place and cgroup.read(place), nil
  if not usage then
    if place then plugin.cgroup = nil end -- it is gone: the plugin has ended, or was moved to another
    usage, err, now = ask_engine(plugin)
  end
  if not usage then return nil, err end
  usage.clock = core.loop.clock()
  local run = age(plugin, usage.clock, now)
  if usage.cpu_seconds and run and run > 0 then usage.cpu_share = usage.cpu_seconds / run end
  return usage
end

---The share of one CPU between two readings of one generation; nil where they are not that.
---@param before gantry.Usage?
---@param now gantry.Usage?
---@return number? share 0.5 is half a CPU
function stats.share(before, now)
  if not before or not now or not before.cpu_seconds or not now.cpu_seconds then return nil end
  local seconds, used = now.clock - before.clock, now.cpu_seconds - before.cpu_seconds
  return seconds > 0 and used >= 0 and used / seconds or nil
end

---@param milliseconds number? 0 of one that was not launched here
---@return number?
local function seconds(milliseconds)
  return milliseconds and milliseconds > 0 and milliseconds / 1000 or nil
end

---Adds to what a plugin uses what it has done.
---@param plugin gantry.Plugin
---@param usage gantry.Usage
---@return gantry.Stats
function stats.complete(plugin, usage)
  usage.handshake_seconds, usage.ready_seconds = seconds(plugin.handshake_ms), seconds(plugin.ready_ms)
  usage.output_bytes = plugin.output.bytes
  usage.calls, usage.calls_failed = plugin.calls_made, plugin.calls_failed
  return usage --[[@as gantry.Stats]]
end

return stats
