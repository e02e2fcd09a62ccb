-- SPDX-License-Identifier: Apache-2.0
--
-- process_spec.lua: gantry.core.process: what Lua sees of a child.
local core = require "gantry.core"

describe("a process", function()
  local loop

  before_each(function() loop = assert(core.loop.new()) end)
  after_each(function() loop:close() end)

  ---Starts a process whose output and end are kept in the second result.
  local function spawn(options)
    local seen = { "", "" }
    options.on_output = function(stream, bytes) seen[stream] = seen[stream] .. bytes end
    options.on_exit = function(how) seen.how = how end
    return assert(core.process.spawn(loop, options)), seen
  end

  local function wait(seen)
    while not seen.how do assert(loop:step(20)) end
    return seen
  end

  it("gives output, error and exit code", function()
    local _, seen = spawn { "sh", "-c", "echo out; echo err >&2; exit 3", output = "pipe", error = "pipe" }
    assert.is_nil(seen.how)
    assert.same({ "out\n", "err\n", how = { code = 3 } }, wait(seen))
  end)

  it("works although nobody holds it", function()
    local _, seen = spawn { "sh", "-c", "echo out", output = "pipe" }
    _ = nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    assert.equal("out\n", wait(seen)[1])
  end)

  it("takes input, and its end", function()
    local process, seen = spawn { "cat", input = "pipe", output = "pipe" }
    local text = string.rep("0123456789", 100000)
    assert.is_true(process:write(text) > 0)
    assert.is_true(process:write "end" > 0)
    process:close_input()
    wait(seen)
    assert.equal(text .. "end", seen[1])
    local written, err = process:write "more"
    assert.is_nil(written)
    assert.equal("PROCESS_INPUT_CLOSED", err.code)
  end)

  it("takes signals by number and by name", function()
    for signal, number in pairs { [9] = 9, TERM = 15 } do
      local process, seen = spawn { "sleep", "100" }
      assert.is_true(process:signal(signal))
      assert.same({ signal = number }, wait(seen).how)
      local sent, err = process:signal "TERM"
      assert.is_nil(sent)
      assert.equal("PROCESS_ENDED", err.code)
    end
  end)

  it("starts with the environment, directory and session asked for", function()
    local script = "echo $GREETING; pwd; set -- $(cat /proc/$$/stat); test $6 = $$"
    local _, seen = spawn {
      "sh", "-c", script,
      environment = { "GREETING=hello", "PATH=/usr/bin:/bin" }, directory = "/usr", new_session = true, output = "pipe",
    }
    assert.same({ "hello\n/usr\n", "", how = { code = 0 } }, wait(seen))
  end)

  it("fails where the command does not exist", function()
    local process, err = core.process.spawn(loop, { "gantry-no-such-command" })
    assert.is_nil(process)
    assert.equal("SPAWN_FAILED", err.code)
    assert.matches("gantry%-no%-such%-command", tostring(err))
  end)

  it("is killed when closed, and calls no more", function()
    local process, seen = spawn { "sleep", "100" }
    local folder = "/proc/" .. process:pid()
    assert.not_nil(io.open(folder .. "/stat"))
    process:close()
    process:close()
    assert.is_nil(io.open(folder .. "/stat"))
    assert.equal(0, loop:step(0))
    assert.is_nil(seen.how)
    for _, method in ipairs { "write", "close_input", "signal", "pid" } do
      assert.error_matches(function() process[method](process) end, "process closed")
    end
  end)

  it("may be closed in each of its callbacks", function()
    local process
    local outputs, exits = 0, 0
    process = assert(core.process.spawn(loop, {
      "sh", "-c", "echo out; exec sleep 100",
      output = "pipe",
      on_output = function()
        outputs = outputs + 1
        process:close()
      end,
    }))
    while outputs == 0 do assert(loop:step(20)) end
    process = assert(core.process.spawn(loop, {
      "true",
      on_exit = function()
        exits = exits + 1
        process:close()
      end,
    }))
    while exits == 0 do assert(loop:step(20)) end
  end)

  it("is let go of with its loop", function()
    local process = spawn { "sleep", "100" }
    local folder = "/proc/" .. process:pid()
    process = nil -- luacheck: ignore
    loop:close()
    collectgarbage()
    collectgarbage()
    assert.is_nil(io.open(folder .. "/stat"))
  end)

  it("raises the error of a callback", function()
    assert(core.process.spawn(loop, { "true", on_exit = function() error "no good" end }))
    assert.error_matches(function()
      while true do loop:step(20) end
    end, "no good")
  end)

  it("refuses wrong arguments", function()
    local function refused(options, pattern)
      assert.error_matches(function() core.process.spawn(loop, options) end, pattern)
    end
    refused({}, "needs a command")
    refused({ "sleep", 5 }, "argument 2 must be a string, got number")
    refused({ "echo", "a\0b" }, "argument 2 holds a NUL byte")
    refused({ "true", environment = "A=B" }, "environment must be a list")
    refused({ "true", environment = { true } }, "environment entry 1 must be a string, got boolean")
    refused({ "true", directory = 1 }, "directory must be a string, got number")
    refused({ "true", output = "file" }, 'output must be "null", "pipe" or "inherit", got "file"')
    refused({ "true", on_exit = true }, "on_exit must be a function, got boolean")
  end)
end)
