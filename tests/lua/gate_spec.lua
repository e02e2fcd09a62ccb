-- SPDX-License-Identifier: Apache-2.0
--
--- gate_spec.lua: gantry.core.gate, with a gate of the build. What the gate itself does is shown in C
--- (tests/core/test_gate.c).

local core = require "gantry.core"

local PROGRAM = assert(os.getenv "GANTRY"):gsub("[^/]*$", "") .. "libexec/gantry/gantry-gate"

describe("core.gate", function()
  local loop, directory, events, process, gate

  local function step_until(holds)
    local limit = core.loop.clock() + 20
    while not holds() and core.loop.clock() < limit do loop:step(0.01) end
    assert.is_truthy(holds())
  end

  local function wait_for(kind)
    step_until(function() return events[kind] end)
    return events[kind]
  end

  local function start(...)
    local options = {
      input = "pipe",
      output = "pipe",
      on_output = function(_, bytes) events.output = (events.output or "") .. bytes end,
      on_exit = function(how) events.ended = how end,
    }
    process = assert(core.process.spawn(loop, table.move({ PROGRAM, ... }, 1, select("#", ...) + 1, 1, options)))
  end

  local function connect()
    local failed
    step_until(function()
      gate, failed = core.gate.connect(loop, directory .. "/gate", {
        on_event = function(event) events[event.kind] = event end,
      })
      return gate
    end)
    return assert(gate, failed)
  end

  before_each(function()
    local pipe <close> = assert(io.popen("mktemp -d"))
    directory = pipe:read("l")
    loop, events, gate = core.loop.new(), {}, nil
  end)

  after_each(function()
    if gate then gate:close() end
    loop:close()
    os.execute("rm -rf " .. directory)
  end)

  it("asks over a socket", function()
    start("--socket", directory .. "/gate", "/bin/sh", "-c", "exit $CODE")
    assert.is_true(connect():ask { environment = { "CODE=9" } })
    local exit = wait_for "exit"
    assert.equal(9, exit.code)
    assert.is_number(events.started.pid)
    assert.equal(9, wait_for("ended").code)
    local _, err = gate:signal("TERM")
    assert.equal("GATE_GONE", err.code)
    _, err = gate:ask {}
    assert.equal("GATE_ASKED", err.code)
  end)

  it("says why there is no plugin", function()
    start("--socket", directory .. "/gate", "--serve", "/bin/true")
    assert.is_true(connect():ask { program = { "/no/such" } })
    local failed = wait_for "failed"
    assert.same({ "missing", 2, "No such file or directory" }, { failed.what, failed.code, failed.text })
  end)

  it("sends signals", function()
    start("--socket", directory .. "/gate", "sleep", "1000")
    assert.is_true(connect():ask {})
    wait_for "started"
    assert.is_true(gate:signal("INT"))
    assert.equal(2, wait_for("exit").signal)
  end)

  it("makes requests for a stream", function()
    start("/bin/sh", "-c", "echo $A $0")
    assert(process:write(assert(core.gate.request { environment = { "A=one" }, arguments = { "two" } })))
    assert.equal(0, wait_for("ended").code)
    assert.equal("one two\n", events.output)
  end)

  it("refuses what no kernel takes", function()
    local _, err = core.gate.request { arguments = { ("x"):rep(9 << 20) } }
    assert.equal("GATE_REQUEST_TOO_LONG", err.code)
    assert.has_error(function() core.gate.request { stdout = 1 } end)
    assert.has_error(function() core.gate.request { program = {} } end)
  end)

  it("says that nobody listens", function()
    local _, err = core.gate.connect(loop, directory .. "/gate", {})
    assert.equal("GATE_UNREACHABLE", err.code)
  end)
end)
