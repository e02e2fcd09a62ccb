-- SPDX-License-Identifier: Apache-2.0
--
-- policy_spec.lua: policies as files: what they may return, what is said of bad ones, and what they cannot do.

local errors = require "gantry.base.errors"
local policy = require "gantry.policy"
local system = require("gantry.core").system

local folder

local function run(command) return assert(os.execute(command)) end

---Writes a file into the test's folder; only its owner may write to it.
local function write(name, text)
  local path = folder .. "/" .. name
  local handle = assert(io.open(path, "w"))
  handle:write(text)
  handle:close()
  run("chmod 644 '" .. path .. "'")
  return path
end

---Loads a policy with this text, as kv.lua.
local function load_text(text, context, options)
  return policy.load(write("kv.lua", text), context, options)
end

---The one error of a policy with this text.
local function error_of(text, context, options)
  local found, err = load_text(text, context, options)
  assert.is_nil(found)
  assert.is_true(errors.is(err), "one error was expected")
  return err
end

---What a policy's text gives for one of its expressions, as a label.
local function value_of(expression)
  local found, err = load_text("return { image = 'x', labels = { v = tostring(" .. expression .. ") } }")
  return found and found.config.labels.v or err.message
end

before_each(function()
  local pipe = assert(io.popen("mktemp -d"))
  folder = pipe:read("l")
  pipe:close()
end)

after_each(function() run("rm -rf '" .. folder .. "'") end)

