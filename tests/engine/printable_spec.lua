-- SPDX-License-Identifier: Apache-2.0
--
--- A plugin that prints escape sequences: a person's terminal shows them, and does not act on them; a pipe gets them.

local supervision = require "engine.supervision"
local support = require "engine.support"
local task = require "gantry.task"
local terminal = require "engine.terminal"

-- Clears the screen, first as ESC [, then as the one character U+009B; and writes a title.
local HOSTILE <const> = [[before\27[2J\u{9b}2J\27]0;title\7after]]
local SENT <const> = "before\27[2J\u{9b}2J\27]0;title\7after"
local SHOWN <const> = [[before\x1b[2J\xc2\x9b2J\x1b]0;title\x07after]]

local function printing(flag, more)
  return ("args = { '%s', '%s'%s }"):format(flag, HOSTILE, more or "")
end

describe("escape sequences of a plugin's", function()
  local root, runtime_dir, screen

  before_each(function()
    root = support.temporary()
    runtime_dir = root .. "/run"
    assert(os.execute("mkdir -m 700 " .. runtime_dir))
  end)

  after_each(function()
    if screen then screen:close() end
    screen = nil
    task.deadline(60, function()
      while #support.containers(root) > 0 or #support.entries(runtime_dir) > 0 do task.sleep(0.05) end
    end)
    assert.are.same({}, support.containers(root))
    assert.are.same({}, support.entries(runtime_dir))
    support.remove(root)
  end)

  ---@param lines string of the policy
  ---@param command string the verb and its options
  local function open(lines, command)
    local path = support.write(root .. "/kv.lua", support.policy_text(lines))
    screen = terminal.open(("%s %s %s"):format(support.executable, command, path), { GANTRY_RUNTIME_DIR = runtime_dir,
      NO_COLOR = "1", XDG_STATE_HOME = root .. "/state", HOME = root })
  end

  it("are shown by gantry run, whichever way they come", function()
    open(printing("-print-stderr", (", '-print-stdout', 'over stdout: %s'"):format(HOSTILE)), "run")
    screen:shows("kv: " .. SHOWN)
    local shown = screen:shows("kv: over stdout: " .. SHOWN)
    assert.is_truthy(shown:find("kv: image ", 1, true), shown)
    screen:press "C-c"
    screen:shows("exit code 0", true)
  end)

  it("are shown in what is told of a failed launch", function()
    open(printing("-say", ", '-exit-now', '3'"), "run")
    local shown = screen:shows("exit code 4", true)
    assert.is_truthy(shown:find("stderr: " .. SHOWN, 1, true), shown)
    assert.is_truthy(shown:find("kv: image ", 1, true), shown)
  end)

  it("are shown above the line of gantry repl, and in what is printed there", function()
    open(printing "-print-stdout", "repl")
    screen:shows("kv: " .. SHOWN)
    screen:shows("kv = plugin kv  ready")
    screen:enter(('print("%s")'):format([[\27[2J]]))
    screen:shows("\n\\x1b[2J\n>", true)
    screen:press "C-d"
    screen:shows("exit code 0", true)
  end)

  it("go to a pipe as they are", function()
    local failing = support.write(root .. "/failing.lua", support.policy_text(printing("-say", ", '-exit-now', '3'")))
    local failed = support.run({ "run", failing }, { runtime_dir = runtime_dir })
    assert.are.equal(4, failed.code)
    assert.is_truthy(failed.stderr:find("stderr: " .. SENT .. "\n", 1, true), failed.stderr)
  end)
end)

describe("escape sequences of a supervised plugin's", function()
  local place

  before_each(function() place = supervision.place() end)
  after_each(function() task.run(place.close, place) end)

  it("are shown by gantry logs at a terminal, and go through a pipe as they are", function()
    task.run(function()
      place:policy("kv", printing "-print-stderr")
      local up = place:up()
      place:await_state("kv", "ready")
      up:await("stderr", "after\n")
      assert.is_truthy(up.stderr:find("kv: " .. SENT .. "\n", 1, true), up.stderr)
      assert.is_truthy(place:run("logs", "kv").stdout:find(SENT .. "\n", 1, true))
      local screen = terminal.open(support.executable .. " logs kv", { GANTRY_RUNTIME_DIR = place.runtime_dir })
      local _ <close> = setmetatable({}, { __close = function() screen:close() end })
      local shown = screen:shows("exit code 0", true)
      assert.is_truthy(shown:find("Z " .. SHOWN .. "\n", 1, true), shown)
    end)
  end)
end)
