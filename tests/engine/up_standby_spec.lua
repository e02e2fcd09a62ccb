-- SPDX-License-Identifier: Apache-2.0
--
--- A plugin with another one that stands by: it takes its place at once, and the end is decided on, counted and told as
--- any other.

local ahead = require "gantry.plugin.ahead"
local core = require "gantry.core"
local support = require "engine.support"
local supervision = require "engine.supervision"
local task = require "gantry.task"

describe("one that stands by", function()
  local place

  before_each(function() place = supervision.place() end)
  after_each(function() task.run(place.close, place) end)

  local function test(name, fn)
    it(name, function() task.run(fn) end)
  end

  ---Ready, with another one; and so many containers in all.
  local function await_standby(containers)
    local view = support.eventually("another one stands by", function()
      local found = place:plugin "kv"
      return found and found.state == "ready" and found.standby and found.standby.waiting == 1 and found
    end, 120)
    place:await_containers(containers or 2)
    return view
  end

  local function check_usable()
    local put = place:run("call", "kv", "KV/Put", '{"key": "a", "value": "YQ=="}')
    assert.are.equal(0, put.code, put.stderr)
  end

  ---@param view table of ps
  local function kill(view)
    support.engine():kill(view.container, "KILL")
    return support.eventually("another generation", function()
      local now = place:plugin "kv"
      return now.state == "ready" and now.generation > view.generation and now
    end)
  end

  test("takes the place of one that ends, whatever delay its policy has, and the next one waits for that", function()
    place:policy("kv", "standby = true, auto_mtls = true, restart = restart.backoff { first = '2s' },",
      'local restart = require "gantry.restart"\n')
    place:up()
    local first = await_standby()
    local other
    for _, found in ipairs(place:containers()) do
      if found.id ~= first.container then other = found.id end
    end
    local second = kill(first)
    assert.are.equal(other, second.container)
    assert.are.equal(2, second.generation)
    assert.are.equal(1, second.restarts)
    assert.are.equal("KILL", second.last_exit.signal)
    check_usable()
    local why = place:run("why", "kv").stdout
    assert.matches("killed by SIGKILL", why)
    assert.matches("where another one stood by", why)
    await_standby()
    assert.are.equal(0, place:run("down").code)
    assert.are.same({}, place:containers())
    assert.are.same({}, place:records())
  end)

  test("is none where its policy says that it is to stay down, and goes with it", function()
    place:policy("kv", "standby = true, restart = 'never',")
    place:up()
    local first = await_standby()
    support.engine():kill(first.container, "KILL")
    place:await_state("kv", "ended")
    support.eventually("nothing is left", function() return #place:containers() == 0 end)
    support.eventually("no address is left", function()
      return not core.system.stat(place.runtime_dir .. "/kv.sock")
    end)
  end)

  test("has the address before its launch begins", function()
    place:policy("kv", "standby = true,")
    local dying, address = place:start_up "kv:taken.check_health", place.runtime_dir .. "/kv.sock"
    dying:await("stderr", "supervises")
    local first = await_standby()
    local before = assert(core.system.real_path(address))
    support.engine():kill(first.container, "KILL")
    assert.are.equal(9, dying:wait().signal, dying.stderr)
    assert.are_not.equal(before, assert(core.system.real_path(address)))
    place:up()
    await_standby()
    check_usable()
  end)

  test("is replaced where it dies or its policy changes, and goes where that says so", function()
    place:policy("kv", "standby = true,")
    place:up()
    local view = await_standby()
    for _, found in ipairs(place:containers()) do
      if found.id ~= view.container then support.engine():kill(found.id, "KILL") end
    end
    assert.are.equal(view.container, await_standby().container)
    place:policy("kv", "standby = true, env = { 'A=1' },")
    support.eventually("another generation", function() return place:plugin("kv").generation > 1 end)
    await_standby()
    place:policy("kv", "env = { 'A=1' },")
    place:await_containers(1)
    assert.is_nil(next(place:plugin("kv").standby or {}) and place:plugin("kv").standby.waiting > 0 or nil)
    check_usable()
  end)

  test("is had beside containers that wait, which a restart by hand does not take while it stands", function()
    place:policy("kv", "standby = true, warm = 1,")
    place:up()
    local first = await_standby(3)
    local second = kill(first)
    check_usable()
    assert.are_not.equal(first.container, second.container)
    await_standby(3)
  end)

  for _, step in ipairs(ahead.names "standing") do
    test("leaves nothing where gantry up is killed at " .. step, function()
      place:policy("kv", "standby = true,")
      local dying = place:start_up("kv:" .. step)
      if step:find "^taken" then
        dying:await("stderr", "supervises")
        support.engine():kill(await_standby().container, "KILL")
      end
      assert.are.equal(9, dying:wait().signal, dying.stderr)
      place:check_names("kv", place:containers())
      place:up()
      await_standby()
      check_usable()
      assert.are.equal(0, place:run("down").code)
      assert.are.same({}, place:containers())
      assert.are.same({}, place:records())
    end)
  end
end)