describe("a policy", function()
  it("is a file that returns a table", function()
    local found = assert(load_text("#!/usr/bin/env -S gantry exec\nreturn { image = 'x', memory = '64MiB' }"))
    assert.equal("kv", found.name)
    assert.equal(folder .. "/kv.lua", found.path)
    assert.equal("kv", found.config.name)
    assert.equal(67108864, found.config.memory)
  end)

  it("may have a name of its own, and a file without ending", function()
    assert.equal("other", load_text("return { image = 'x', name = 'other' }").name)
    local path = write("terraform-provider-null", "return { image = 'x' }")
    assert.equal("terraform-provider-null", policy.load(path).name)
  end)

  it("needs a name where its file's cannot be one", function()
    local _, errs = policy.load(write("my policy.lua", "return {\n  image = 'x' }"))
    assert.equal("CONFIG_INVALID", errs[1].code)
    assert.matches("my policy.lua:1: the file's name must have 1 to 64 letters.*; set the field name$", errs[1].message)
    assert.equal("ok", policy.load(write("my policy.lua", "return { image = 'x', name = 'ok' }")).name)
  end)

  it("may be a function of the context", function()
    local text = [[
return function(ctx)
  local verbs = {}
  for key, value in pairs(ctx.env) do verbs[#verbs + 1] = key .. "=" .. value end
  for _, argument in ipairs(ctx.args) do verbs[#verbs + 1] = argument end
  verbs[#verbs + 1] = tostring(#ctx.args)
  assert(next(ctx.env) == "HOME" and next(ctx.args, 2) == nil)
  return { image = "x", args = verbs, entrypoint = ctx.args, runtime = ctx.engine.runtimes.runsc and "runsc" or nil,
    labels = { name = ctx.name, verb = ctx.verb } }
end]]
    local context = { args = { "a", "b" }, verb = "run", env = { HOME = "/h" } }
    context.engine = { runtimes = { runsc = true } }
    local found = assert(load_text(text, context))
    assert.same({ "HOME=/h", "a", "b", "2" }, found.config.args)
    assert.same({ "a", "b" }, found.config.entrypoint)
    assert.equal("runsc", found.config.runtime)
    assert.same({ name = "kv", verb = "run" }, found.config.labels)
    text = "return function(ctx) return { image = 'x', runtime = ctx.engine.runtimes.runsc } end"
    assert.is_nil(assert(load_text(text)).config.runtime)
  end)

  it("is told of the engine only where it looks, and asks once", function()
    local asked = 0
    local facts = { verb = "plan", engine = function()
      asked = asked + 1
      return { kind = "podman", runtimes = {} }
    end }
    assert(load_text("return { image = 'x' }", facts))
    local text = "return function(ctx) return { image = 'x', labels = { v = ctx.verb, k = %s } } end"
    assert.equal("plan", assert(load_text(text:format "nil", facts)).config.labels.v)
    assert.equal(0, asked)
    assert.equal("podman", assert(load_text(text:format "ctx.engine.kind", facts)).config.labels.k)
    assert.equal(1, asked)
    -- It may not look away: what it made of an engine that it did not see is dropped.
    local hidden = "(pcall(function() return ctx.engine end) and 'seen' or 'not')"
    assert.equal("seen", assert(load_text(text:format(hidden), facts)).config.labels.k)
    local all = "(function() for key in pairs(ctx) do if key == 'engine' then return 'listed' end end end)()"
    assert.equal("listed", assert(load_text(text:format(all), facts)).config.labels.k)
  end)

  it("fails where the engine cannot say what it is, with the remedy", function()
    local err = error_of("return function(ctx) return { image = ctx.engine.kind } end", { engine = function()
      return nil, errors.new("ENGINE_UNREACHABLE", "no engine answers")
    end })
    assert.equal("ENGINE_UNREACHABLE", err.code)
    assert.matches("kv.lua: ctx.engine: no engine answers; %-%-ctx FILE.json may stand in for it$", err.message)
  end)

  it("knows where it lies, and paths in it are relative to that", function()
    write("note", "from beside")
    local found = assert(load_text([[
return function(ctx)
  return { image = "x", labels = { path = ctx.path, folder = ctx.folder, note = io.lines("note")() },
    temp_dir = "run", mounts = { { source = "./data/../more", target = "/a" }, { source = "../b", target = "/b" },
      { source = "/c", target = "/c" } } }
end]]))
    local parent = folder:match "^(.*)/"
    assert.same({ path = folder .. "/kv.lua", folder = folder, note = "from beside" }, found.config.labels)
    assert.equal(folder .. "/run", found.config.temp_dir)
    local sources = {}
    for i, mount in ipairs(found.config.mounts) do sources[i] = mount.source end
    assert.same({ folder .. "/more", parent .. "/b", "/c" }, sources)
  end)

  it("cannot change the context", function()
    local context = { env = { A = "1" }, args = { "a" } }
    local statements = { "ctx.name = 'x'", "ctx.env.B = 'x'", "table.insert(ctx.args, 'x')", "ctx.args[1] = 'x'" }
    for _, statement in ipairs(statements) do
      local err = error_of("return function(ctx)\n  " .. statement .. "\nend", context)
      assert.matches("ctx is read%-only", err.message)
    end
    error_of("return function(ctx) rawset(ctx.env, 'A', '2') error('x') end", context)
    assert.same({ env = { A = "1" }, args = { "a" } }, context)
  end)
end)

describe("modules of policies", function()
  it("come from the policy's folder and from the shipped policies", function()
    write("team.lua", "return { labels = { team = 'a' }, memory = '64MiB' }")
    local found = assert(load_text([[
local gantry = require "gantry"
local base = gantry.extend(require "baseline", require "team")
return gantry.extend(base, { image = "x", labels = { more = "b" } })]]))
    assert.same({ team = "a", more = "b" }, found.config.labels)
    assert.is_true(found.config.read_only)
    assert.equal(67108864, found.config.memory)
  end)

  it("run once, with the policy's globals", function()
    run("mkdir " .. folder .. "/lib")
    write("lib/count.lua", "count = (count or 0) + 1\nreturn { name = ... }")
    local found = assert(load_text("local a, b = require 'lib.count', require 'lib.count'\nassert(a == b)\n"
      .. "return { image = 'x', labels = { count = tostring(count), name = a.name } }"))
    assert.same({ count = "1", name = "lib.count" }, found.config.labels)
    assert.is_nil(rawget(_G, "count"))
  end)

  it("are looked into for the line of a field", function()
    write("team.lua", "return {\n  memory = 1,\n}")
    local _, errs = load_text("return require('gantry').extend(require 'team', {\n  image = '' })")
    assert.equal(2, #errs)
    table.sort(errs, function(left, right) return left.field < right.field end)
    assert.equal(folder .. "/kv.lua:2: image must not be empty", errs[1].message)
    assert.equal(folder .. "/team.lua:2: memory must be at least 6MiB, got 1", errs[2].message)
  end)

  it("fail with their own place", function()
    write("broken.lua", "\nreturn {")
    assert.matches("broken.lua:2: .*near <eof>", error_of("return require 'broken'").message)
    assert.equal("POLICY_SYNTAX", error_of("local x = require 'broken'").code)
    write("late.lua", "\n\nerror('no luck')")
    local err = error_of("local x = require 'late'")
    assert.equal(folder .. "/late.lua:3: no luck", err.message)
    assert.equal(folder .. "/late.lua", err.file)
    assert.equal(3, err.line)
    write("loose.lua", "return {}")
    run("chmod 666 " .. folder .. "/loose.lua")
    assert.equal("POLICY_UNSAFE", error_of("local x = require 'loose'").code)
    write("round.lua", "return require 'round'")
    assert.matches("module 'round' requires itself", error_of("local x = require 'round'").message)
  end)

  it("are nothing else", function()
    assert.matches("kv.lua:1: no module 'nowhere' for policies; looked in ",
      error_of("local x = require 'nowhere'").message)
    for _, name in ipairs { "gantry.core", "gantry.core.http", "gantry.engine", "io", "os", "lfs", "gantry.policy",
      "cjson" } do
      assert.matches("no module", error_of("local x = require '" .. name .. "'").message)
    end
    for _, name in ipairs { "../kv", "/etc/passwd", "..", "", "a..b", "a/b" } do
      assert.matches("a module's name has letters", error_of("local x = require '" .. name .. "'").message)
    end
    assert.matches("a module's name has letters", error_of("local x = require(5)").message)
  end)

  it("are tables of the policy's own", function()
    assert(load_text("require('gantry').extend = 5\nrequire('gantry.base.units').bytes = 5\nreturn { image = 'x' }"))
    assert.is_function(require("gantry.config").extend)
    assert.is_function(require("gantry.base.units").bytes)
    assert(load_text("return require('gantry').extend({ image = 'x' }, {})"))
    assert.equal("1024", value_of "require('gantry').units.bytes('1KiB')")
  end)
end)

describe("a bad policy", function()
  it("that is not there, a folder, a pipe, too large", function()
    local _, err = policy.load(folder .. "/none.lua")
    assert.equal("POLICY_NOT_FOUND", err.code)
    assert.equal(folder .. "/none.lua: no such file; name the path of a policy", err.message)
    _, err = policy.load(folder)
    assert.equal("POLICY_NOT_A_FILE", err.code)
    assert.equal(folder .. ": is a directory; a policy is one Lua file", err.message)
    run("mkfifo " .. folder .. "/pipe.lua")
    _, err = policy.load(folder .. "/pipe.lua")
    assert.equal("POLICY_NOT_A_FILE", err.code)
    assert.equal("POLICY_TOO_LARGE", error_of("--" .. ("x"):rep(1024 * 1024)).code)
  end)

  it("that others may write to", function()
    for mode, who in pairs { ["664"] = "its group", ["646"] = "everybody", ["666"] = "everybody" } do
      local path = write("kv.lua", "return { image = 'x' }")
      run("chmod " .. mode .. " " .. path)
      local _, err = policy.load(path)
      assert.equal("POLICY_UNSAFE", err.code)
      assert.equal(("%s: %s may write to it; run: chmod go-w %s"):format(path, who, path), err.message)
    end
  end)

  it("that belongs to somebody else", function()
    local path = write("kv.lua", "return { image = 'x' }")
    if system.euid() ~= 0 then return pending("only root can give a file away") end
    run("chown 12345 " .. path)
    local _, err = policy.load(path)
    assert.equal("POLICY_UNSAFE", err.code)
    assert.matches("belongs to user 12345", err.message)
  end)

  it("that cannot be read", function()
    local path = write("kv.lua", "return { image = 'x' }")
    if system.euid() == 0 then return pending("root can read every file") end
    run("chmod 0 " .. path)
    local _, err = policy.load(path)
    assert.equal("POLICY_UNREADABLE", err.code)
  end)

  it("that is binary", function()
    local code = string.dump(function() return { image = "x" } end)
    assert.equal("POLICY_BINARY", error_of(code).code)
    assert.equal("POLICY_BINARY", error_of("#!/usr/bin/lua\n" .. code).code)
  end)

  it("that is not Lua", function()
    local err = error_of("return {\n  image = 'x'\n  memory = 1\n}")
    assert.equal("POLICY_SYNTAX", err.code)
    assert.equal(folder .. "/kv.lua:3: '}' expected (to close '{' at line 1) near 'memory'; is a comma missing "
      .. "before it?", err.message)
    assert.equal(3, err.line)
    assert.equal("POLICY_SYNTAX", error_of("image: x").code)
  end)

  it("that fails while it runs", function()
    local err = error_of("local x\nreturn { image = x.y }")
    assert.equal("POLICY_ERROR", err.code)
    assert.equal(folder .. "/kv.lua:2: attempt to index a nil value (local 'x')", err.message)
    assert.equal(2, err.line)
    assert.matches("kv.lua:2: attempt to", error_of("return function(ctx)\n  return ctx.x.y end").message)
    assert.equal(folder .. "/kv.lua: plain", error_of("error('plain', 0)").message)
    assert.equal(folder .. "/kv.lua: the policy raised a table instead of a message", error_of("error({})").message)
    assert.is_nil(err.message:find("traceback"))
  end)

  it("whose path is longer than Lua's messages show", function()
    local deep = ("d"):rep(80)
    run("mkdir " .. folder .. "/" .. deep)
    local path = write(deep .. "/kv.lua", "\nlocal x = nil + 1")
    local _, err = policy.load(path)
    assert.equal(path .. ":2: attempt to perform arithmetic on a nil value", err.message)
    path = write(deep .. "/kv.lua", "\nreturn }")
    _, err = policy.load(path)
    assert.equal(path .. ":2: unexpected symbol near '}'", err.message)
  end)

  it("that returns something else", function()
    local expected = { ["return 5"] = "it returned 5", [""] = "it returned nothing", ["return 'x'"] = "it returned 'x'",
      ["return function() end"] = "its function returned nothing", ["return true"] = "it returned true" }
    for text, ending in pairs(expected) do
      local err = error_of(text)
      assert.equal("POLICY_RESULT", err.code)
      assert.equal(folder .. "/kv.lua:1: a policy must return a table of fields, or a function of the context that "
        .. "returns one; " .. ending, err.message)
    end
    assert.equal(3, error_of("-- nothing\n\nreturn 5").line)
  end)

  it("with findings in its config, all with their lines", function()
    local _, errs = load_text("return {\n  image = 'x',\n  memmory = 1,\n  sha256 = '" .. ("a"):rep(63) .. "',\n}")
    assert.same({
      folder .. "/kv.lua:3: unknown field 'memmory'; did you mean 'memory'?",
      folder .. "/kv.lua:4: sha256 must be 64 hex digits, got 63",
    }, { errs[1].message, errs[2].message })
    assert.equal("memmory", errs[1].field)
    _, errs = load_text("-- comment\nreturn { tag = '1' }")
    assert.equal(folder .. "/kv.lua:2: image is missing", errs[1].message)
  end)

  it("with tables that hold themselves", function()
    local err = error_of("local t = { image = 'x' }\nt.labels = t\nreturn t")
    assert.matches("nested too deeply, or hold themselves", err.message)
  end)
end)

describe("the bounds of a policy", function()
  local LIMITS = { instructions = 1000000, bytes = 4 * 1024 * 1024 }

  it("hold while it loads, in its function, and while its result is read", function()
    local texts = {
      "while true do end",
      "return function() while true do end end",
      "return setmetatable({}, { __pairs = function() while true do end end })",
      "return setmetatable({}, { __pairs = function() return function(_, i) return (i or 0) + 1, {} end end })",
      "while true do pcall(function() while true do end end) end",
      "xpcall(function() while true do end end, function() while true do end end)",
      "local x <close> = setmetatable({}, { __close = function() while true do end end })",
      "coroutine.wrap(function() while true do end end)()",
      "string.gsub('x', 'x', function() while true do end end)",
      "table.sort({ 1, 2, 3 }, function() while true do end end)",
      "load('while true do end')()",
    }
    for _, text in ipairs(texts) do
      local err = error_of(text, nil, { limits = LIMITS })
      assert.matches("^POLICY_BUDGET", err.code, 1, text)
      assert.equal(folder .. "/kv.lua", err.file)
    end
    for _, text in ipairs { "while true do end", "while true do for i = 1, 9 do table.insert({}, i) end end" } do
      assert.equal(folder .. "/kv.lua:1: the policy ran more than 1000000 instructions",
        error_of(text, nil, { limits = LIMITS }).message)
    end
  end)

  it("hold for memory", function()
    local limits = { instructions = 20000000, bytes = LIMITS.bytes }
    for _, text in ipairs { "local t = {} for i = 1, 1e9 do t[i] = i end", "return { image = ('x'):rep(1e7) }",
      "local s = 'x' while true do s = s .. s end" } do
      assert.equal(folder .. "/kv.lua: the policy needs more than 4MiB of memory",
        error_of(text, nil, { limits = limits }).message)
    end
  end)

  it("leave ordinary work alone", function()
    assert.equal("a-b", value_of "('a b'):gsub('%s+', '-'):match('^%S+$')")
    assert.equal("5000", value_of "('registry.example:5000/team/kv'):match('^[^:/]+:(%d+)/(.-)$')")
    assert.equal("x", value_of "('  x  '):match('^%s*(.-)%s*$')")
    local function table_after(statement)
      return value_of("(function() local t = { 3, 1, 2 } " .. statement .. " return table.concat(t, ',') end)()")
    end
    assert.equal("1,2,3", table_after "table.sort(t)")
    assert.equal("3,2,1", table_after "table.sort(t, function(a, b) return a > b end)")
    assert.equal("3,9,1,2", table_after "table.insert(t, 2, 9)")
    assert.equal("3,1,2,9", table_after "table.insert(t, 9)")
    assert.equal("1,2", table_after "table.remove(t, 1)")
    assert.equal("3,1", table_after "table.remove(t)")
    assert.equal("nil", value_of "table.remove({})")
    assert.equal("2,3,3", value_of "table.concat(table.move({ 1, 2, 3 }, 2, 3, 1), ',')")
    assert.equal("1,1,2", value_of "table.concat(table.move({ 1, 2, 3 }, 1, 2, 2), ',')")
    assert.equal("boom!", value_of "select(2, xpcall(error, function(m) return m .. '!' end, 'boom'))")
    assert.equal("2", value_of "select('#', xpcall(function() return nil end, print))")
  end)

  it("hold for functions that are called later", function()
    local text = [[
local n = 0
local function hook(what)
  n = n + 1
  while what == "loop" do end
  if what == "fail" then error("no") end
  return what, n
end
return { image = "x", on_exit = hook }
]]
    local found = assert(load_text(text, nil, { limits = LIMITS }))
    local hook = found.config.on_exit
    assert.same({ true, "x", 1 }, { found:call(hook, "x") })
    local ok, err = found:call(hook, "loop")
    assert.is_false(ok)
    assert.equal("POLICY_BUDGET_INSTRUCTIONS", err.code)
    ok, err = found:call(hook, "fail")
    assert.is_false(ok)
    assert.equal(folder .. "/kv.lua:5: no", err.message)
    assert.same({ true, "x", 4 }, { found:call(hook, "x") })
  end)
end)

describe("a policy's globals", function()
  it("have nothing that reaches the machine or the launcher", function()
    for _, expression in ipairs { "arg", "describe", "getmetatable('')", "getmetatable(debug)",
      "getmetatable(io.open('/proc/version'))" } do
      assert.equal("nil", value_of(expression), expression)
    end
    assert.equal("true", value_of "_G == _ENV and _G._G == _G")
  end)

  it("say of what they have not that they have none, and what there is instead", function()
    for name, use in pairs { dofile = "('x')", loadfile = "('x')", collectgarbage = "()", warn = "('x')",
      debug = ".sethook()", package = ".path", ["os.execute"] = "('true')", ["os.exit"] = "(1)",
      ["os.remove"] = "('x')", ["os.rename"] = "('x', 'y')", ["os.tmpname"] = "()", ["os.getenv"] = "('HOME')",
      ["os.setlocale"] = "()", ["io.popen"] = "('true')", ["io.write"] = "('x')", ["io.output"] = "()",
      ["io.tmpfile"] = "()", ["io.stdout"] = ":write('x')", ["io.stderr"] = ":write('x')",
      ["string.dump"] = "(print)", ["coroutine.running"] = "()", ["math.randomseed"] = "(1)" } do
      local text = ("local x = %s%s\nreturn { image = 'x' }"):format(name, use)
      assert.matches(("kv.lua:1: %s: policies have none: "):format(name), error_of(text).message, 1, true)
    end
    assert.matches("ctx.env", error_of("os.getenv 'HOME'").message, 1, true)
    assert.matches("debug: policies have none", error_of("debug.x = 1").message, 1, true)
  end)

  it("are each policy's own", function()
    assert(load_text("x = 5 string.format = nil table.insert = nil\nreturn { image = 'x' }"))
    assert.equal("nil", value_of "x")
    assert.is_function(string.format)
    assert.equal("function", value_of "type(string.format)")
  end)

  it("load text, not binary chunks, with the policy's globals", function()
    assert.equal("6", value_of "load('return 1 + ...')(5)")
    assert.equal("nil", value_of "load('return os.getenviron')()")
    assert.equal("7", value_of "load('return y', 'name', 'bt', { y = 7 })()")
    write("code.bin", string.dump(function() return 1 end))
    assert.matches("attempt to load a binary chunk", value_of(
      ("select(2, load(io.open('%s/code.bin', 'rb'):read('a'), 'x', 'b'))"):format(folder)))
  end)

  it("open regular files for reading and nothing else", function()
    write("data.txt", "one\ntwo\n")
    assert.equal("one", value_of(("io.open('%s/data.txt'):read('l')"):format(folder)))
    assert.equal("one", value_of(("io.lines('%s/data.txt')()"):format(folder)))
    assert.matches("may only read files", value_of(("select(2, io.open('%s/data.txt', 'a'))"):format(folder)))
    assert.matches("no regular file", value_of "select(2, io.open('/dev/zero'))")
    run("mkfifo " .. folder .. "/pipe")
    assert.matches("no regular file", value_of(("select(2, io.open('%s/pipe'))"):format(folder)))
    assert.matches("No such file", value_of "select(2, io.open('/nowhere'))")
    assert.matches("kv.lua:1: /nowhere: No such file", value_of "io.lines('/nowhere')")
  end)

  it("set metatables on the policy's own tables, without finalizers", function()
    assert.equal("5", value_of "setmetatable({}, { __index = { x = 5 } }).x")
    assert.equal("true", value_of "(function() local m = {} return getmetatable(setmetatable({}, m)) == m end)()")
    assert.matches("cannot have finalizers", error_of("setmetatable({}, { __gc = function() end })").message)
    assert.equal("nil", value_of "getmetatable(select(2, pcall(require, 'broken')) or {})")
  end)

  it("do not let an error object be turned against the launcher", function()
    write("broken.lua", "return {")
    local err = error_of("local _, err = pcall(require, 'broken')\nerr.file, err.code = {}, 'OK'\nerror(err)")
    assert.equal("POLICY_ERROR", err.code)
    assert.is_string(err.file)
    err = error_of("local _, err = pcall(require, 'broken')\nerr.message = setmetatable({}, {})\nerror(err)")
    assert.equal("POLICY_ERROR", err.code)
    assert.is_string(err.message)
  end)

  it("print where the caller wants it", function()
    local lines = {}
    local function print_line(text) lines[#lines + 1] = text end
    assert(load_text("print('a', 1, nil)\nreturn { image = 'x' }", nil, { print = print_line }))
    assert.same({ "a\t1\tnil" }, lines)
    assert(load_text("print('dropped')\nreturn { image = 'x' }"))
  end)

  it("cannot yield out of the call", function()
    local task = coroutine.create(function() return load_text("coroutine.yield()") end)
    local ok, found, err = coroutine.resume(task)
    assert.is_true(ok)
    assert.is_nil(found)
    assert.matches("attempt to yield", err.message)
  end)
end)

describe("the shipped policies", function()
  it("load", function()
    local shipped = policy.shipped_folder()
    assert.is_string(shipped)
    local demo = assert(policy.load(shipped .. "/demo.lua"))
    assert.equal("gantry-demo-kv", demo.config.image)
    assert.is_true(demo.config.disable_network)
    assert.equal("GANTRY_KV_COOKIE", demo.config.cookie.key)
  end)

  it("have a baseline that lacks only an image", function()
    local _, errs = policy.load(policy.shipped_folder() .. "/baseline.lua")
    assert.equal(1, #errs)
    assert.matches("image is missing$", errs[1].message)
  end)
end)
