-- SPDX-License-Identifier: Apache-2.0
--
--- Random sequences of what can happen to supervised plugins: policies edited, taken away and put back, requests,
--- deaths, sick plugins, an engine in trouble, containers that cannot be removed, supervisors that end and others that
--- take over. However they come, the invariants hold. GANTRY_SEED gives a failure's seed again, GANTRY_EVENTS how many.

local fake = require "lua.fake_supervisor"

local EVENTS <const> = tonumber(os.getenv "GANTRY_EVENTS") or 20000
local SEED <const> = math.tointeger(tonumber(os.getenv "GANTRY_SEED")) or os.time()
-- Events between two looks at a world that has come to rest, and looks at one world.
local BURST <const>, BURSTS <const> = 40, 10
-- Virtual seconds in which everything has to have settled, and in which a request must be answered.
local REST <const>, TIMEOUT <const> = 150, 400
-- In which what could not be removed is tried again.
local LONG_REST <const> = 1300
local NAMES <const> = { "base", "user", "once", "checked" }

local FIELDS <const> = {
  base = {}, user = { after = { "base" } }, once = { restart = "never" },
  checked = { health = { period = "5s", timeout = "1s", failures = 2 } },
}

---@return fun(low: integer?, high: integer?): number
local function generator(seed)
  local state = seed
  return function(low, high)
    state = state * 6364136223846793005 + 1442695040888963407
    local value = (state >> 33) / 2147483648.0
    if not low then return value end
    return low + math.floor(value * (high - low + 1))
  end
end

---@class Walk one world, and what is expected of it
local Walk = {}
Walk.__index = Walk

function Walk:fail(text) self.world:fail(text) end

---@param name string
function Walk:write(name)
  local fields = { image = "v" .. self.version[name], stop_timeout = self.grace[name] }
  for key, value in pairs(FIELDS[name]) do fields[key] = value end
  self.world:write(name, fields)
end

---The next supervisor may come when there is no policy: then nobody knows of what was, or tells that it broke off.
function Walk:forget(name)
  self.last[name] = nil
  if self.told[name] then self.told[name].forgotten = true end
  for _, one in pairs(self.world.containers) do one.unwanted = one.unwanted or one.name == name end
end

---Asks as an operator does, in a task of its own.
function Walk:ask(name, verb)
  local world = self.world
  if not world:unit(name) then return end
  local asked = { name = name, verb = verb, at = world.loop.now }
  self.open[asked] = true
  world.scope:spawn(function()
    local one = world:unit(name)
    if one and not one.removed and not world.supervisor.ended:is_set() then
      self.last[name] = verb == "stop" and "down" or "up"
    end
    local view, err = world:request("POST", ("/v1/plugins/%s/%s"):format(name, verb))
    self.open[asked] = nil
    self.answers = self.answers + 1
    if world.loop.now - asked.at > TIMEOUT then
      self:fail(("%s of %s took %d s"):format(verb, name, world.loop.now - asked.at))
    end
    if view and verb == "stop" and view.state ~= "stopped" then self:fail("stop was answered with " .. view.state) end
    if not view and not (err and world.modules.errors.is(err)) then self:fail(verb .. " was answered with nothing") end
  end)
end

---@type table<string, fun(walk: Walk, name: string)>
local HAPPENS = {}

function HAPPENS.edited(walk, name)
  if not walk.world.policies[name] then return end
  walk.version[name] = walk.version[name] + 1
  walk:write(name)
  walk:reload()
end

function HAPPENS.edited_soft(walk, name)
  if not walk.world.policies[name] then return end
  walk.grace[name] = walk.random(1, 20)
  walk:write(name)
  walk:reload()
end

function HAPPENS.removed(walk, name)
  if not walk.world:unit(name) then walk:forget(name) end
  walk.world:write(name, nil)
  walk:reload()
end

function HAPPENS.put_back(walk, name)
  if walk.world.policies[name] then return end
  walk:write(name)
  walk:reload()
end

