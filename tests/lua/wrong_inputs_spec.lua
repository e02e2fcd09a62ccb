-- SPDX-License-Identifier: Apache-2.0
--
--- The wrong inputs of tests/lua/wrong_inputs that need no engine. Those that do are in tests/engine.

local harness = require "lua.wrong_inputs.harness"

for _, one in ipairs(harness.tables()) do
  if not one.engine then
    describe("a wrong input, " .. one.subject .. ":", function()
      local place
      setup(function() place = harness.place(one) end)
      teardown(function() place:close() end)
      for _, case in ipairs(one.cases) do
        it(case[1], function() place:check(case) end)
      end
    end)
  end
end

describe("the tables of wrong inputs", function()
  it("hold 200 of them", function()
    local count, seen = 0, {}
    for _, one in ipairs(harness.tables()) do
      for _, case in ipairs(one.cases) do
        assert.is_nil(seen[one.subject .. case[1]], "twice: " .. case[1])
        count, seen[one.subject .. case[1]] = count + 1, true
      end
    end
    assert.is_true(count >= 200, count .. " are too few")
  end)
end)
