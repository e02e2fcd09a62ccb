-- SPDX-License-Identifier: Apache-2.0
--
--- What of a plugin's output, of its journal and of what happened is shown: since when, how much, how grave, and what
--- fits an expression.

local json = require "gantry.json"
local support = require "engine.support"
local supervision = require "engine.supervision"
local task = require "gantry.task"

-- What the plugin prints, as hclog does and in plain text.
local PRINTED <const> = table.concat({
  '{"@level":"debug","@message":"look up","@module":"kv","key":"a"}',
  '{"@level":"warn","@message":"upstream timeout","@module":"kv","after":"2s"}',
  "plain text: timeout",
  "[WARN] plain warning",
  '{"@level":"error","@message":"upstream grün","@module":"kv"}',
}, "\n")

describe("what is shown of a plugin", function()
  local place

  before_each(function() place = supervision.place() end)
  after_each(function() task.run(function() place:close() end) end)

  local function test(name, fn)
    it(name, function() task.run(fn) end)
  end

  ---@param more string? arguments of the plugin, as Lua
  local function up(more)
    place:policy("kv", ("args = { '-print-stderr', %q %s}"):format(PRINTED, more or ""))
    place:up()
    place:await_state("kv", "ready")
    support.eventually("it has printed", function() return place:run("logs", "kv").stdout:find "grün" end)
  end

  ---@param ... string options
  ---@return string lines but for those that the plugin prints by itself
  local function logs(...)
    local result = place:run("logs", "kv", ...)
    assert.are.equal(0, result.code, result.stderr)
    local lines = {}
    for line in result.stdout:gmatch "[^\n]+" do
      if line:find "upstream" or line:find "plain" or line:find "look up" then
        lines[#lines + 1] = line:match "upstream [^%s:]+" or line:match "plain %a+" or "look up"
      end
    end
    return table.concat(lines, ", ")
  end

  test("is chosen by level, as go-plugin's hosts take the levels", function()
    up()
    local all = "look up, upstream timeout, plain text, plain warning, upstream grün"
    assert.are.equal(all, logs())
    assert.are.equal(all, logs("--level", "trace"))
    assert.are.equal(all, logs("--level", "debug"))
    assert.are.equal("upstream timeout, plain warning, upstream grün", logs("--level", "info"))
    assert.are.equal("upstream timeout, plain warning, upstream grün", logs("--level", "warn"))
    assert.are.equal("upstream grün", logs("--level", "error"))
  end)

  test("fits an extended regular expression, over what is shown of a line", function()
    up()
    assert.are.equal("upstream timeout, plain text", logs("--grep", "time(out|r)$|time(out|r): after=[[:digit:]]s"))
    assert.are.equal("upstream grün", logs("--grep", "^\\[ERROR\\] kv: upstream gr.n$"))
    assert.are.equal("upstream timeout", logs("--grep", "timeout", "--level", "warn"))
    assert.are.equal("", logs("--grep", "@level"))
    local entry = assert(json.decode(place:run("logs", "--json", "--grep", "gr.n", "kv").stdout))
    assert.are.same({ "upstream grün", "error" }, { entry.message, entry.level })
  end)

  test("is as much as is asked for, of what fits", function()
    up()
    assert.are.equal("plain warning, upstream grün", logs("--tail", "2", "--grep", "grün|plain"))
    assert.are.equal("upstream timeout", logs("-n", "1", "--grep", "upstream t"))
    assert.are.equal("", logs("--tail", "0", "--grep", "upstream"))
    assert.are.equal("", logs("-n", "0"))
    assert.matches("look up.*grün", logs("--tail", "all"))
  end)

  test("is chosen while it is followed, and what was there comes at once", function()
    up ", '-print-every', '300ms'"
    local follower = support.command({ "logs", "-f", "--level", "error", "--tail", "1", "kv" }, place:options())
    follower:await("stdout", "grün\n.*grün\n.*grün\n")
    follower:kill "TERM"
    follower:wait()
    for line in follower.stdout:gmatch "[^\n]+" do assert.matches("^%[ERROR%] kv: upstream grün$", line) end
  end)

  test("is there before the next line comes", function()
    up()
    local follower = support.command({ "logs", "-f", "--grep", "upstream", "--tail", "1", "kv" }, place:options())
    follower:await("stdout", "grün\n")
    follower:kill "TERM"
    follower:wait()
    assert.not_matches("timeout", follower.stdout)
  end)

  test("is a panic to its end, at the level of errors", function()
    place:policy("kv", "args = { '-print-stderr', 'before\\npanic: boom\\n\\ngoroutine 1 [running]:' }")
    place:up()
    place:await_state("kv", "ready")
    support.eventually("it has printed", function() return place:run("logs", "kv").stdout:find "goroutine" end)
    local shown = place:run("logs", "--level", "error", "kv").stdout
    assert.matches("^panic: boom\n\ngoroutine 1 %[running%]:\n", shown)
  end)

  ---@param pid integer
  ---@return integer ticks of CPU time that it has used
  local function ticks(pid)
    local file <close> = assert(io.open(("/proc/%d/stat"):format(pid)))
    local user = file:read "a":match "^.*%) %S+ %S+ %S+ %S+ %S+ %S+ %S+ %S+ %S+ %S+ %S+ (%d+)"
    return assert(math.tointeger(user))
  end

  test("costs only who asked, where an expression takes without end, and ends with a signal", function()
    place:policy("kv", "args = { '-print-stderr', ('a'):rep(8000), '-print-every', '100ms' }")
    place:up()
    place:await_state("kv", "ready")
    local follower = support.command({ "logs", "-f", "--grep", "(a{1,255}){1,255}b", "kv" }, place:options())
    support.eventually("it is at it", function() return ticks(follower.process:pid()) > 50 end)
    local other = support.command({ "logs", "-f", "kv" }, place:options())
    other:await("stdout", "aaa\n.*aaa\n")
    assert.are.equal("ready", place:plugin("kv").state)
    place:run("restart", "kv")
    place:await_state("kv", "ready")
    other:kill "TERM"
    other:wait()
    assert.is_nil(follower.exit)
    follower:kill "INT"
    assert.are.equal(2, follower:wait().signal)
  end)

  ---@param seconds integer since 1970
  local function rfc3339(seconds) return os.date("!%Y-%m-%dT%H:%M:%SZ", seconds) end

  test("is what came since a time", function()
    up()
    local first = assert(json.decode(place:run("logs", "--json", "kv").stdout:match "^[^\n]+"))
    assert.are_not.equal("", logs("--since", "1h"))
    assert.are_not.equal("", logs("--since", rfc3339(first.time)))
    support.eventually("the clock goes on", function() return os.time() > first.time + 5 end)
    assert.are.equal("", logs("--since", rfc3339(os.time())))
    assert.are.equal("", logs("--since", "1ms"))

    local started = place:run("why", "kv").stdout
    assert.matches(" ready ", started)
    assert.are.equal(started, place:run("why", "--since", "1h", "kv").stdout)
    assert.are.same({}, place:ask("why", "--since", "1ms", "kv").entries)
    place:run("restart", "kv")
    assert.matches(" ready ", place:run("why", "--since", "5m", "kv").stdout)
  end)

  test("is what happened to all of them, in the order in which it did, and goes on", function()
    place:policy "kv"
    place:policy("app", "after = { 'kv' }")
    place:up()
    place:await_state("app", "ready")
    local follower = support.command({ "events", "--json", "--since", "1h" }, place:options())
    follower:await("stdout", '"plugin":"app"[^\n]*\n')
    place:run("stop", "app")
    follower:await("stdout", '"kind":"exit"')
    follower:kill "TERM"
    follower:wait()
    local seen = {}
    for line in follower.stdout:gmatch "[^\n]+" do
      local event = assert(json.decode(line))
      if event.plugin then seen[#seen + 1] = event.plugin .. " " .. event.kind end
    end
    local order = table.concat(seen, ", ")
    assert.matches("kv ready.*app start.*app ready.*app exit", order)
    assert.not_matches("app start.*kv ready", order)
  end)
end)