function HAPPENS.flipped(walk, name)
  HAPPENS.removed(walk, name)
  walk.world.modules.task.sleep(walk.random() * 0.1)
  HAPPENS.put_back(walk, name)
end

function HAPPENS.start(walk, name) walk:ask(name, "start") end
function HAPPENS.stop(walk, name) walk:ask(name, "stop") end
function HAPPENS.restart(walk, name) walk:ask(name, "restart") end

function HAPPENS.opposites(walk, name)
  walk:ask(name, walk.random() < 0.5 and "start" or "restart")
  walk:ask(name, "stop")
  if walk.random() < 0.5 then walk:ask(name, "start") end
end

function HAPPENS.death(walk, name)
  local _, container = walk.world:running(name)
  if container and container.plugin and not container.plugin.left then
    container.plugin:die { cause = "exit", code = walk.random(0, 3), known = true, requested = false,
      uptime = walk.random() * 100 }
  elseif container then
    container.status, container.exit = "exited", { cause = "exit", code = 1, known = true, requested = false }
  end
end

function HAPPENS.sick(walk, name)
  local _, container = walk.world:running(name)
  if container then container.sick = true end
end

function HAPPENS.engine(walk)
  local modes = { "500", "hang", "cut" }
  walk.world:set_mode(modes[walk.random(1, 3)])
  walk.heal_at = walk.world.loop.now + walk.random() * 60
end

function HAPPENS.stuck(walk, name)
  for _, container in pairs(walk.world.containers) do
    if container.name == name then container.stuck = walk.random() < 0.5 and 500 or 409 end
  end
end

---The supervisor ends; plugins may end, or not answer any more, until the next one takes over.
function HAPPENS.supervisor(walk, name)
  local world = walk.world
  world:leave()
  if walk.random() < 0.3 then HAPPENS.death(walk, name) end
  local _, container = world:running(name)
  if container and walk.random() < 0.1 then container.unhealthy = true end
  -- What was taken away or put back now is what the next one finds; without a policy nothing of it is kept.
  for _, one in ipairs(NAMES) do
    if not world.policies[one] then
      walk:forget(one)
    end
  end
  world:up()
  world.modules.task.sleep(walk.random() * 0.2)
end

function HAPPENS.reload(walk) walk:reload() end

