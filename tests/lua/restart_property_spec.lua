-- SPDX-License-Identifier: Apache-2.0
--
--- The decision core under random histories: whatever ends, whenever, and wherever the clock jumps.

local decider = require "gantry.restart.decider"
local floors = require "gantry.restart.floors"
local restart = require "gantry.restart"

local HISTORIES <const> = 100000
local SEED <const> = 20260514

---A generator of its own: the same histories in every run.
local function generator(seed)
  local state = seed
  local function next_number()
    state = (state * 6364136223846793005 + 1442695040888963407)
    return (state >> 33) / 2147483648.0
  end
  return { number = next_number, below = function(n) return math.floor(next_number() * n) + 1 end }
end

local EXITS = {
  { cause = "exit", code = 0 }, { cause = "exit", code = 1 }, { cause = "exit", code = 2 }, { cause = "signal",
    code = 137, signal = "KILL" },
  { cause = "oom", code = 137 }, { cause = "lost" }, { cause = "unhealthy" }, { cause = "start_failed" },
    { cause = "handshake_failed" },
  { cause = "config_changed" }, { cause = "manual" }, { cause = "exit", code = 0, requested = true },
}

local function impatient() return "restart", { after = 0 } end

local RULES = {
  { nil }, { restart.always }, { restart.on_failure }, { restart.backoff { first = 0, max = 0 } },
  { restart.backoff { first = "10ms", factor = 3, max = "20s", jitter = 1, reset_after = "8s" } },
  { restart.first_of(restart.on_code { [2] = "fail", [1] = "restart" }, restart.window { max = 3, per = "30s" }) },
  { restart.window { max = 2, per = "20s", then_ = "fail" } },
}

---The floors as the world sees them: starts that were decided on, by the state's own clock.
local function check_start(state, starts, automatic)
  starts[#starts + 1] = state.clock
  if not automatic then return end
  local count = 0
  for i = #starts, 1, -1 do
    if state.clock - starts[i] >= floors.plugin.per - 1e-6 then break end
    count = count + 1
  end
  assert(count <= floors.plugin.max, ("%d starts in %d s"):format(count, floors.plugin.per))
end

local JUMPS <const> = { -3600, -60, -1, 3600, 86400 }

local function run_history(random, index)
  local rule = RULES[index % #RULES + 1][1]
  local state, now, starts, automatic = decider.new_state(), random.number() * 1e6, {}, false
  local function pass(seconds)
    now = now + seconds
    if random.below(8) == 1 then now = now + JUMPS[random.below(#JUMPS)] end
  end

  for _ = 1, random.below(9) do
    local before = state.clock
    local generation = decider.started(state, now, automatic)
    assert(state.clock >= before, "the state's clock went back")
    check_start(state, starts, automatic)
    assert(not pcall(decider.started, state, now, true), "two live generations")
    local became_ready = random.below(4) > 1
    if became_ready then decider.ready(state, now) end
    local ready_at = state.clock
    pass(({ 0, 0.05, 0.9, 1, 7.9, 8, 60, 500 })[random.below(8)] * random.number())

    local exit, known = {}, EXITS[random.below(#EXITS)]
    for key, value in pairs(known) do exit[key] = value end
    exit.generation = generation
    if random.below(3) == 1 then exit.uptime = random.number() * 1000 - 10 end
    local counted, level_before = state.counted, #state.peaks
    local decision = decider.decide({ restart = rule }, state, exit, now, { random = random.number })

    assert(state.live == nil, "still live after its end")
    assert(decider.decide({ restart = rule }, state, exit, now).action == "ignore", "one end was decided twice")
    local stable = became_ready and state.clock - ready_at or 0
    if exit.requested then assert(decision.action == "stop", "a stop that was asked for was not obeyed") end
    if state.counted > counted then
      -- A backoff begins anew only after a generation that was ready for so long.
      local peak = state.peaks[#state.peaks]
      assert(peak.number == state.counted and peak.uptime >= 0 and peak.uptime <= stable + 1e-9, "uptime from nowhere")
      assert(#state.peaks <= level_before + 1)
    end
    automatic = decision.automatic
    if decision.action ~= "restart" then return end
    assert(decision.delay >= 0 and decision.delay <= floors.longest_delay and decision.delay == decision.delay,
      "no delay")
    if automatic and stable < floors.exempt_after then assert(decision.delay >= floors.delay,
      "under the least delay") end
    if not automatic then decider.forgive(state) end
    pass(decision.delay + random.number() * 0.01)
    -- A clock that went back during the wait: the timer has waited all the same.
    local waited = now - state.seen
    if waited < decision.delay then now = state.seen + decision.delay end
  end
end

describe("the decision core", function()
  it(("keeps its promises over %d random histories"):format(HISTORIES), function()
    local random = generator(SEED)
    for index = 1, HISTORIES do
      local ok, err = pcall(run_history, random, index)
      assert(ok, ("history %d of seed %d: %s"):format(index, SEED, err))
    end
  end)

  it("holds the floors against a function that wants none", function()
    local random = generator(SEED)
    local state, now, starts = decider.new_state(), 0, {}
    for index = 1, 300 do
      decider.started(state, now, index > 1)
      check_start(state, starts, index > 1)
      local decision = decider.decide({ restart = impatient }, state, { cause = "exit", code = 1 }, now)
      assert.is_true(decision.delay >= floors.delay)
      now = now + decision.delay + random.number() * 0.001
    end
    assert.is_true(now >= (300 // floors.plugin.max - 1) * floors.plugin.per)
  end)

  it("begins a backoff anew exactly at the time that counts as stable", function()
    for _, case in ipairs { { 7.999, 0.4 }, { 8, 0.1 }, { 8.001, 0.1 } } do
      local rule = restart.backoff { first = "100ms", factor = 2, max = "30s", jitter = 0, reset_after = "8s" }
      local state, now, decision = decider.new_state(), 0, nil
      for _, uptime in ipairs { 2, 2, case[1] } do
        decider.started(state, now, true)
        decider.ready(state, now)
        now = now + uptime
        decision = decider.decide({ restart = rule }, state, { cause = "exit", code = 1 }, now)
        now = now + 10
      end
      assert.are.equal(case[2], decision.delay)
    end
  end)

  it("takes the engine's word for a shorter life, never for a longer one", function()
    local rule = restart.backoff { first = "100ms", factor = 2, max = "30s", jitter = 0, reset_after = "8s" }
    for _, case in ipairs { { 20, 3600, 0.1 }, { 20, 5, 0.2 }, { 5, 3600, 0.2 }, { 5, -3600, 0.2 } } do
      local state = decider.new_state()
      decider.started(state, 0)
      decider.decide({ restart = rule }, state, { cause = "exit", code = 1 }, 0)
      decider.started(state, 10, true)
      decider.ready(state, 10)
      local decision = decider.decide({ restart = rule }, state, { cause = "exit", code = 1, uptime = case[2] },
        10 + case[1])
      assert.are.equal(case[3], decision.delay)
    end
  end)
end)
