-- SPDX-License-Identifier: Apache-2.0
--
--- What people see of plugins' output: the time and colors on a terminal, neither in a pipe, and a line between
--- generations.

local supervision = require "engine.supervision"
local support = require "engine.support"
local task = require "gantry.task"
local terminal = require "engine.terminal"

local TIME <const> = "%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%dZ"
local BOOM <const> = [[{"@level":"error","@message":"boom","@module":"kv"}]]
local RED <const>, CYAN <const>, GREEN <const> = "\27%[31m", "\27%[36m", "\27%[32m"

describe("the output of supervised plugins", function()
  local place, screen

  before_each(function() place = supervision.place() end)
  after_each(function()
    if screen then screen:close() end
    screen = nil
    task.run(place.close, place)
  end)

  local function environment(more)
    local found = { GANTRY_RUNTIME_DIR = place.runtime_dir, GANTRY_STATE_DIR = place.root .. "/state" }
    for name, value in pairs(more or {}) do found[name] = value end
    return found
  end

  ---@param arguments string
  ---@param more table<string, string>?
  local function open(arguments, more)
    screen = terminal.open(("%s %s"):format(support.executable, arguments), environment(more))
    return screen
  end

  ---@param arguments string of `gantry up`
  ---@param more table<string, string>?
  ---@return string screen with its escape sequences
  local function up_shows(arguments, more)
    place:policy("one", ("args = { '-print-stderr', '%s' }"):format(BOOM))
    place:policy("two", "after = { 'one' }, args = { '-print-stderr', 'fine' }")
    open(("up %s %s"):format(place.policies, arguments), more)
    screen:shows "one: [ERROR] kv: boom"
    screen:shows "two: fine"
    local seen = screen:screen(true)
    screen:press "C-c"
    screen:shows("exit code 0", true)
    return seen
  end

  it("has the time, and a color for each plugin and for errors, on a terminal", function()
    local seen = up_shows ""
    assert.matches(TIME .. "[\27%[%dm]+ " .. CYAN .. "one", seen)
    assert.matches(GREEN .. "two", seen)
    assert.matches(RED .. "%[ERROR%] kv: boom", seen)
  end)

  it("has neither where --no-timestamps and NO_COLOR say so", function()
    local seen = up_shows("--no-timestamps", { NO_COLOR = "1" })
    assert.not_matches("\27", seen)
    assert.not_matches(TIME, seen)
    assert.matches("\none: %[ERROR%] kv: boom", seen)
  end)

  it("has no color on a dumb terminal", function()
    assert.not_matches("\27", up_shows("", { TERM = "dumb" }))
  end)

  it("has neither in a pipe, and the time where --timestamps asks for it", function()
    task.run(function()
      place:policy("kv", "args = { '-print-stderr', 'hello' }")
      local up = place:up(nil, { "--timestamps" })
      up:await("stderr", "kv: hello\n")
      assert.matches("\n" .. TIME .. " kv: hello\n", up.stderr)
      assert.not_matches("\27", up.stderr)
      place:await_state("kv", "ready")
      assert.matches("\nhello\n", "\n" .. place:run("logs", "kv").stdout)
      assert.matches("\n" .. TIME .. " hello\n", "\n" .. place:run("logs", "--timestamps", "kv").stdout)
      assert.matches("\nhello\n", "\n" .. place:run("logs", "--timestamps", "--no-timestamps", "kv").stdout)
    end)
  end)

  it("has a line between generations in logs, and a number in JSON", function()
    task.run(function()
      place:policy("kv", "args = { '-print-stderr', 'hello' }")
      place:up()
      place:await_state("kv", "ready")
      assert.not_matches("generation", place:run("logs", "kv").stdout)
      assert.are.equal(0, place:run("restart", "kv").code)
      support.eventually("both have spoken", function()
        return select(2, place:run("logs", "kv").stdout:gsub("hello\n", "")) == 2
      end)
      local first, second = place:run("logs", "kv").stdout:match "^(.*)%-%- generation 2 %-%-\n(.*)$"
      assert.matches("hello\n", first) -- where, two pipes do not tell
      assert.matches("hello\n", second)
      assert.not_matches("%-%-", first .. second)
      local as_json = place:run("logs", "--json", "kv").stdout
      assert.matches('"generation":1.*"generation":2', as_json:gsub("\n", " "))
      open("logs kv")
      screen:shows("exit code 0", true)
      assert.matches(TIME .. " .*\n%-%- generation 2 %-%-\n" .. TIME, screen:screen())
    end)
  end)

  it("begins an error of the command's in red on a terminal, and plainly in a pipe", function()
    open("ps")
    screen:shows("exit code 7", true)
    assert.matches(RED .. "gantry:\27%[%d*m no gantry up is running", screen:screen(true))
    task.run(function() assert.matches("^gantry: no gantry up is running", place:run("ps").stderr) end)
  end)
end)