local KINDS = {}
for kind in pairs(HAPPENS) do KINDS[#KINDS + 1] = kind end
table.sort(KINDS)

function Walk:reload()
  self.world.scope:spawn(function() self.world.supervisor:reload() end)
end

function Walk:step()
  local world, task = self.world, self.world.modules.task
  local kind = KINDS[self.random(1, #KINDS)]
  self.trace[#self.trace + 1] = ("%.2f %s"):format(world.loop.now, kind)
  HAPPENS[kind](self, NAMES[self.random(1, #NAMES)])
  if self.random() < 0.7 then task.sleep(self.random() ^ 4 * 20) end
  if world.mode ~= "ok" and world.loop.now > self.heal_at then world:set_mode "ok" end
end

-- ---- the invariants ----

---@param name string
---@param one gantry.Unit
function Walk:check_unit(name, one)
  local running, container = self.world:running(name)
  local up = (self.last[name] or one.wanted) ~= "down"
  if not up and (one.state ~= "stopped" or running > 0) then
    self:fail(("%s was to be down and is %s, %d run"):format(name, one.state, running))
  end
  local base = self.world:unit "base"
  local free = name ~= "user" or base and base.state == "ready"
  if up and free and name ~= "once" and one.state ~= "ready" then
    self:fail(("%s was to be up and is %s"):format(name, one.state))
  end
  if (one.state == "ready") ~= (running == 1) then
    self:fail(("%s is %s, and %d of it run"):format(name, one.state, running))
  end
  if container and container.config.image ~= "v" .. self.version[name] then
    self:fail(("%s runs %s, and is to run v%d"):format(name, container.config.image, self.version[name]))
  end
  if one.plugin and one.plugin.config.stop_timeout ~= one.config.stop_timeout then
    self:fail(name .. " runs with an old stop_timeout")
  end
  if #one.requests > 0 then self:fail(name .. " has requests that are not answered") end
  if #one.corpses > 0 then self:fail(name .. " still has corpses") end
end

---Lets everything come to rest, and looks.
function Walk:check()
  local world = self.world
  world:set_mode "ok"
  for _, container in pairs(world.containers) do container.stuck = nil end
  world.supervisor:reload()
  world.modules.task.sleep(REST)
  for _, one in pairs(world.supervisor.units) do
    if #one.corpses > 0 then
      world.modules.task.sleep(LONG_REST)
      break
    end
  end
  for asked in pairs(self.open) do
    self:fail(("%s of %s at %.2f was not answered"):format(asked.verb, asked.name, asked.at))
  end
  for _, name in ipairs(NAMES) do
    local one = world:unit(name)
    if (one ~= nil) ~= (world.policies[name] ~= nil) then
      self:fail(("%s is %s, and its policy is %s"):format(name, one and one.state or "not supervised",
        world.policies[name] and "there" or "gone"))
    elseif one then
      self:check_unit(name, one)
    elseif world:running(name) > 0 then
      self:fail(name .. " runs without a policy")
    end
  end
  for name, told in pairs(self.told) do
    local live = world:unit(name) and world:unit(name).plugin and 1 or 0
    if not told.forgotten and told.start ~= told.decision + told.broken + live then
      self:fail(("the journal of %s tells of %d starts, %d decisions, %d broken off, %d live"):format(name, told.start,
        told.decision, told.broken, live))
    end
  end
end

---What is told of each plugin, and whether its states follow each other.
function Walk:listen()
  local states = self.world.modules.states
  self.told, self.states = {}, {}
  self.world.on_event = function(event)
    if not event.plugin then return end
    local told = self.told[event.plugin] or { start = 0, decision = 0, broken = 0 }
    self.told[event.plugin] = told
    if event.kind == "fault" then self:fail(event.text) end
    if event.text:find "was broken off with the supervisor" then told.broken = told.broken + 1 end
    if told[event.kind] then told[event.kind] = told[event.kind] + 1 end
  end
  self.world.on_state = function(units)
    for _, one in pairs(units) do
      local before = self.states[one]
      if before and before ~= one.state and not states.NEXT[before][one.state] then
        self:fail(("%s was %s, then %s"):format(one.name, before, one.state))
      end
      self.states[one] = one.state
      if one.state == "removed" then self.last[one.name] = nil end
    end
  end
end

---@param seed integer
---@param events integer
local function walk_once(seed, events)
  local random = generator(seed)
  local walk = setmetatable({ random = random, version = {}, grace = {}, last = {}, open = {}, trace = {}, heal_at = 0,
    answers = 0 }, Walk)
  fake.run(function(world)
    walk.world = world
    walk:listen()
    for _, name in ipairs(NAMES) do
      walk.version[name], walk.grace[name] = 1, 10
      walk:write(name)
    end
    world:up()
    for i = 1, events do
      walk:step()
      if i % BURST == 0 then walk:check() end
      assert(#world.failures == 0, ("seed %d: %s\nafter: %s"):format(seed, table.concat(world.failures, "\n"),
        table.concat(walk.trace, "; ", math.max(1, #walk.trace - 25))))
    end
  end, { random = random, launch_failures = 0.1, stop_time = 2, removal_time = 0.1 })
  return walk
end

describe("supervised plugins", function()
  it(("hold their invariants through %d random events (GANTRY_SEED=%d)"):format(EVENTS, SEED), function()
    local answers, each = 0, BURST * BURSTS
    for i = 0, (EVENTS + each - 1) // each - 1 do
      local walk = walk_once(SEED + i, math.min(each, EVENTS - i * each))
      answers = answers + walk.answers
    end
    assert.is_true(answers > EVENTS / 20, answers)
  end)
end)
