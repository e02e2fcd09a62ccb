-- SPDX-License-Identifier: Apache-2.0
--
--- A flood of plugin output arrives whole, with memory flat, also where the reader is slow.

local gantry = require "gantry"
local support = require "engine.support"
local task = require "gantry.task"

local FLOOD <const> = 256 * 1024 * 1024

---Peak resident memory of this process in KiB.
local function peak()
  return tonumber(support.read("/proc/self/status"):match("VmHWM:%s*(%d+)"))
end

describe("a flood of output", function()
  local runtime_dir = support.temporary()

  after_each(function() assert.are.same({}, support.containers(runtime_dir)) end)
  teardown(function() support.remove(runtime_dir) end)

  ---Reads the whole flood; `on_chunk` sees each chunk's size.
  local function flood(on_chunk)
    local total, whole = 0, task.event()
    local plugin <close> = assert(gantry.launch(support.kv("-flood-stderr", tostring(FLOOD)), {
      runtime_dir = runtime_dir,
      on_output = function(stream, bytes)
        if stream ~= "stderr" then return end
        total = total + #bytes
        if on_chunk then on_chunk(bytes) end
        if total >= FLOOD then whole:set() end
      end,
    }))
    assert(task.deadline(120, function() whole:wait() return true end), ("%d of %d bytes came"):format(total, FLOOD))
    return plugin, total
  end

  it("arrives whole with memory flat", function()
    local before = peak()
    local _, total = flood()
    assert.is_true(total >= FLOOD)
    assert.is_true(peak() - before < 48 * 1024, ("memory grew by %d KiB"):format(peak() - before))
  end)

  it("is held back at its source for a slow reader, and calls go on", function()
    local before, seen = peak(), 0
    local plugin = assert(gantry.launch(support.kv("-flood-stderr", tostring(FLOOD)), {
      runtime_dir = runtime_dir, on_output = function(_, bytes) seen = seen + #bytes end,
    }))
    plugin:pause_output()
    task.sleep(0.5)
    local held = seen
    for _ = 1, 20 do assert(plugin:call("proto.KV/Put", "\10\1k\18\1v")) end
    assert.are.equal(held, seen)
    assert.is_true(peak() - before < 48 * 1024)
    plugin:resume_output()
    plugin:stop()
  end)

  ---Launches a plugin whose output is paused when its first bytes come.
  ---@return gantry.Plugin plugin, { state: string, bytes: integer } seen the plugin's state at the first byte
  local function paused_from_the_first_byte(...)
    local seen = { bytes = 0 }
    return assert(gantry.launch(support.kv(...), {
      runtime_dir = runtime_dir,
      on_output = function(_, bytes, launching)
        seen.state, seen.bytes = seen.state or launching.state, seen.bytes + #bytes
        launching:pause_output()
      end,
    })), seen
  end

  it("is held back for a reader that pauses it from the first byte", function()
    local before = peak()
    local plugin <close>, seen = paused_from_the_first_byte("-flood-stderr", tostring(FLOOD))
    local held = seen.bytes
    assert(plugin:call("proto.KV/Put", "\10\1k\18\1v"))
    task.sleep(0.5)
    assert.is_true(seen.bytes - held < 4 * 1024 * 1024, ("%d bytes came in spite of it"):format(seen.bytes - held))
    assert.is_true(peak() - before < 48 * 1024)
  end)

  it("that is paused before the handshake keeps no handshake waiting", function()
    local plugin <close>, seen = paused_from_the_first_byte("-flood-before", "-flood-stderr", "1048576")
    assert.are.equal("launching", seen.state)
    assert(plugin:call("proto.KV/Put", "\10\1k\18\1v"))
    assert.is_true(seen.bytes >= 524288, ("%d bytes came"):format(seen.bytes))
  end)

  it("passes through the command, line by line, into a file", function()
    local policy = support.write(runtime_dir .. "/flood.lua",
      support.policy_text(("name = 'flood', args = { '-flood-stderr', '%d' }"):format(FLOOD // 8)))
    local log = runtime_dir .. "/log"
    task.run(function()
      local command = support.command({ "run", policy }, { runtime_dir = runtime_dir })
      command:await("stdout", "\n")
      ---Bytes of the plugin's.
      local function bytes_of(text)
        local bytes = 0
        for line in text:gmatch("([^\n]*)\n") do
          assert.are.equal("flood: ", line:sub(1, 7), line:sub(1, 300))
          bytes = bytes + #line - 6
        end
        return bytes
      end
      for _ = 1, 600 do
        if #command.stderr >= FLOOD // 8 and bytes_of(command.stderr) >= FLOOD // 8 then break end
        task.sleep(0.1)
      end
      command:kill("INT")
      assert.are.equal(0, command:wait().code)
      local bytes = bytes_of(command.stderr)
      assert.is_true(bytes >= FLOOD // 8, ("%d bytes"):format(bytes))
    end)
    os.remove(log)
    os.remove(policy)
  end)
end)
