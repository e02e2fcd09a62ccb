-- SPDX-License-Identifier: Apache-2.0
--
-- source_spec.lua: the lines of fields in the text of policies.

local source = require "gantry.policy.source"
local tokens = require "gantry.policy.tokens"

local function line_of(text, at)
  local path, line = source.locate({ source.scan("p.lua", text) }, at)
  assert.equal("p.lua", path)
  return line
end

describe("tokens", function()
  it("reads names, strings, numbers and symbols, with lines", function()
    local list = tokens.read('a.b = "x\\"y" -- c\n[==[ z\n]]==] 0x1F ..\n...')
    local texts = {}
    for i, token in ipairs(list) do texts[i] = ("%s %s %d"):format(token.kind, token.text, token.line) end
    assert.same({ "name a 1", "symbol . 1", "name b 1", "symbol = 1", 'string x\\"y 1', "string  z\n] 2",
      "number 0x1F 3", "symbol .. 3", "symbol ... 4" }, texts)
  end)

  it("skips comments of all kinds, and a first line that starts with #", function()
    local list = tokens.read("#!/usr/bin/env x = 1\n--[[ a\n]] --[=[ b ]] ]=] c --[ d\n--e")
    assert.equal(1, #list)
    assert.same({ kind = "name", text = "c", line = 3 }, list[1])
  end)

  it("ends on any text", function()
    for _, text in ipairs { "", '"', "'\\", "[[", "--[[", "[=", "\\", "\1\2\255", '"\\z', "--" } do
      assert.is_table(tokens.read(text))
      assert.is_table(source.scan("p", text))
    end
  end)
end)

describe("source.locate", function()
  it("finds keys in all spellings", function()
    local text = [=[
return {
  image = "x",
  ["tag"] = "1",
  memory
    = 5,
  env = { A = "1",
    ["b.c"] = "2" };
  user = 1 }
]=]
    assert.equal(2, line_of(text, "image"))
    assert.equal(3, line_of(text, "tag"))
    assert.equal(4, line_of(text, "memory"))
    assert.equal(6, line_of(text, "env.A"))
    assert.equal(7, line_of(text, "env.b.c"))
    assert.equal(8, line_of(text, "user"))
  end)

  it("finds elements of lists, and fields in them", function()
    local text = [[
return {
  mounts = {
    { source = "/a",
      target = f({ 1, 2 }, 3) },
    { target = "/b" },
  },
}
]]
    assert.equal(3, line_of(text, "mounts[1]"))
    assert.equal(4, line_of(text, "mounts[1].target"))
    assert.equal(5, line_of(text, "mounts[2].target"))
  end)

  it("falls back to what holds the field, then to the return", function()
    local text = '-- a policy\nlocal x = 1\nreturn {\n  mounts = {\n    { target = "/a" },\n  },\n}'
    assert.equal(5, line_of(text, "mounts[1].source"))
    assert.equal(4, line_of(text, "mounts[7].source"))
    assert.equal(3, line_of(text, "image"))
    assert.equal(3, line_of(text, ""))
  end)

  it("is not misled by comments, strings and comparisons", function()
    local text = [==[
-- memory = 1
local t = "memory = 2, { memory = 3 }"
local u = { [[ { memory = 4 } ]], memory == 5 }
--[[ { memory = 6 } ]]
if memory == 7 then end
return {
  memory = 8 }
]==]
    assert.equal(7, line_of(text, "memory"))
  end)

  it("prefers the returned table to others", function()
    local text = "return {\n  memory = 1,\n}"
    assert.equal(2, line_of(text, "memory"))
    text = [[
local function helper() return {
  memory = 1 } end
local other = {
  memory = 2 }
return {
  memory = 3,
  f = function() return {
    memory = 4 } end }
]]
    assert.equal(6, line_of(text, "memory"))
  end)

  it("looks into what is returned through a call or a function", function()
    assert.equal(2, line_of("return gantry.extend(base, {\n  memory = 1 })", "memory"))
    local text = [[
local function limits() return { memory = 1 } end
return function(ctx)
  if ctx.x then
    return { user = 2 }
  end
  for i = 1, 2 do while x do y() end end
  repeat until z
  return {
    memory = 9 }
end
]]
    assert.equal(9, line_of(text, "memory"))
    assert.equal(8, line_of(text, "image"))
    assert.equal(4, line_of(text, "user"))
  end)

  it("looks into tables that get a name first, and at assignments", function()
    local text = 'local c = {\n  image = "x",\n}\nc.memory = 1\nc.labels.a = "b"\nreturn c'
    assert.equal(2, line_of(text, "image"))
    assert.equal(4, line_of(text, "memory"))
    assert.equal(5, line_of(text, "labels.a"))
    assert.equal(6, line_of(text, "tag"))
  end)

  it("looks into modules as well", function()
    local policy = source.scan("kv.lua", "local base = require 'base'\nreturn extend(base, {\n image = 1 })")
    local base = source.scan("base.lua", "return {\n  image = 1,\n  memory = 2,\n}")
    assert.same({ "kv.lua", 3 }, { source.locate({ policy, base }, "image") })
    assert.same({ "base.lua", 3 }, { source.locate({ policy, base }, "memory") })
    assert.same({ "kv.lua", 2 }, { source.locate({ policy, base }, "tag") })
  end)
end)
