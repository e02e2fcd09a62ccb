-- SPDX-License-Identifier: Apache-2.0
--
--- A wall clock that is set back or ahead by an hour under `gantry up`, between two of them, and while the machine is
--- off: no delay is skipped or stretched, and no plugin is taken for dead.

local json = require "gantry.json"
local support = require "engine.support"
local supervision = require "engine.supervision"
local task = require "gantry.task"

local HOUR <const> = 3600
-- What a test takes at most, as part of a delay of hours.
local SLACK <const> = 600

describe("gantry up and the wall clock:", function()
  local place

  before_each(function() place = supervision.place() end)
  after_each(function() task.run(place.close, place) end)

  local function test(name, fn)
    it(name, function() task.run(fn) end)
  end

  local function kill(up)
    up:kill "KILL"
    up:wait()
  end

  ---@param name string
  ---@param hours number
  local function check_backoff(name, hours)
    local one = place:plugin(name)
    assert.are.equal("backoff", one.state)
    local rest = one.next_start / HOUR
    assert.is_true(rest <= hours and rest > hours - SLACK / HOUR, ("%.3f of %g hours are left"):format(rest, hours))
  end

  local WAITS <const> = "args = { '-exit-now', '3' }, restart = function() return 'restart', { after = '3h' } end,"

  test("a backoff goes on where it was, whatever the state file says of the hour", function()
    place:policy("waits", WAITS)
    local up = place:up()
    place:await_state("waits", "backoff")
    local path = place.root .. "/state/up/waits.json"
    -- Of another boot only the wall clock can tell how long it was; one that went back has told nothing.
    local kept = support.read(path)
    for _, case in ipairs { { HOUR, true, 3 }, { -HOUR, true, 3 }, { HOUR, false, 3 }, { -HOUR, false, 2 } } do
      kill(up)
      local record = assert(json.decode(kept))
      record.saved = record.saved + case[1]
      if not case[2] then record.boot = "of another boot" end
      support.write(path, assert(json.encode(record)))
      up = place:up()
      place:await_state("waits", "backoff")
      check_backoff("waits", case[3])
    end
    assert.are.same({ 1, 0 }, { place:plugin("waits").generation, place:plugin("waits").restarts })
  end)

  ---Waits until a plugin that crashes has been started twice more.
  local function await_two_more(name)
    local restarts = place:plugin(name).restarts
    support.eventually(name .. " is restarted", function() return place:plugin(name).restarts >= restarts + 2 end)
  end

  test("a clock that jumps while plugins run and wait changes nothing", function()
    place:policy("waits", WAITS)
    place:policy("crashes", "args = { '-exit-after', '50ms', '-exit-code', '5' }, restart = function()\n"
      .. "return 'restart', { after = '300ms' } end,")
    place:policy("lives", "auto_mtls = true, health = { period = '200ms' },")
    local _, set = place:up_with_clock(0)
    place:await_state("waits", "backoff")
    local lives = place:await_state("lives", "ready")
    await_two_more "crashes"
    for _, hours in ipairs { -1, 1, 0 } do
      set(hours * HOUR)
      await_two_more "crashes"
      check_backoff("waits", 3)
      local one = place:plugin "lives"
      assert.are.same({ "ready", 1, lives.container }, { one.state, one.generation, one.container })
      assert.is_true(one.uptime < SLACK)
    end
    local entries, back = place:ask("why", "crashes").entries, 0
    for i = 2, #entries do
      if entries[i].time < entries[i - 1].time - HOUR / 2 then back = back + 1 end
    end
    assert.are.equal(2, back, "the clock went back twice")
  end)

  -- A certificate that is valid from a moment before its making on is not valid yet once the clock is set back: the
  -- plugin refuses its supervisor, which takes it for unhealthy. The pair for AutoMTLS is valid from a day before.
  test("a plugin with AutoMTLS is adopted after the clock was set back", function()
    place:policy("lives", "auto_mtls = true,")
    local up = place:up_with_clock(HOUR)
    local before = place:await_state("lives", "ready")
    kill(up)
    place:up()
    local after = place:await_state("lives", "ready")
    assert.are.equal(before.container, after.container)
    assert.is_nil(place:run("why", "lives").stdout:find("unhealthy", 1, true))
  end)
end)
