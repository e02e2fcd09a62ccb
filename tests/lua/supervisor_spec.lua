-- SPDX-License-Identifier: Apache-2.0
--
--- The supervisor's parts that need no engine: pacing of launches, order, the output ring, the store.

local core = require "gantry.core"
local json = require "gantry.json"
local journal = require "gantry.supervisor.journal"
local log_files = require "gantry.supervisor.log_files"
local order = require "gantry.supervisor.order"
local restore = require("gantry.supervisor.record").restore
local record_shape = require "gantry.supervisor.record_shape"
local restart_asker = require "gantry.restart.asker"
local decider = require "gantry.restart.decider"
local ring = require "gantry.supervisor.ring"
local store = require "gantry.supervisor.store"
local restart_text = require "gantry.restart.text"
local virtual_loop = require "lua.virtual_loop"

describe("pacing", function()
  local pacing, task, loop

  before_each(function()
    task, loop = virtual_loop.task()
    local kept = package.loaded["gantry.task"]
    package.loaded["gantry.task"], package.loaded["gantry.supervisor.pacing"] = task, nil
    pacing = require "gantry.supervisor.pacing"
    package.loaded["gantry.task"], package.loaded["gantry.supervisor.pacing"] = kept, nil
  end)

  ---Launches on an engine that has so many processors: beyond them, each start takes longer.
  ---@return integer most at the same time, number seconds
  local function launch_all(count, processors)
    local queue, running, most = pacing.new(function() return loop.now end), 0, 0
    task.run(function()
      local scope <close> = task.scope()
      for _ = 1, count do
        scope:spawn(function()
          local release = queue:acquire()
          running = running + 1
          most = math.max(most, running)
          local seconds = math.max(1, running / processors)
          task.sleep(seconds)
          queue:note()
          running = running - 1
          release()
        end)
      end
      scope:wait()
    end)
    return most, loop.now
  end

  it("gives spare turns while nothing else is launched, one at a time", function()
    task.run(function()
      local queue, begun = pacing.new(function() return loop.now end), {}
      local scope <close> = task.scope()
      local function go(name, acquire)
        scope:spawn(function()
          local release = queue[acquire](queue)
          begun[#begun + 1] = name
          task.sleep(1)
          release()
        end)
      end
      for i = 1, 5 do go("launch " .. i, "acquire") end
      go("spare 1", "acquire_spare")
      go("spare 2", "acquire_spare")
      local gives_up = scope:spawn(function() task.deadline(0.5, queue.acquire_spare, queue) end)
      gives_up:wait()
      task.sleep(1.7)
      go("launch 6", "acquire")
      scope:wait()
      assert.are.equal("launch 1, launch 2, launch 3, launch 4, launch 5, spare 1, launch 6, spare 2",
        table.concat(begun, ", "))
      assert.are.equal(0, queue.under_way)
    end)
  end)

  it("keeps few under way on a small engine, and more on a large one", function()
    local few = launch_all(60, 2)
    assert.is_true(few <= 6, few)
    local many, seconds = launch_all(200, 12)
    assert.is_true(many >= 8, many)
    assert.is_true(seconds < 60, seconds)
  end)

  it("serves in the order of asking, and forgets who stopped waiting", function()
    local queue, served = pacing.new(function() return loop.now end), {}
    task.run(function()
      local scope <close> = task.scope()
      local jobs = {}
      for i = 1, 8 do
        jobs[i] = scope:spawn(function()
          local release = queue:acquire()
          served[#served + 1] = i
          task.sleep(1)
          release()
          release()
        end)
      end
      task.sleep(0.5)
      jobs[5]:cancel()
      scope:wait()
    end)
    assert.are.same({ 1, 2, 3, 4, 6, 7, 8 }, served)
    assert.are.equal(0, queue.under_way)
    assert.are.equal(0, #queue.waiting)
  end)

  it("holds the rate of all automatic starts", function()
    local queue, floors = pacing.new(function() return loop.now end), require "gantry.restart.floors"
    task.run(function()
      for _ = 1, floors.overall.max * 3 do queue:acquire_automatic()() end
    end)
    assert.is_true(loop.now >= 2 * floors.overall.per, loop.now)
  end)

  it("holds it where starts have waited long for their turns", function()
    local queue, floors, starts = pacing.new(function() return loop.now end), require "gantry.restart.floors", {}
    task.run(function()
      local scope <close> = task.scope()
      for i = 1, floors.overall.max * 2 do
        scope:spawn(function()
          local release = queue:acquire_automatic()
          starts[#starts + 1] = loop.now
          -- The first ones take long, the others are gone at once.
          if i <= floors.overall.max then task.sleep(0.2) end
          release()
        end)
      end
      scope:wait()
    end)
    for i = floors.overall.max + 1, #starts do
      assert.is_true(starts[i] - starts[i - floors.overall.max] >= floors.overall.per - 1e-6)
    end
    assert.are.equal(0, queue.under_way)
  end)
end)

describe("order", function()
  it("finds circles and who is in them", function()
    assert.are.same({}, order.cycles { a = { "b" }, b = { "c", "nobody" }, c = {} })
    assert.are.same({ a = "a -> b -> a", b = "a -> b -> a" }, order.cycles { a = { "b" }, b = { "a" }, c = { "a" } })
    assert.are.same({ a = "a -> a" }, order.cycles { a = { "a" } })
  end)
end)

describe("the output ring", function()
  it("keeps the last lines within its bound, and hands on what comes", function()
    local output, seen = ring.new(), 0
    local stop = output:follow(function() seen = seen + 1 end)
    for i = 1, 5000 do output:add("stderr", { ("line %d"):format(i) }) end
    assert.are.equal(5000, seen)
    assert.is_true(output.bytes <= 40000)
    assert.are.equal("line 5000", output:last_lines(1)[1].line)
    stop()
    output:add("stdout", { "", "after" })
    assert.are.equal(5000, seen)
    local last = output:last_lines(2)
    assert.are.same({ "", "after" }, { last[1].line, last[2].line })
    assert.is_true(#output:last_lines(100000) < 400)
    output:add("stdout", { ("x"):rep(1000000) })
    assert.is_true(output.bytes <= 41000, output.bytes)
  end)
end)

describe("the journal", function()
  it("is bounded, and believes nothing of a file that is no entry", function()
    local kept = journal.new { { time = 1, kind = "exit", text = "x" }, { time = "no" }, 5, {} }
    assert.are.equal(1, #kept.entries)
    for i = 1, 500 do kept:add("state", tostring(i)) end
    assert.are.equal(100, #kept.entries)
    assert.are.equal("500", kept.entries[100].text)
  end)
end)

describe("the store", function()
  local folder

  before_each(function() folder = ("%s/gantry-test-%s"):format(os.getenv "TMPDIR" or "/tmp", core.system.random(4)) end)
  after_each(function() assert(os.execute("rm -rf " .. folder)) end)

  it("brings back what it was given, and is one's own", function()
    local one = assert(store.open(folder))
    local second, err = store.open(folder)
    assert.is_nil(second)
    assert.are.equal("SUPERVISOR_RUNNING", err.code)
    local state = decider.new_state()
    decider.started(state, 5)
    state.memory = { list = { 1, 2 }, nested = { a = true } }
    assert(one:save("kv", { restart = state, wanted = "down" }))
    local record = one:load "kv"
    assert.are.equal("down", record.wanted)
    assert.are.same(state.memory, record.restart.memory)
    assert.are.equal(1, record.restart.generation)
    assert.are.same({ "kv" }, one:names())
    assert.are.equal(tonumber("600", 8), core.system.stat(folder .. "/kv.json").mode)
    one:remove "kv"
    assert.is_nil(one:load "kv")
    one:close()
    assert(store.open(folder)):close()
  end)

  for name, content in pairs {
    ["cut off"] = '{"version":1,"name":"kv","restart":{"clo', ["of a later version"] = '{"version":2,"name":"kv"}',
    ["another plugin's"] = '{"version":1,"name":"other","restart":{}}', ["no record"] = "[1,2]", ["empty"] = "",
    ["without its numbers"] = '{"version":1,"name":"kv","restart":{"clock":"x"}}',
  } do
    it("sets a file aside that is " .. name, function()
      local one = assert(store.open(folder))
      assert(core.files.replace(folder .. "/kv.json", content))
      local record, note = one:load "kv"
      assert.is_nil(record)
      assert.is_truthy(note:find("set aside as " .. folder .. "/kv.json.bad-", 1, true), note)
      assert.are.same({}, one:names())
      one:close()
    end)
  end

  it("sets every file aside that cannot be used, and none over another", function()
    local one = assert(store.open(folder))
    for i = 1, 4 do
      assert(core.files.replace(folder .. "/kv.json", "no record " .. i))
      assert.is_nil(one:load "kv")
    end
    local aside = {}
    for _, entry in ipairs(assert(core.files.list(folder))) do
      local file <close> = entry:find "%.bad%-" and io.open(folder .. "/" .. entry) or nil
      if file then aside[#aside + 1] = file:read "a" end
    end
    table.sort(aside)
    assert.are.same({ "no record 1", "no record 2", "no record 3", "no record 4" }, aside)
    one:close()
  end)
end)

describe("a record", function()
  ---A record with a value in each of its fields, as a file holds it.
  local function whole()
    local state, rule = decider.new_state(), function() return "restart", { memory = "1GiB" } end
    for i = 1, 3 do
      decider.started(state, i, i > 1)
      decider.ready(state, i + 0.25)
      decider.decide(restart_asker.of_config { restart = rule, image = "x" }, state,
        { cause = "signal", code = 137, signal = "KILL" }, i + 0.5)
    end
    decider.started(state, 4, true)
    state.memory = { seen = 3 }
    return assert(json.decode(assert(json.encode { version = 1, name = "kv", boot = "this", saved = os.time(), due = 7,
      policy = "/p/kv.lua", wanted = "up", verdict = "failed", automatic = true, restart = state,
      live = { container = "c", root = "/run", ready = true, ready_ms = 1.5, image_id = "i", stopping = false },
      last_exit = { cause = "oom", code = 137, signal = "KILL", limit = 1 << 26, error = "e", uptime = 0.5,
        generation = 3, requested = false, time = 5 },
      decision = { action = "restart", reason = "r", place = "kv.lua:1", delay = 0.1, generation = 3 },
      restarts = { signal = 3 }, journal = { { time = 1, kind = "exit", text = "t" } } })))
  end

  ---Uses a record as a supervisor does.
  local function use(saved)
    local one = { supervisor = { store = { boot = "this" } } }
    restore(one, saved)
    local state = one.restart
    local generation = ("generation %d of %d"):format(state.generation, state.restarts)
    decider.tick(state, 100)
    if not state.live then decider.started(state, 100, true) end
    local rule = function(_, history)
      local last = history.last and history.last.cause .. history.last.ago
      return "restart", { after = history.backoff { reset_after = "1h" }, reason = last }
    end
    local decision = decider.decide(restart_asker.of_config { restart = rule, image = "x" }, state,
      { cause = "exit", code = 1 }, 101)
    one.counts:restarted "signal"
    local said = one.last_exit and restart_text.exit_short(one.last_exit)
    return generation .. restart_text.decision(decision) .. restart_text.changes(state.changes, {}) .. (said or "")
      .. (one.decision and one.decision.reason or "")
  end

  ---Calls a function for each place in a value: with the table, the key and the path.
  local function each_place(value, path, fn)
    local keys = {}
    for key in pairs(value) do keys[#keys + 1] = key end
    for _, key in ipairs(keys) do
      fn(value, key, path .. "." .. key)
      if type(value[key]) == "table" then each_place(value[key], path .. "." .. key, fn) end
    end
  end

  it("is set aside or can be used, whatever was put in the place of one of its values", function()
    assert.is_nil(record_shape.wrong(whole()))
    use(whole())
    local refused, used = 0, 0
    local function try(saved, place)
      if record_shape.wrong(saved) then
        refused = refused + 1
      else
        local ok, err = pcall(use, saved)
        assert(ok, ("%s: %s"):format(place, err))
        used = used + 1
      end
    end
    for _, junk in ipairs { true, "x", -1, 1.5, 1e300, {}, { 1 }, { a = 1 }, { { {} } }, json.null } do
      local places = {}
      each_place(whole(), "", function(_, _, path) places[#places + 1] = path end)
      for _, place in ipairs(places) do
        local saved = whole()
        each_place(saved, "", function(value, key, path)
          local gone = junk == json.null and type(key) == "string"
          if path == place then value[key] = not gone and junk or nil end
        end)
        try(saved, place .. " = " .. tostring(junk))
      end
    end
    assert.is_true(refused > 200 and used > 50, refused .. " refused, " .. used .. " used")
  end)

  it("has its delay go on by the clock of this boot, and over a boot by the hour, never backwards", function()
    local now = os.time()
    for _, case in ipairs {
      { boot = "this", saved = now + 3600, passed = 0 }, { boot = "this", saved = now - 3600, passed = 0 },
      { boot = "before", saved = now + 3600, passed = 0 }, { boot = "before", saved = now - 60, passed = 60 },
      { boot = "before", passed = 0 },
    } do
      local saved, one = whole(), { supervisor = { store = { boot = "this" } } }
      local before = saved.restart.clock
      saved.boot, saved.saved, saved.due = case.boot, case.saved, before + 7200
      restore(one, saved)
      local passed = one.restart.clock - before
      assert.is_true(passed >= case.passed and passed < case.passed + 30, passed)
      assert.are.equal(before + 7200, one.due)
      assert.are.equal(case.boot == "this", one.restart.seen ~= nil)
    end
    local saved, one = whole(), { supervisor = { store = { boot = "this" } } }
    saved.due = 1e300
    restore(one, saved)
    assert.is_true(one.due <= one.restart.clock + 30 * 86400)
  end)
end)

describe("log files", function()
  local folder

  before_each(function() folder = ("%s/gantry-test-%s"):format(os.getenv "TMPDIR" or "/tmp", core.system.random(4)) end)
  after_each(function() assert(os.execute("rm -rf " .. folder)) end)

  local function content(name)
    local file <close> = io.open(folder .. "/" .. name)
    return file and file:read "a"
  end

  it("hold whole lines with time and stream, and are rotated", function()
    local files = assert(log_files.open(folder .. "/logs", { longest = 200, kept = 2 }))
    files:add("kv", "stderr", { "one" })
    files:add("kv", "stdout", { "other", "" })
    files:add("kv", "stderr", { "two" })
    assert.matches("^%S+Z stderr one\n%S+Z stdout other\n%S+Z stdout \n%S+Z stderr two\n$", content "logs/kv.log")
    for i = 1, 30 do files:add("kv", "stderr", { ("line %d"):format(i) }) end
    files:close()
    assert.matches("line 30\n$", content "logs/kv.log")
    assert.is_truthy(content "logs/kv.log.1")
    assert.is_truthy(content "logs/kv.log.2")
    assert.is_nil(content "logs/kv.log.3")
    assert.is_true(#content "logs/kv.log.1" <= 200)
    files = assert(log_files.open(folder .. "/logs"))
    files:add("kv", "stderr", { "again" })
    files:close()
    assert.matches("line 30\n%S+ stderr again\n$", content "logs/kv.log")
  end)

  it("say once that they cannot be written", function()
    local told = {}
    local files = assert(log_files.open(folder, { on_failure = function(text) told[#told + 1] = text end }))
    assert(core.files.make_directory(folder .. "/kv.log"))
    for _ = 1, 3 do files:add("kv", "stdout", { "x" }) end
    assert.are.equal(1, #told)
    files:close()
    assert.are.equal("DIRECTORY_FAILED", select(2, log_files.open("/dev/null/x")).code)
  end)
end)
