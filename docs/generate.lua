-- SPDX-License-Identifier: Apache-2.0
--
--- generate.lua [--check]: writes the reference, the man pages and the editor's stubs from the doc comments, the schema
--- and the verbs, and the table of hosts from what tests recorded; with --check, says which of
--- them are not as they would be written. Run by the build's target `docs`.

local check = arg[1] == "--check"
local here = arg[0]:match("^(.*)/") or "."
package.path = here .. "/generate/?.lua;" .. package.path

local markdown, man, stubs, source = require "markdown", require "man", require "stubs", require "source"
local host_table = require "host_table"

local documents = {
  ["reference.md"] = markdown.reference(source),
  ["policy.md"] = markdown.policy(source),
  ["hosts.md"] = host_table.page(here .. "/hosts"),
  ["man/gantry.1"] = man.command(source),
  ["man/gantry-policy.5"] = man.policy(source),
  ["stubs/gantry.lua"] = stubs.file(source),
}

local function read(path)
  local file = io.open(path, "r")
  if not file then return nil end
  local text = file:read("a")
  file:close()
  return text
end

local stale = 0
for name, text in pairs(documents) do
  local path = here .. "/" .. name
  if read(path) ~= text then
    stale = stale + 1
    if check then
      print(path .. " is not what docs/generate.lua writes; run: cmake --build build --target docs")
    else
      local file <close> = assert(io.open(path, "w"))
      assert(file:write(text))
      print("wrote " .. path)
    end
  end
end
os.exit(not (check and stale > 0), true)
