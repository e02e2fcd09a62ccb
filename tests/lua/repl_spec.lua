-- SPDX-License-Identifier: Apache-2.0
--
--- The parts of a session that need neither a terminal nor an engine.

local chunk = require "gantry.repl.chunk"
local complete = require "gantry.repl.complete"
local history = require "gantry.repl.history"
local show = require "gantry.repl.show"

describe("a value is shown", function()
  it("as Lua would write it, sorted", function()
    assert.are.equal('{ 1, 2, [4] = 4, a = "x", ["b c"] = true, ["end"] = {} }',
      show.value { 1, 2, [4] = 4, a = "x", ["b c"] = true, ["end"] = {} })
  end)

  it("one entry a line where it is long", function()
    assert.are.equal('{\n  first = "' .. ("x"):rep(60) .. '",\n  second = { 1, 2, 3 }\n}',
      show.value({ first = ("x"):rep(60), second = { 1, 2, 3 } }))
  end)

  it("without what a terminal would act on", function()
    assert.are.equal([["\x1b[31m\n\"\\\x00"]], show.value "\27[31m\n\"\\\0")
    assert.are.equal([["\xff\x9b"]], show.value "\xff\x9b")
    assert.are.equal('"grün"', show.value "grün")
    assert.are.equal([["\xc2\x9b31m"]], show.value "\u{9b}31m")
    assert.are.equal([["\t\r\x07\x7f"]], show.value "\t\r\a\127")
  end)

  it("also where it holds itself, is deep, or has many entries", function()
    local loop = {}
    loop.self = loop
    assert.are.equal("{ self = <the table it is in> }", show.value(loop))
    local deep = {}
    for _ = 1, 100 do deep = { deep } end
    assert.is_truthy(show.value(deep):find("{ … }", 1, true))
    local many = {}
    for index = 1, 1000 do many[index] = index end
    assert.is_truthy(show.value(many):find("… (800 more)", 1, true))
    assert.is_truthy(show.value(("x"):rep(10000)):find('"… (10000 bytes)', 1, true))
  end)

  it("by its own text, unless that raises", function()
    assert.are.equal("mine", show.value(setmetatable({}, { __tostring = function() return "mine" end })))
    assert.are.equal("{}", show.value(setmetatable({}, { __tostring = error })))
  end)
end)

describe("what is typed", function()
  local function run(text)
    return assert(chunk.compile(text, "=repl", setmetatable({ x = 1 }, { __index = _G })))()
  end

  it("is an expression, statements, or statements that end in an expression", function()
    assert.are.equal(2, run "x + 1")
    assert.are.equal(2, run "= x + 1")
    assert.is_nil(run "x = 5")
    assert.are.equal(5, run "x = 5; x")
    assert.are.equal(6, run "local a = 5\nlocal b = a + 1\nb")
  end)

  it("keeps the meaning of what only looks like an expression at the end", function()
    assert.is_nil(run "y = 'a; x'")
    assert.is_nil(run "y = 1 -- and; x")
    assert.is_nil(run "f = function() x = 2; tostring(x) end")
    assert.are.equal(3, run "local f = function() return 3; end; f()")
  end)

  it("may need more lines", function()
    for _, text in ipairs { "for i = 1, 2 do", "f(", "{ 1,", "x =", "[[long", "if x then", "function f()" } do
      assert.are.equal("incomplete", select(2, chunk.compile(text, "=repl", {})), text)
    end
    for _, text in ipairs { "= )", "'open", "x y z", "end" } do
      local compiled, reason = chunk.compile(text, "=repl", {})
      assert.is_nil(compiled)
      assert.are_not.equal("incomplete", reason, text)
    end
  end)

  it("may be a local that is gone with its line", function()
    assert.are.equal("z", chunk.lone_local "local z = 3")
    assert.is_nil(chunk.lone_local "local z = 3\nprint(z)")
  end)
end)

describe("completion", function()
  local session = { environment = {
    things = { first = 1, second = function() end, inner = setmetatable({}, { __index = { method = print } }) },
    launch = print, help = print,
  } }

  local function names(text)
    local partial, found = complete.find(session, text)
    return found, partial
  end

  it("knows globals, keywords and Lua's own", function()
    assert.are.same({ "things" }, names "x = thi")
    assert.are.same({ "while" }, names "whil")
    assert.are.same({ "setmetatable" }, names "setm")
  end)

  it("knows fields and methods, also inherited ones", function()
    assert.are.same({ "first", "inner", "second" }, names "things.")
    assert.are.same({ "second" }, names "things:")
    assert.are.same({ "method" }, names "print(things.inner:m")
    assert.are.same({}, names "nothing.at.all")
    assert.are.same({}, names "things.first.")
  end)

  it("knows fields of policies, where a policy is written", function()
    assert.are.same({ "memory = ", "memory_swap = " }, names 'launch { image = "x", mem')
    assert.are.same({ "memory = ", "memory_swap = " }, names "launch({\n  mem")
    assert.are.same({ "math" }, names 'launch { image = "x", memory = mat')
    assert.are.same({ "memory", "memory_swap" }, names 'help "mem')
  end)

  it("knows policy files", function()
    local root = os.getenv("GANTRY_SOURCE") or "."
    assert.are.same({ root .. "/policies/demo.lua" }, names(('launch "%s/policies/demo.'):format(root)))
    assert.are.same({ root .. "/policies/" }, names(('launch "%s/polic'):format(root)))
  end)

  it("runs nothing of what it looks at", function()
    local trap = setmetatable({}, { __index = function() error "run" end })
    session.environment.trap = trap
    assert.are.same({}, names "trap.x.y")
  end)

  it("finds what all names begin with", function()
    assert.are.equal("se", complete.common_start { "second", "sentence", "set" })
    assert.are.equal("one", complete.common_start { "one" })
  end)
end)

describe("the history", function()
  local root = os.tmpname()

  setup(function()
    os.remove(root)
  end)

  teardown(function() os.execute("rm -rf " .. root) end)

  it("is kept for the next session, whatever is in an entry", function()
    local path = history.path { XDG_STATE_HOME = root }
    local first, entries = history.open(path)
    assert.are.same({}, entries)
    assert.is_true(first:add "one")
    assert.is_false(first:add "one")
    assert.is_false(first:add " secret")
    assert.is_true(first:add "two\nlines \\n")
    local _, again = history.open(path)
    assert.are.same({ "one", "two\nlines \\n" }, again)
  end)

  it("is cut when it is long", function()
    local path = history.path { XDG_STATE_HOME = root }
    local long = history.open(path)
    for number = 1, 2100 do long:add("entry " .. number) end
    history.open(path)
    local _, kept = history.open(path)
    assert.are.equal(1000, #kept)
    assert.are.equal("entry 2100", kept[1000])
  end)

  it("does without a file where there can be none", function()
    assert.is_nil(history.path {})
    local without, entries = history.open(nil)
    assert.are.same({}, entries)
    assert.is_true(without:add "x")
    assert.is_true((history.open "/proc/no/such/history"):add "x")
  end)
end)
