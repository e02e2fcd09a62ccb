-- SPDX-License-Identifier: Apache-2.0
--
--- Many plugins that die at the same instant, and once more: all come back, no faster than pacing and floors let them,
--- and the supervisor answers meanwhile.

local core_http = require "gantry.core.http"
local floors = require "gantry.restart.floors"
local json = require "gantry.json"
local support = require "engine.support"
local supervision = require "engine.supervision"
local task = require "gantry.task"

local COUNT <const>, WAVES <const> = 100, 2
-- Launches at a time, however strong the engine is.
local MOST_UNDER_WAY <const> = 16
-- Seconds: what events tell of time is cut to whole ones; for all to come back.
local RESOLUTION <const>, TIMEOUT <const> = 1, 180

-- What may follow what in the life of one plugin: one generation after the other.
local NEXT <const> = { start = "ready", ready = "exit", exit = "start" }

describe("gantry up, with 100 plugins that die at the same instant,", function()
  local place, http

  before_each(function() place = supervision.place() end)
  after_each(function()
    if http then http:close() end
    task.run(place.close, place)
  end)

  ---Events of `up` by kind.
  ---@return table<string, { plugin: string, time: integer }[]> told
  ---@return fun(field: string, bytes: string) on_output
  local function listener()
    local told, held, last = { start = {}, ready = {}, exit = {} }, "", {}
    local function take(event)
      if not told[event.kind] then return end
      table.insert(told[event.kind], event)
      local before = last[event.plugin]
      if event.kind ~= (before and NEXT[before] or "start") then
        told.wrong = ("%s: %s after %s"):format(event.plugin, event.kind, before)
      end
      last[event.plugin] = event.kind
    end
    return told, function(field, bytes)
      if field ~= "stderr" then return end
      held = held .. bytes
      for line in held:gmatch "([^\n]*)\n" do take(assert(json.decode(line), line)) end
      held = held:match "[^\n]*$"
    end
  end

  ---Waits until so many became ready; looks at each change in between.
  local function await_ready(up, told, count, look)
    local all = task.deadline(TIMEOUT, function()
      while #told.ready < count do
        up.changed:wait()
        if look then look() end
      end
      return true
    end)
    assert(all, ("%d of %d were ready within %d s"):format(#told.ready, count, TIMEOUT))
  end

  ---Every plugin is ready in this generation, and has one container once the dead ones are gone.
  ---@return string[] containers
  local function check_all(generation)
    local of_container, ids = {}, {}
    for i, one in ipairs(place:ask("ps").plugins) do
      assert.are.same({ "ready", generation, generation - 1 }, { one.state, one.generation, one.restarts }, one.name)
      of_container[one.container], ids[i] = true, one.container
    end
    assert.are.equal(COUNT, #ids)
    for _, container in ipairs(place:await_containers(COUNT)) do
      assert.is_true(of_container[container.id], container.name .. " is nobody's")
      of_container[container.id] = nil
    end
    assert.is_nil(next(of_container))
    return ids
  end

  ---@param path string
  ---@return string body
  local function get(path)
    http = http or assert(core_http.new(task.loop(), { url = "http://gantry",
      unix_socket = place.runtime_dir .. "/.control.sock" }))
    local response = assert(task.await(function(resume)
      local request = http:request { method = "GET", path = path, timeout = TIMEOUT,
        on_done = function(err, answer) resume(answer, err) end }
      return function() request:cancel() end
    end))
    assert.are.equal(200, response.status)
    return response.body
  end

  ---Asks, while launches are going on, how many.
  ---@param seen { answers: integer, under_way: integer }
  local function look_at(seen)
    local under_way = math.tointeger(tonumber(get("/v1/metrics"):match "\ngantry_launches_under_way (%d+)\n"))
    seen.under_way = math.max(seen.under_way, under_way)
    if under_way > 0 then seen.answers = seen.answers + 1 end
  end

  ---@param containers string[]
  local function kill_all(containers)
    local engine, jobs = support.engine(), {}
    for i, id in ipairs(containers) do jobs[i] = function() assert(engine:kill(id, "KILL")) end end
    task.all(table.unpack(jobs))
  end

  ---No window holds more starts than a floor allows, by the supervisor's own times: news of them may come in heaps.
  ---@param starts { time: integer }[]
  ---@param rate { max: integer, per: number }
  local function check_rate(starts, rate)
    for i = rate.max + 1, #starts do
      local seconds = starts[i].time - starts[i - rate.max].time
      assert.is_true(seconds >= rate.per - RESOLUTION, ("%d starts in %d s"):format(rate.max + 1, seconds))
    end
  end

  ---Kills all, and waits until all are back.
  local function storm(up, told, generation, containers)
    local seen = { answers = 0, under_way = 0 }
    local _, listed = task.all(function() kill_all(containers) end, function()
      await_ready(up, told, COUNT * (generation - 1) + 1)
      return place:ask("ps").plugins
    end, function()
      await_ready(up, told, COUNT * generation, function() look_at(seen) end)
    end)
    local ready = 0
    for _, one in ipairs(listed[1]) do
      if one.state == "ready" and one.generation == generation then ready = ready + 1 end
    end
    assert.are.equal(COUNT, #listed[1])
    assert.is_true(ready < COUNT, "ps answered when all was over")
    assert.is_true(seen.answers > 0)
    assert.is_true(seen.under_way >= 2 and seen.under_way <= MOST_UNDER_WAY, seen.under_way)
  end

  it("has all of them back, under the pacing and the floors", function()
    task.run(function()
      for i = 1, COUNT do
        place:policy(("p%03d"):format(i), "restart = function() return 'restart', { after = 0 } end,")
      end
      local told, on_output = listener()
      local up = place:up(nil, { "--log-format", "json" }, on_output)
      await_ready(up, told, COUNT)
      local containers = check_all(1)
      for generation = 2, WAVES + 1 do
        storm(up, told, generation, containers)
        containers = check_all(generation)
      end
      assert.is_nil(told.wrong)
      assert.are.same({ COUNT * (WAVES + 1), COUNT * WAVES }, { #told.start, #told.exit })
      check_rate(table.move(told.start, COUNT + 1, #told.start, 1, {}), floors.overall)
    end)
  end)
end)
