-- SPDX-License-Identifier: Apache-2.0
--
--- up.lua [COUNT] [ROUNDS]: so many plugins wanted at the same time on the bridge network, in one run and by turns:
--- `gantry up` over a directory of policies; a Go host on plugincontainer; and the engine's calls alone, a few under
--- way at a time. Then the supervisor at rest: its memory and processor time. Then all plugins die at the same instant.
--- Needs GANTRY, the programs of tests/bench/build.sh and the test images.

local core = require "gantry.core"
local gantry = require "gantry"
local json = require "gantry.json"
local supervised = require "bench.supervised"
local task = require "gantry.task"
local types = require "gantry.base.types"

local COUNT <const> = tonumber(arg[1]) or 50
local ROUNDS <const> = tonumber(arg[2]) or 3
local IN_FLIGHT <const> = 3 -- of the engine's calls alone, the fewest that keep a small engine busy
local REST <const> = 10 -- seconds of doing nothing
local LISTED <const> = types.object { plugins = types.list(types.object { container = types.text() }) }

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

---@param name "peer"|"bare"
---@param ... string
---@return table figures all_ms, median_ms, cpu_ms
local function others(name, ...)
  local text, ended = "", task.event()
  local process = assert(core.process.spawn(task.loop(), {
    input = "null", output = "pipe", error = "inherit", on_output = function(_, bytes) text = text .. bytes end,
    on_exit = function() ended:set() end,
    supervised.cache .. name, "-image", supervised.image, "-at-once", tostring(COUNT), ...
  }))
  ended:wait()
  process:close()
  return assert(json.decode(text))
end

---@param up bench.Up
---@return table figures
local function ours(up)
  local figures = { all_ms = (up.program:await("ready", COUNT) - up.began) * 1000,
    median_ms = (up.program:await("ready", COUNT // 2 + 1) - up.began) * 1000 }
  figures.cpu_ms = cpu_ms(up.program.process:pid())
  return figures
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
  local listed = assert(up.control:call("GET", "/v1/plugins", LISTED)).plugins
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

---@param rounds table[]
---@return table figures medians, each of its own
local function medians(rounds)
  local result = {}
  for _, name in ipairs { "all_ms", "median_ms", "cpu_ms" } do
    local values = {}
    for i, figures in ipairs(rounds) do values[i] = figures[name] end
    table.sort(values)
    result[name] = values[(#values + 1) // 2]
  end
  return result
end

---@param name string
---@param figures table
---@param format string of one figure
local function line(name, figures, format)
  print(("%-14s" .. (format .. "     "):rep(3)):format(name, figures.all_ms, figures.median_ms, figures.cpu_ms))
end

---@param name string
---@param one table
---@param other table
local function ratio(name, one, other)
  line(name, { all_ms = one.all_ms / other.all_ms, median_ms = one.median_ms / other.median_ms,
    cpu_ms = one.cpu_ms / other.cpu_ms }, "%8.2f   ")
end

supervised.run(function()
  local rounds = { gantry = {}, peer = {}, bare = {} }
  for i = 1, ROUNDS do
    rounds.peer[i] = others "peer"
    rounds.bare[i] = others("bare", "-in-flight", tostring(IN_FLIGHT))
    local up <close> = supervised.up(COUNT)
    rounds.gantry[i] = ours(up)
    if i == ROUNDS then
      local gantry_figures, peer, bare = medians(rounds.gantry), medians(rounds.peer), medians(rounds.bare)
      print(("%d at once, medians of %d   all ready, half ready, own processor time"):format(COUNT, ROUNDS))
      line("bare", bare, "%8.0f ms")
      line("peer", peer, "%8.0f ms")
      line("gantry up", gantry_figures, "%8.0f ms")
      ratio("to the peer", gantry_figures, peer)
      ratio("to bare calls", gantry_figures, bare)
      at_rest(up)
      all_die(up)
    end
  end
end)
