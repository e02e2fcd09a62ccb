-- SPDX-License-Identifier: Apache-2.0
--
--- up.lua [COUNT]: so many plugins begun at the same time on the bridge network, in one run: `gantry up` over a
--- directory of policies, and a Go host on plugincontainer. Then the supervisor at rest: its memory and processor
--- time. Then all plugins die at the same instant. Needs GANTRY, the programs of tests/bench/build.sh and the test
--- images.

local core = require "gantry.core"
local gantry = require "gantry"
local json = require "gantry.json"
local supervised = require "bench.supervised"
local task = require "gantry.task"

local COUNT <const> = tonumber(arg[1]) or 50
local REST <const> = 10 -- seconds of doing nothing

---@param path string
---@param pattern string
---@return string?
local function field_of(path, pattern)
  local file <close> = assert(io.open(path))
  return file:read("a"):match(pattern)
end

---@param pid integer
---@return number milliseconds of processor time so far
local function cpu_ms(pid)
  local user, system = field_of(("/proc/%d/stat"):format(pid), "%) %S+ " .. ("%S+ "):rep(10) .. "(%d+) (%d+)")
  return (tonumber(user) + tonumber(system)) * 10
end

---@return table figures all_ms, median_ms, cpu_ms
local function peer()
  local text, ended = "", task.event()
  local process = assert(core.process.spawn(task.loop(), {
    supervised.cache .. "peer", "-image", supervised.image, "-at-once", tostring(COUNT), input = "null",
    output = "pipe", error = "inherit",
    on_output = function(_, bytes) text = text .. bytes end, on_exit = function() ended:set() end,
  }))
  ended:wait()
  process:close()
  return assert(json.decode(text))
end

---@param up bench.Up
local function at_rest(up)
  local pid = up.program.process:pid()
  task.sleep(2)
  local before = cpu_ms(pid)
  task.sleep(REST)
  local anonymous = tonumber(field_of(("/proc/%d/status"):format(pid), "RssAnon:%s+(%d+)"))
  local resident = tonumber(field_of(("/proc/%d/status"):format(pid), "VmRSS:%s+(%d+)"))
  print(("at rest with %d plugins: %d KiB of its own (%d KiB resident), %d ms of processor time in %d s"):format(COUNT,
    anonymous, resident, cpu_ms(pid) - before, REST))
end

---@param up bench.Up
local function all_die(up)
  local containers = {}
  local listed = assert(up.control:call("GET", "/v1/plugins")).plugins
  for i, one in ipairs(listed) do containers[i] = one.container end
  up.program:forget()
  local began, jobs = core.loop.clock(), {}
  local engine = assert(gantry.engine())
  for i, id in ipairs(containers) do jobs[i] = function() assert(engine:kill(id, "KILL")) end end
  task.all(table.unpack(jobs))
  local ready, noticed = up.program:await("ready", COUNT), up.program:await("exit", COUNT)
  print(("all %d killed at once: last death noticed after %.0f ms, all ready again after %.0f ms"):format(COUNT,
    (noticed - began) * 1000, (ready - began) * 1000))
end

supervised.run(function()
  local theirs = peer()
  local up <close> = supervised.up(COUNT)
  local all = (up.program:await("ready", COUNT) - up.began) * 1000
  local half = (up.program:await("ready", COUNT // 2 + 1) - up.began) * 1000
  local cpu = cpu_ms(up.program.process:pid())
  print(("%d at once     all ready   half ready   its own processor time"):format(COUNT))
  print(("peer        %8.0f ms  %8.0f ms  %8.0f ms"):format(theirs.all_ms, theirs.median_ms, theirs.cpu_ms))
  print(("gantry up   %8.0f ms  %8.0f ms  %8.0f ms"):format(all, half, cpu))
  print(("ratio       %8.2f     %8.2f     %8.2f"):format(all / theirs.all_ms, half / theirs.median_ms,
    cpu / theirs.cpu_ms))
  at_rest(up)
  all_die(up)
end)
