-- SPDX-License-Identifier: Apache-2.0
--
--- `gantry test`: what test files may do, what is said of failures, and what of those that loop, leave or assert
--- nothing.

local core = require "gantry.core"
local json = require "gantry.json"
local lines = require "gantry.testing.lines"
local test_report = require "gantry.text.test_report"
local testing = require "gantry.testing"

local executable = os.getenv "GANTRY"

describe("gantry test", function()
  local folder

  local function write(name, text)
    local path = folder .. "/" .. name
    local file <close> = assert(io.open(path, "w"))
    file:write(text)
    return path
  end

  ---Runs one test file with this text, after `local t = require "gantry.test"`.
  local function run(text, options)
    local path = write("a_test.lua", 'local t = require "gantry.test"\n' .. text)
    return testing.run(assert(testing.find { path }), options)
  end

  ---The messages of failures, with their lines.
  local function failures(found)
    local list = {}
    for _, file in ipairs(found.files) do
      for _, test in ipairs(file.results) do
        for _, one in ipairs(test.failures) do
          list[#list + 1] = ("%s:%s: %s"):format(one.file:match "[^/]*$", one.line or "-", one.message)
        end
      end
    end
    return list
  end

  before_each(function()
    folder = ("%s/gantry-test-%s"):format(os.getenv "TMPDIR" or "/tmp", core.system.random(4))
    assert(core.files.make_directory(folder))
    write("jwt.lua", [[
return function(ctx)
  if ctx.env.STAGE ~= "prod" then error("only for prod", 0) end
  return { image = "jwt", memory = "64MiB", runtime = ctx.engine.runtimes.runsc and "runsc" or nil,
    restart = function(exit, history)
      if exit.cause == "oom" then
        return "restart", { memory = history.config.memory * 2 }
      end
      return "stop"
    end }
end
]])
  end)
  after_each(function() assert(os.execute("rm -rf " .. folder)) end)

  it("loads policies with a made-up ctx, and looks at config, request, refusals and ends", function()
    local found = run [[
t.test("all", function()
  local ctx = { engine = { runtimes = { "runsc" } }, env = { STAGE = "prod" } }
  local jwt = t.load("jwt.lua", ctx)
  t.equal(jwt.config.memory, 64 << 20)
  t.has(jwt.request.HostConfig, { Runtime = "runsc", Memory = 64 << 20 })
  local err = t.refuses("jwt.lua", nil, "only for prod")
  t.matches(err.message, "jwt.lua")
  local steps = jwt:ends { "oom", "oom", { signal = "SEGV", uptime = "1m" } }
  t.equal({ steps[1].memory >> 20, steps[2].memory >> 20, steps[3].decision.action }, { 64, 128, "stop" })
  t.equal(steps[3].exit.signal, "SEGV")
  t.ok(steps[3].at > 60)
end)]]
    assert.are.same({}, failures(found))
    assert.are.same({ 1, 7, 0 }, { found.tests, found.checks, found.failed })
  end)

  it("has an engine without a daemon, where ctx says so: its requests, and what it refuses", function()
    write("user.lua", "return { image = 'kv', cookie = { 'A', 'b' }, networks = { 'user' } }")
    write("named.lua", "return { image = 'kv', cookie = { 'A', 'b' }, runtime = 'runsc' }")
    local found = run [[
t.test("oci", function()
  local oci = { kind = "oci", runtimes = { "crun", "runc" }, default_runtime = "crun", rootless = true }
  local request = t.load("user.lua", { engine = oci }).request
  t.has(request, { ociVersion = "1.0.2", process = { args = { "/dev/gantry-init", "--", "/plugin" } } })
  local ok, err = pcall(function() return t.load("named.lua", { engine = oci }).request end)
  t.ok(not ok)
  t.matches(tostring(err), "apt install runsc")
end)]]
    assert.are.same({}, failures(found))
  end)

  it("shows expected and found by the field's path, with file and line", function()
    local found = run [[
t.test("differs", function()
  local jwt = t.load("jwt.lua", { env = { STAGE = "prod" } })
  t.has(jwt.request, { HostConfig = { Memory = 5, PidsLimit = 1 }, Image = "jwt:latest" })
end)
t.test("goes on", function() t.equal({ a = { 1, 2 } }, { a = { 1, 3 } }, "list") end)]]
    assert.are.same({
      "a_test.lua:4: HostConfig.Memory: expected 5, found 67108864",
      "a_test.lua:4: HostConfig.PidsLimit: expected 1, found 2048",
      "a_test.lua:6: list: a[2]: expected 3, found 2",
    }, failures(found))
    assert.are.equal(2, found.failed)
  end)

  for name, one in pairs {
    ["loops"] = { "while true do end", "it ran for more than 1 s and was ended" },
    ["loops in a pcall"] = { "while true do pcall(function() while true do end end) end", "more than 1 s" },
    ["errors"] = { "error 'no way'", "a_test.lua:2: no way" },
    ["raises no text"] = { "error({})", "table" },
    ["is no Lua"] = { "return return", "a_test.lua:2: unexpected symbol" },
    ["leaves"] = { "os.exit(0)", "a_test.lua:2: os.exit: a test does not end the process" },
    ["asserts nothing"] = { "t.test('empty', function() end)", "a_test.lua:2: 0 checks: it asserts nothing" },
    ["has nothing"] = { "", "a_test.lua:%-: 0 checks: it asserts nothing" },
    ["takes all memory"] = { "local a = {} for i = 1, 1e9 do a[i] = ('x'):rep(1e6) .. i end", "." },
    ["hides a failure"] = { "t.test('x', function() pcall(t.equal, 1, 2) end)", "expected 2, found 1" },
    ["misspells an option"] = { "t.load('jwt.lua', nil, { sit = 'site.lua' })",
      "a_test.lua:2: no option 'sit'; there are site and text" },
    ["loads what is no path"] = { "t.load(5)", "a_test.lua:2: a policy is a file's path, got 5" },
    ["makes up a verb"] = { "t.load('jwt.lua', { verb = 'exce' })", "verb must be .*; did you mean 'exec'" },
    ["names no policy"] = { "t.load 'none.lua'", "a_test.lua:2: .*none.lua: no such file" },
    ["makes up what is not in ctx"] = { "t.load('jwt.lua', { engin = {} })", "engin.*engine" },
    ["reaches for what tests have not"] = { "require 'gantry.core'", "no module 'gantry.core'" },
  } do
    it("tells of a file that " .. name, function()
      local found = run(one[1], { seconds = 1 })
      assert.is_true(found.failed > 0)
      assert.matches(one[2], failures(found)[1])
    end)
  end

  it("runs the next file after one that was ended", function()
    write("loop_test.lua", "while true do end")
    write("z_test.lua", 'require("gantry.test").equal(1, 1)')
    local found = testing.run(assert(testing.find { folder }), { seconds = 0.5 })
    assert.are.same({ 2, 1, 1 }, { found.tests, found.failed, found.checks })
  end)

  it("runs what a filter names", function()
    local found = run([[
t.test("one of a", function() t.ok(true) end)
t.test("one of b", function() t.ok(false) end)]], { filter = "of a" })
    assert.are.same({ 1, 0 }, { found.tests, found.failed })
  end)

  it("says which lines no test ran", function()
    local found = run([[t.load("jwt.lua", { env = { STAGE = "prod" } }):ends { 1 } t.ok(true)]], { coverage = true })
    assert.are.same({}, failures(found))
    local of_policy = found.coverage[folder .. "/jwt.lua"]
    assert.are.same({ 6 }, of_policy.missed)
    assert.is_true(#of_policy.lines > 5)
  end)

  it("knows a file's lines as the compiler does", function()
    local function list(text)
      local numbers = {}
      for line in pairs(lines.of(text)) do numbers[#numbers + 1] = line end
      table.sort(numbers)
      return numbers
    end
    assert.are.same({ 1, 3 }, list "local a = 1\n\nreturn a")
    assert.are.same({ 4, 5, 7 }, list "#!x\nlocal function f()\n\n  f()\nend\n\nreturn f(\n)")
    assert.are.same({}, list "this is no Lua")
  end)

  it("writes reports that programs read", function()
    local found = run [[t.test("<odd> & \"name\"\1", function() t.equal("a\0<b", "]>") end)]]
    local junit = test_report.junit(found)
    assert.matches('<testsuites tests="1" failures="1"', junit, 1, true)
    assert.matches('name="&lt;odd&gt; &amp; &quot;name&quot;"', junit, 1, true)
    assert.is_nil(junit:find "[%z\1]")
    local decoded = assert(json.decode(test_report.json(found)))
    assert.are.equal(1, decoded.failed)
    assert.are.equal(2, decoded.files[1].tests[1].failures[1].line)
  end)

  it("has exit codes", function()
    write("jwt_test.lua", 'require("gantry.test").ok(true)')
    local function code(arguments)
      -- The command is not sanitized, and its policies' process takes no library that is loaded first.
      local line = ("cd %s && unset LD_PRELOAD && %s test %s >/dev/null 2>&1"):format(folder, executable, arguments)
      return select(3, os.execute(line))
    end
    assert.are.same({ 0, 0, 3, 1, 2 }, { code "", code "--json --coverage .", code "none",
      code "--filter none jwt_test.lua", code "--bad" })
    write("bad_test.lua", 'require("gantry.test").ok(false)')
    assert.are.equal(1, code "--junit r.xml")
    local report <close> = assert(io.open(folder .. "/r.xml"))
    assert.matches("<failure", report:read "a", 1, true)
  end)
end)
