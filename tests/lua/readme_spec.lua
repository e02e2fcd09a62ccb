-- SPDX-License-Identifier: Apache-2.0
--
--- The README keeps its word where a program can tell: its Lua compiles, its exit codes are those of the command.

local exit_codes = require "gantry.text.exit_codes"

local SOURCE = os.getenv("GANTRY_SOURCE") or "."

local function read(name)
  local file <close> = assert(io.open(SOURCE .. "/" .. name))
  return file:read("a")
end

describe("README.md", function()
  it("shows Lua that compiles", function()
    local count = 0
    for code in read("README.md"):gmatch("```lua\n(.-)```") do
      assert(load(code, "=README.md", "t"))
      count = count + 1
    end
    assert.is_true(count >= 2)
  end)

  it("lists every exit code", function()
    local listed = {}
    for row in read("README.md"):gmatch("\n| ([%d, ]+) |") do
      for number in row:gmatch("%d+") do listed[tonumber(number)] = true end
    end
    for name, code in pairs(exit_codes) do
      if math.type(code) then assert.is_true(listed[code], ("%s = %d is not in the table"):format(name, code)) end
    end
  end)

  it("links to files that exist", function()
    for _, document in ipairs { "README.md", "CONTRIBUTING.md" } do
      for link in read(document):gmatch("%]%(([^)]+)%)") do
        if not link:find("://", 1, true) then assert(io.open(SOURCE .. "/" .. link)):close() end
      end
    end
  end)
end)
