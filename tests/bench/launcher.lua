-- SPDX-License-Identifier: Apache-2.0
--
--- launcher.lua ENGINE IMAGE [SIZE] ("": the usual engine): gantry as an embedding host has it, in a process of its
--- own. For every line "launch" on standard input it makes one launch, takes it away, and prints one JSON line; for
--- "keep" it leaves the plugin running until the next line; for "at-once N" it begins N launches together. With SIZE so
--- many containers wait, and launches begin when all of them do; for "waiting" it tells their first processes.

local core = require "gantry.core"
local engines = require "gantry.engine"
local gantry = require "gantry"
local json = require "gantry.json"
local task = require "gantry.task"

local engine_url, image, size = arg[1], arg[2], math.tointeger(tonumber(arg[3]))
local NAME <const> = "bench-" .. core.system.pid()
local COOKIE <const> = { "GANTRY_KV_COOKIE", "6f1b0f6a2d5e4c7f9a83b1d0c2e47a55" }

---@return gantry.Policy validated once, as a policy is that is launched more than once
local function policy(name)
  return { config = assert(require("gantry.config").validate { name = name, image = image, cookie = COOKIE,
    disable_network = true }) }
end

---@param launch fun(name: string): gantry.Plugin
---@param count integer
---@return number milliseconds until all are ready
local function at_once(launch, count)
  local began, plugins, launches = core.loop.clock(), {}, {}
  for i = 1, count do
    launches[i] = function() plugins[i] = launch(NAME .. "-" .. i) end
  end
  task.all(table.unpack(launches))
  local took = (core.loop.clock() - began) * 1000
  local ends = {}
  for i, plugin in ipairs(plugins) do ends[i] = function() plugin:stop() end end
  task.all(table.unpack(ends))
  return took
end

---@param engine gantry.EngineClient
---@param pool gantry.LaunchPool
---@return integer[]
local function first_processes(engine, pool)
  local list = {}
  for i, member in ipairs(pool.pool.members) do list[i] = assert(engine:inspect(member.container)).state.pid end
  return list
end

---@param engine gantry.EngineClient
---@return fun(name: string): gantry.Plugin launch
---@return fun() ready waits until it is as fast as it can be
---@return fun() close
---@return gantry.LaunchPool? pool
local function way(engine)
  if not size then
    return function(name) return assert(gantry.launch(policy(name), { engine = engine })) end, function() end,
      function() end
  end
  local pool = assert(gantry.pool(policy(NAME), { size = size, engine = engine }))
  return function() return assert(pool:launch()) end, function() assert(pool:fill()) end,
    function() pool:close() end, pool
end

task.run(function()
  local engine <close> = assert(engines.connect { url = engine_url ~= "" and engine_url or nil })
  local launch, ready, close, pool = way(engine)
  local kept
  for line in io.lines() do
    if kept then kept:stop() end
    kept = nil
    ready()
    local count = line:match "^at%-once (%d+)$"
    if line == "waiting" then
      print(json.encode { processes = json.array(first_processes(engine, assert(pool, "none wait"))) })
    elseif count then
      print(json.encode { all_ms = at_once(launch, math.tointeger(tonumber(count)) --[[@as integer]]) })
    else
      local plugin = launch(NAME)
      if line == "keep" then kept = plugin else plugin:stop() end
      print(json.encode { ready_ms = plugin.ready_ms, container = plugin.container })
    end
    io.stdout:flush()
  end
  close()
end)
