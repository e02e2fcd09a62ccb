-- SPDX-License-Identifier: Apache-2.0
--
--- The targets of tests/fuzz/lua on their corpora: what a search once found is never found again.

local SOURCE <const> = os.getenv "GANTRY_SOURCE" or "."
local core = require "gantry.core"

---@param folder string
---@return string[] sorted
local function names_in(folder)
  local names = assert(core.files.list(folder))
  table.sort(names)
  return names
end

describe("fuzz corpus", function()
  for _, file in ipairs(names_in(SOURCE .. "/tests/fuzz/lua")) do
    local target = file:match "^(.*)%.lua$"
    it("of " .. target .. " raises nothing", function()
      local run = dofile(("%s/tests/fuzz/lua/%s"):format(SOURCE, file))
      local folder = ("%s/tests/fuzz/corpus/%s"):format(SOURCE, target)
      local inputs = names_in(folder)
      assert.is_true(#inputs > 0)
      for _, name in ipairs(inputs) do
        local input <close> = assert(io.open(folder .. "/" .. name, "rb"))
        local bytes = input:read "a"
        local ok, err = pcall(run, bytes)
        assert.is_true(ok, ("%s: %s"):format(name, tostring(err)))
      end
    end)
  end
end)
