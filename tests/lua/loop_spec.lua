-- SPDX-License-Identifier: Apache-2.0
--
-- loop_spec.lua: gantry.core.loop: timers, watches, and errors of their callbacks.
local core = require "gantry.core"
local lfs = require "lfs"

local function count_descriptors()
  local count = 0
  for _ in lfs.dir "/proc/self/fd" do count = count + 1 end
  return count
end

local function collect()
  collectgarbage()
  collectgarbage()
end

describe("a loop", function()
  local loop

  before_each(function() loop = assert(core.loop.new()) end)
  after_each(function() loop:close() end)

  local function run_until(done)
    while not done() do assert(loop:step(10)) end
  end

  it("fires timers in order of their deadlines, once each", function()
    local fired = {}
    local function note(name) return function() fired[#fired + 1] = name end end
    loop:timer(0.02, note "late")
    loop:timer(0.005, note "early")
    loop:timer(0, note "now")
    loop:timer(0.001, note "never"):cancel()
    run_until(function() return #fired == 3 end)
    assert.same({ "now", "early", "late" }, fired)
    assert.equal(0, loop:step(0))
  end)

  it("fires a timer that nobody holds", function()
    local fired = false
    loop:timer(0.001, function() fired = true end)
    collect()
    run_until(function() return fired end)
  end)

  it("lets go of a timer that has fired", function()
    local seen = setmetatable({}, { __mode = "k" })
    do
      local timer = loop:timer(0, function() end)
      seen[timer] = true
    end
    collect()
    assert.not_nil(next(seen))
    loop:step(0)
    collect()
    assert.is_nil(next(seen))
  end)

  it("fires a timer set in a callback at the next step", function()
    local fired = 0
    loop:timer(0, function()
      loop:timer(0, function() fired = fired + 1 end)
    end)
    assert.equal(1, loop:step(0))
    assert.equal(0, fired)
    assert.equal(1, loop:step(0))
    assert.equal(1, fired)
  end)

  it("can be cancelled within the timer's own callback", function()
    local timer
    timer = loop:timer(0, function() timer:cancel() end)
    assert.equal(1, loop:step(0))
    timer:cancel()
    assert.equal(0, loop:step(0))
  end)

  it("raises the error object of a callback as it is, after the batch", function()
    local problem = setmetatable({ code = "SOMETHING" }, core.error_metatable)
    local others = 0
    loop:timer(0, function() others = others + 1 end)
    loop:timer(0, function() error(problem) end)
    loop:timer(0, function() others = others + 1 end)
    local ok, raised = pcall(loop.step, loop, 0)
    assert.is_false(ok)
    assert.equal(problem, raised)
    assert.equal(2, others)
    assert.equal(0, loop:step(0))
  end)

  it("raises the first of several errors, with the place it came from", function()
    loop:timer(0, function() error "first" end)
    loop:timer(0, function() error "second" end)
    local ok, raised = pcall(loop.step, loop, 0)
    assert.is_false(ok)
    assert.matches("loop_spec.lua:%d+: first", raised)
    assert.matches("traceback", raised)
    assert.is_nil(raised:find("second", 1, true))
  end)

  it("takes a turn in each step, when all callbacks have run", function()
    local seen = {}
    loop:on_turn(function() seen[#seen + 1] = loop:is_stepping() and "turn" end)
    loop:timer(0, function() seen[#seen + 1] = "timer" end)
    assert.is_false(loop:is_stepping())
    loop:step(0)
    assert.same({ "timer", "turn" }, seen)
    local problem = {}
    loop:on_turn(function() error(problem) end)
    assert.equal(problem, select(2, pcall(loop.step, loop, 0)))
    loop:on_turn(function() loop:close() end)
    loop:step(0)
    assert.error_matches(function() loop:step(0) end, "loop closed")
  end)

  it("refuses a step inside a step", function()
    loop:timer(0, function() loop:step(0) end)
    assert.has_error(function() loop:step(0) end)
    assert.equal(0, loop:step(0))
  end)

  it("runs callbacks on the coroutine that steps", function()
    local seen
    loop:timer(0, function() seen = coroutine.running() end)
    local thread = coroutine.create(function() loop:step(0) end)
    assert(coroutine.resume(thread))
    assert.equal(thread, seen)
  end)

  it("refuses wrong arguments", function()
    assert.error_matches(function() loop:timer("soon", print) end, "number expected")
    assert.error_matches(function() loop:timer(0 / 0, print) end, "nan")
    assert.error_matches(function() loop:timer(1) end, "function expected")
    assert.error_matches(function() loop:step(-1) end, "0 or more")
    assert.error_matches(function() loop:watch(0, "x", print) end, "invalid option")
    assert.error_matches(function() loop:watch(-1, "r", print) end, "not a descriptor")
  end)

  it("waits as long as asked, and for ever with a timer that ends it", function()
    local start = core.loop.clock()
    assert.equal(0, loop:step(0.01))
    loop:timer(0.01, function() end)
    loop:timer(math.huge, print)
    assert.equal(1, loop:step())
    assert.is_true(core.loop.clock() - start >= 0.019)
  end)

  describe("watches", function()
    local other -- a loop whose descriptor is readable when its timer is due

    before_each(function() other = assert(core.loop.new()) end)
    after_each(function() other:close() end)

    it("call back while the descriptor is ready, until closed", function()
      local calls = {}
      local watch = loop:watch(other:fd(), "r", function(...) calls[#calls + 1] = { ... } end)
      assert.equal(0, loop:step(0))
      other:timer(0, function() end)
      run_until(function() return #calls == 1 end)
      assert.same({ true, false, false }, calls[1])
      watch:close()
      watch:close()
      assert.equal(0, loop:step(0))
    end)

    it("work although nobody holds them", function()
      local called = false
      loop:watch(other:fd(), "r", function() called = true end)
      collect()
      other:timer(0, function() end)
      run_until(function() return called end)
    end)

    it("can be closed in their own callback", function()
      local watch
      watch = loop:watch(other:fd(), "r", function() watch:close() end)
      other:timer(0, function() end)
      assert.equal(1, loop:step(5))
      assert.equal(0, loop:step(0))
    end)

    it("fail for what cannot be watched", function()
      local file <close> = assert(io.open "/proc/self/status")
      local watch, err = loop:watch(987654, "r", print)
      assert.is_nil(watch)
      assert.equal("WATCH_FAILED", err.code)
      assert.matches("987654", tostring(err))
      assert.is_number(err.os_error)
      assert.not_nil(file)
    end)
  end)

  describe("when closed", function()
    it("says so in every method, and closes again without a word", function()
      loop:close()
      loop:close()
      for _, method in ipairs { "fd", "step", "timer", "watch" } do
        assert.error_matches(function() loop[method](loop) end, "loop closed")
      end
    end)

    it("lets go of all that hung on it", function()
      local seen = setmetatable({}, { __mode = "k" })
      local function hang()
        local timer = loop:timer(60, function() return seen end)
        seen[timer] = true
        timer:cancel()
        seen[loop:timer(60, function() return loop end)] = true
      end
      hang()
      loop:close()
      collect()
      assert.is_nil(next(seen))
    end)

    it("may be closed in a callback, and calls no more", function()
      local calls = 0
      local function callback()
        calls = calls + 1
        loop:close()
      end
      loop:timer(0, callback)
      loop:timer(0, callback)
      loop:step(0)
      assert.equal(1, calls)
    end)

    it("leaves timers that are harmless", function()
      local timer = loop:timer(60, print)
      loop:close()
      timer:cancel()
    end)
  end)

  it("gives back its descriptors when closed or collected", function()
    local before = count_descriptors()
    do
      local scoped <close> = core.loop.new()
      assert.is_true(count_descriptors() > before)
      assert.not_nil(scoped)
    end
    assert.equal(before, count_descriptors())
    core.loop.new()
    collect()
    assert.equal(before, count_descriptors())
  end)
end)
