-- SPDX-License-Identifier: Apache-2.0

local BEGIN <const> = 'local t = require "gantry.test"\n'

return {
  subject = "tests of policies",
  files = {
    ["fails_test.lua"] = BEGIN .. 't.test("one", function() t.equal(1, 2) end)\n',
    ["raises_test.lua"] = BEGIN .. 't.test("one", function() error "raised" end)\n',
    ["cut_test.lua"] = "return {",
    ["none_test.lua"] = "local none = 1\n",
    ["empty_test.lua"] = "",
    ["nameless_test.lua"] = BEGIN .. 't.test("one")\n',
    ["exits_test.lua"] = BEGIN .. 't.test("one", function() os.exit(0) end)\n',
    ["refuses_test.lua"] = BEGIN .. 't.test("one", function() t.refuses("kv.lua") end)\n',
    ["lost_test.lua"] = BEGIN .. 't.test("one", function() t.refuses(5) end)\n',
    ["kv.lua"] = 'return { image = "kv" }', ["folder/notes.txt"] = "",
  },
  cases = {
    { "gantry test fails_test.lua", 1, "fails_test.lua:2: one: the value: expected 2, found 1", "1 failed" },
    { "gantry test --json fails_test.lua", 1, '"failed":1', '"line":2' },
    { "gantry test raises_test.lua", 1, "raises_test.lua:2: one: ", "raised" },
    { "gantry test cut_test.lua", 1, "cut_test.lua:1: ", "unexpected symbol near <eof>" },
    { "gantry test none_test.lua", 1, "0 checks: it asserts nothing" },
    { "gantry test empty_test.lua", 1, "0 checks: it asserts nothing" },
    { "gantry test kv.lua", 1, "0 checks: it asserts nothing" },
    { "gantry test nameless_test.lua", 1, "nameless_test.lua:2: ", "t.test needs a name and a function" },
    { "gantry test exits_test.lua", 1, "exits_test.lua:2: one: os.exit: a test does not end the process" },
    { "gantry test refuses_test.lua", 1, "refuses_test.lua:2: one: " },
    { "gantry test lost_test.lua", 1, "lost_test.lua:2: one: a policy is a file's path, got 5" },
    { "gantry test folder", 1, "no test was run: there is no *_test.lua" },
    { "gantry test --filter nothing fails_test.lua", 1, "no test was run", "--filter names none" },
    { "gantry test .", 1, "failed (" },
    { "gantry test nowhere_test.lua", 3, "nowhere_test.lua: no such file" },
    { "gantry test --site nowhere.lua", 2, "unknown option '--site'" },
    { "gantry test --frob", 2, "unknown option '--frob'" },
    { "gantry test fails_test.lua >/dev/full", 1, "write to standard output: No space left on device" },
  },
}
