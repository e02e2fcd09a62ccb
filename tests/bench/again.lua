-- SPDX-License-Identifier: Apache-2.0
--
--- again.lua [ROUNDS]: from a crash to ready again, measured in one run and interleaved: `gantry up`, a Go host on
--- plugincontainer, and the bare calls on the engine's socket, with the same image on the bridge network. A plugin is
--- killed through the engine; what follows is timed from the moment at which the engine tells all who listen that its
--- container died. Prints medians, differences and ratios. Needs GANTRY, the programs of tests/bench/build.sh and the
--- test images.

local answers = require("gantry.control.answer").types
local core = require "gantry.core"
local exchange = require "gantry.engine.docker.exchange"
local gantry = require "gantry"
local json = require "gantry.json"
local median = require "bench.median"
local supervised = require "bench.supervised"
local task = require "gantry.task"

local ROUNDS <const> = tonumber(arg[1]) or 20
-- Seconds of rest before each kill: the last launcher has cleaned up, and the plugin has been ready for so long that no
-- floor of gantry's delays its next start.
local REST <const> = 1.2
local TIMEOUT <const> = 60 -- seconds for a plugin to be ready again
local LABEL <const> = "gantry.bench" -- by which the containers of bare and peer are known
local NOTICED_GOAL <const>, READY_GOAL <const> = 5, 10 -- milliseconds

---@class bench.Launcher
---@field name string
---@field program bench.Program
---@field noticed string the kind of line that says that it knows of the death
---@field container fun(): string the one that runs

---A program that was killed has not removed its containers.
---@param program bench.Program
---@param label string
local function close(program, label)
  program:close()
  task.shield(function()
    local engine = assert(gantry.engine())
    for _, container in ipairs(assert(engine:list { [LABEL] = label })) do engine:remove(container.id) end
  end)
end

---@param name string
---@param up bench.Up
---@return bench.Launcher a value to be closed
local function start(name, up)
  local label = up.folder .. "/" .. name
  local program = supervised.program { supervised.cache .. name, "-again", "-image", supervised.image, "-label",
    LABEL .. "=" .. label, environment = up.environment, input = "pipe", output = "pipe", error = "inherit" }
  return setmetatable({ name = name, program = program, noticed = "noticed",
    container = function() return program.last.ready.container end },
    { __close = function() close(program, label) end })
end

---gantry has noticed a death once it knows how the plugin ended: then it says so.
---@param up bench.Up
---@return bench.Launcher
local function own(up)
  return { name = "gantry", program = up.program, noticed = "exit",
    container = function() return assert(up.control:call("GET", "/v1/plugins/p001", answers.inspected)).container end }
end

---Sets the event of a container that dies, with the time.
---@param engine gantry.EngineClient
---@param deaths table<string, gantry.Event>
local function follow_deaths(engine, deaths)
  local filters = assert(json.encode { type = json.array { "container" }, event = json.array { "die" } })
  local _, err = engine:stream("GET", "/events?filters=" .. exchange.escape(filters), {
    action = "follow the engine's events",
    on_value = function(event)
      local died = deaths[event.Actor.ID]
      if died then died:set(core.loop.clock()) end
    end,
  })
  error(err or "the engine has ended the stream of its events")
end

---@param one bench.Launcher
---@param engine gantry.EngineClient
---@param deaths table<string, gantry.Event>
---@return { death: number, noticed: number, ready: number } milliseconds, the last two from the death on
local function crash(one, engine, deaths)
  one.program:forget()
  task.sleep(REST)
  local id, died = one.container(), task.event()
  deaths[id] = died
  local killed = core.loop.clock()
  local sent, err = engine:kill(id, "KILL")
  assert(sent, err or one.name .. ": its plugin ran no more")
  local noticed, ready = one.program:await(one.noticed, 1), one.program:await("ready", 1)
  local death = died:wait()
  deaths[id] = nil
  return { death = (death - killed) * 1000, noticed = (noticed - death) * 1000, ready = (ready - death) * 1000 }
end

---@param launchers bench.Launcher[]
---@return table<string, table[]> figures by launcher, a round each
local function measure(launchers)
  local scope <close> = task.scope()
  local engine, deaths, figures = assert(gantry.engine()), {}, {}
  scope:spawn(follow_deaths, engine, deaths)
  for _, one in ipairs(launchers) do
    assert(task.deadline(TIMEOUT, one.program.await, one.program, "ready", 1))
    figures[one.name] = {}
  end
  for round = 0, ROUNDS do -- the first warms up: connections, files, the engine's caches
    for turn = 1, #launchers do
      local one = launchers[(round + turn) % #launchers + 1]
      local found = assert(task.deadline(TIMEOUT, crash, one, engine, deaths))
      if round > 0 then table.insert(figures[one.name], found) end
    end
  end
  return figures
end

---@param rounds table[]
---@return { death: number, noticed: number, ready: number }
local function medians(rounds)
  local result = {}
  for _, field in ipairs { "death", "noticed", "ready" } do
    local values = {}
    for i, round in ipairs(rounds) do values[i] = round[field] end
    result[field] = median(values)
  end
  return result
end

---@param title string
---@param figures { death: number, noticed: number, ready: number }
---@param base table? what is taken off
local function row(title, figures, base)
  base = base or { death = 0, noticed = 0, ready = 0 }
  print(("  %-18s %10.1f ms   %13.1f ms   %17.1f ms"):format(title, figures.death - base.death,
    figures.noticed - base.noticed, figures.ready - base.ready))
end

---@param launchers bench.Launcher[]
---@param figures table<string, table[]>
local function show(launchers, figures)
  print(("%-18s   kill to death   death to noticed   death to ready again"):format(
    ("medians of %d"):format(ROUNDS)))
  for _, one in ipairs(launchers) do row(one.name, medians(figures[one.name])) end
  local bare, ours, peer = medians(figures.bare), medians(figures.gantry), medians(figures.peer)
  row("gantry minus bare", ours, bare)
  row("gantry minus peer", ours, peer)
  print(("gantry is ready again in %.3f of bare's time and %.3f of peer's"):format(ours.ready / bare.ready,
    ours.ready / peer.ready))
  print(("goals: noticed %.1f ms after the death (within %d), ready again %.1f ms after bare (within %d)"):format(
    ours.noticed, NOTICED_GOAL, ours.ready - bare.ready, READY_GOAL))
end

supervised.run(function()
  local up <close> = supervised.up(1)
  local bare <close> = start("bare", up)
  local peer <close> = start("peer", up)
  local launchers = { bare, own(up), peer }
  show(launchers, measure(launchers))
end)
