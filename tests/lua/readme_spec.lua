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
end)

---The anchors of a document's headings, as GitHub makes them.
---@param text string
---@return table<string, true>
local function anchors(text)
  local found = {}
  for heading in ("\n" .. text:gsub("\n```.-\n```", "")):gmatch("\n#+ +([^\n]+)") do
    found[heading:lower():gsub("[^%w _-]", ""):gsub(" ", "-")] = true
  end
  return found
end

describe("what people read", function()
  local documents = { "README.md", "CONTRIBUTING.md", "SECURITY.md" }
  for name in assert(io.popen(("ls '%s/docs'"):format(SOURCE))):lines() do
    if name:find "%.md$" then documents[#documents + 1] = "docs/" .. name end
  end

  for _, document in ipairs(documents) do
    it("links to files and headings that exist: " .. document, function()
      local folder, text = document:match("^(.-)[^/]*$"), read(document)
      for link in text:gmatch("%]%(([^)]+)%)") do
        local path, anchor = link:match("^([^#]*)#?(.*)$")
        if not link:find("://", 1, true) then
          local linked = path == "" and text or read(folder .. path)
          assert.is_true(anchor == "" or anchors(linked)[anchor] ~= nil, link)
        end
      end
    end)
  end
end)
