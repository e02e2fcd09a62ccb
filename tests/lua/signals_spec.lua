-- SPDX-License-Identifier: Apache-2.0
--
-- signals_spec.lua: gantry.core.signals: a signal is a callback, until the object is closed.
local core = require "gantry.core"

---The mask of blocked signals of this process, as text.
local function blocked()
  local file <close> = assert(io.open "/proc/self/status")
  return file:read "a":match "SigBlk:%s*(%x+)"
end

describe("signals", function()
  local loop

  before_each(function() loop = assert(core.loop.new()) end)
  after_each(function() loop:close() end)

  ---Has a child send a signal to this process, and runs the loop until `done`.
  local function send(name, done)
    local ended = false
    local function on_exit() ended = true end
    assert(core.process.spawn(loop, { "sh", "-c", "kill -" .. name .. " $PPID", on_exit = on_exit }))
    while not (ended and done()) do assert(loop:step(20)) end
  end

  it("come by their names, and the mask comes back", function()
    local before = blocked()
    local seen = {}
    local function note(name) seen[#seen + 1] = name end
    local signals <close> = assert(core.signals.open(loop, { "TERM", "USR1" }, note))
    assert.not_equal(before, blocked())
    collectgarbage()
    send("TERM", function() return #seen == 1 end)
    send("USR1", function() return #seen == 2 end)
    assert.same({ "TERM", "USR1" }, seen)
    signals:close()
    signals:close()
    assert.equal(before, blocked())
  end)

  it("are not held back in children", function()
    local how
    local signals <close> = assert(core.signals.open(loop, { "TERM" }, print))
    assert(core.process.spawn(loop, { "sh", "-c", "kill -TERM $$", on_exit = function(exit) how = exit end }))
    while not how do assert(loop:step(20)) end
    assert.same({ signal = 15 }, how)
    assert.not_nil(signals)
  end)

  it("may be closed in their callback", function()
    local seen = 0
    local signals
    signals = assert(core.signals.open(loop, { "USR1" }, function()
      seen = seen + 1
      signals:close()
    end))
    send("USR1", function() return seen == 1 end)
  end)

  it("fail where no process can take them", function()
    local signals, err = core.signals.open(loop, { "KILL" }, print)
    assert.is_nil(signals)
    assert.equal("SIGNALS_FAILED", err.code)
  end)

  it("tell which are ignored", function()
    assert.is_false(core.signals.ignored "WINCH")
    assert.error_matches(function() core.signals.ignored "SIGHUP" end, "no signal 'SIGHUP'")
  end)

  it("refuse wrong arguments", function()
    assert.error_matches(function() core.signals.open(loop, { "TREM" }, print) end, "no signal 'TREM'")
    assert.error_matches(function() core.signals.open(loop, { 15 }, print) end, "by their names")
    assert.error_matches(function() core.signals.open(loop, "TERM", print) end, "table expected")
    assert.error_matches(function() core.signals.open(loop, { "TERM" }) end, "function expected")
  end)
end)
