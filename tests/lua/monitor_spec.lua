-- SPDX-License-Identifier: Apache-2.0
--
--- monitor_spec.lua: gantry.core.monitor, over a runtime of a line of shell. What the monitor itself does is shown in C
--- (tests/core/test_monitor*.c).

local core = require "gantry.core"

describe("core.monitor", function()
  local loop, directory, output, events, monitor

  ---@param script string the runtime, which gets the directory as $1
  local function options(script, more)
    local all = {
      directory = directory,
      run = { "/bin/sh", "-c", script, "runtime", directory },
      delete = { "/bin/true" },
      on_output = function(stream, bytes) output[stream] = output[stream] .. bytes end,
      on_event = function(event)
        events[event.kind] = event
        if event.kind == "pipes" then assert(monitor:start()) end
      end,
    }
    for name, value in pairs(more or {}) do all[name] = value end
    return all
  end

  local function spawn(...)
    monitor = assert(core.monitor.spawn(loop, options(...)))
  end

  local function wait_for(kind)
    local limit = core.loop.clock() + 20
    while not events[kind] and core.loop.clock() < limit do loop:step(0.01) end
    return assert(events[kind], "no event: " .. kind)
  end

  local function wait_until_gone()
    local limit = core.loop.clock() + 20
    while core.monitor.is_alive(directory) and core.loop.clock() < limit do loop:step(0.01) end
    assert.is_false(core.monitor.is_alive(directory))
  end

  before_each(function()
    local pipe <close> = assert(io.popen("mktemp -d"))
    directory = pipe:read("l")
    loop, output, events = core.loop.new(), { "", "" }, {}
  end)

  after_each(function()
    monitor:close()
    loop:close()
    os.execute("rm -rf " .. directory)
  end)

  local WAIT = "while kill -0 $$ 2>/dev/null; do sleep 0.01; done; "

  it("gives output, code and times", function()
    spawn("(" .. WAIT .. "echo one; echo two >&2; exit 5) </dev/null & echo $! >$1/pid")
    local exit = wait_for "exit"
    assert.same({ "one\n", "two\n" }, output)
    assert.equal(5, exit.code)
    assert.is_nil(exit.signal)
    assert.is_true(math.abs(exit.wall_ns / 1e9 - os.time()) < 30)
    assert.equal(events.created.pid, monitor:pid())
    monitor:done()
    wait_until_gone()
  end)

  it("says why a runtime failed", function()
    spawn("echo because >$1/runtime.log; exit 3")
    local failed = wait_for "failed"
    assert.same({ "exited", 3, "because\n" }, { failed.reason, failed.code, failed.text })
    monitor:done()
  end)

  it("adopts, inspects and signals", function()
    spawn("(echo one; exec sleep 1000) </dev/null & echo $! >$1/pid")
    local pid = wait_for("created").pid
    monitor:close()
    monitor = assert(core.monitor.inspect(loop, directory, options("")))
    assert.same({ kind = "state", stage = "running", pid = pid, is_owned = false }, wait_for "state")
    monitor:close()
    monitor = assert(core.monitor.connect(loop, directory, options("")))
    assert.same({ kind = "running", pid = pid, lost = { 0, 0 } }, wait_for "running")
    local out, err, process = monitor:descriptors()
    assert.is_true(out ~= nil and err ~= nil and process ~= nil)
    assert(monitor:pause())
    assert(monitor:resume())
    local limit = core.loop.clock() + 20
    while output[1] == "" and core.loop.clock() < limit do loop:step(0.01) end
    assert(monitor:signal("TERM"))
    assert.equal(15, wait_for("exit").signal)
    assert.equal("one\n", output[1])
    monitor:done()
    wait_until_gone()
    local _, gone = core.monitor.connect(loop, directory, options(""))
    assert.equal("MONITOR_GONE", gone.code)
  end)

  it("starts helpers", function()
    spawn("(exec sleep 1000) </dev/null & echo $! >$1/pid")
    wait_for "created"
    assert(monitor:helper({ "/nonexistent/helper" }))
    assert.equal(2, wait_for("helper_failed").code)
    assert(monitor:helper({ "/bin/sleep", "1000" }))
    assert.is_true(wait_for("helper").pid > 0)
    assert(monitor:signal(9))
    wait_for "exit"
    monitor:done()
    wait_until_gone()
  end)

  it("ends with its owner where that is asked", function()
    spawn("(exec sleep 1000) </dev/null & echo $! >$1/pid", { die_with_owner_ms = 1000 })
    wait_for "created"
    monitor:close()
    local limit = core.loop.clock() + 20
    while core.system.real_path(directory) and core.loop.clock() < limit do loop:step(0.01) end
    assert.is_nil((core.system.real_path(directory)))
  end)

  it("names what is wrong with its options", function()
    spawn("exit 1")
    wait_for "failed"
    for field, value in pairs { directory = "relative", run = {}, delete = { "relative" }, die_with_owner_ms = -1,
      deadline_ms = 0, input = -1, on_event = 1 } do
      local ok, message = pcall(core.monitor.spawn, loop, options("", { [field] = value }))
      assert.is_false(ok)
      assert.matches(field, message, 1, true)
    end
    local _, err = core.monitor.connect(loop, "/nonexistent", {})
    assert.equal("MONITOR_UNREACHABLE", err.code)
    assert.has_error(function() monitor:signal(1000) end)
    assert.has_error(function() monitor:helper({}) end)
  end)

  it("is found where gantry is", function()
    assert.matches("/gantry%-monitor$", (assert(core.system.own_program "gantry-monitor")))
  end)
end)
