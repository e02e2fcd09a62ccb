-- SPDX-License-Identifier: Apache-2.0
--
--- Doc comments are read as LuaCATS means them.

local documentation = require "gantry.text.documentation"

local SOURCE <const> = [[
-- SPDX-License-Identifier: Apache-2.0
--
--- thing.lua: what it is.
--- And more.

local thing = {}

---@class example.Thing: example.Base what it is
---@field name string its name
---@field call fun(kind: string, fields: table)? called with both
---@field choice "a b"|"c" one of two

---@class example.Both: example.Thing, example.Base what has two
---@field more integer

---@alias example.Name string|number a name

---Does it. Then returns.
---With a second line.
---@param first string what to do
---@param options { at_once: boolean?, list: string[] }? more
---that goes on here
---@param ... any the rest
---@return table<string, integer>? found
---@return gantry.Error? err where it fails
function thing.go(first, options, ...)
end

---@return boolean? ok, string? reason
local function helper() end

---@private
function thing:hidden() end
]]

describe("doc comments", function()
  local file = documentation.read(SOURCE)

  it("have a head", function() assert.are.equal("thing.lua: what it is.\nAnd more.", file.text) end)

  it("name classes with their fields, and aliases", function()
    assert.are.same({ name = "example.Thing", parent = "example.Base", text = "what it is", line = 12, fields = {
      { name = "name", type = "string", text = "its name" },
      { name = "call", type = "fun(kind: string, fields: table)?", text = "called with both" },
      { name = "choice", type = '"a b"|"c"', text = "one of two" },
    } }, file.classes[1])
    assert.are.same({ "example.Thing, example.Base", "what has two" }, { file.classes[2].parent, file.classes[2].text })
    assert.are.same({ { name = "example.Name", type = "string|number", text = "a name" } }, file.aliases)
  end)

  it("tell of functions, what they take and give", function()
    assert.are.same({ name = "thing.go", arguments = "first, options, ...", line = 26,
      text = "Does it. Then returns.\nWith a second line.",
      params = {
        { name = "first", type = "string", text = "what to do" },
        { name = "options", type = "{ at_once: boolean?, list: string[] }?", text = "more that goes on here" },
        { name = "...", type = "any", text = "the rest" },
      }, returns = {
        { name = "found", type = "table<string, integer>?", text = "" },
        { name = "err", type = "gantry.Error?", text = "where it fails" },
      } }, file.functions[1])
  end)

  it("may give several values on one line, and be for gantry alone", function()
    assert.are.same({
      { name = "ok", type = "boolean?", text = "" }, { name = "reason", type = "string?", text = "" },
    }, file.functions[2].returns)
    assert.is_true(file.functions[3].private)
  end)

  it("are found from a function", function()
    local found = documentation.of_function(documentation.first_sentence)
    assert.are.equal("documentation.first_sentence", found.name)
    assert.is_nil(documentation.of_function(print))
  end)

  it("have a first sentence", function()
    assert.are.equal("Does it", documentation.first_sentence "Does it. Then\nmore.")
    assert.are.equal("With v1.2 and more", documentation.first_sentence "With v1.2 and\nmore.")
  end)
end)
