-- SPDX-License-Identifier: Apache-2.0
--
--- The wrong inputs of tests/lua/wrong_inputs that need an engine.

local harness = require "lua.wrong_inputs.harness"

for _, one in ipairs(harness.tables()) do
  if one.engine then
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
