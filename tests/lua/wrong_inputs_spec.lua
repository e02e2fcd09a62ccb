-- SPDX-License-Identifier: Apache-2.0
--
--- The wrong inputs of tests/lua/wrong_inputs that need no engine. Those that do are in tests/engine.

local harness = require "lua.wrong_inputs.harness"

harness.define(nil)

describe("the tables of wrong inputs", function()
  it("hold 450 of them", function()
    local count, seen = 0, {}
    for _, one in ipairs(harness.tables()) do
      for _, case in ipairs(one.cases) do
        local name = ("%s: %s"):format(one.subject, case.name or case[1])
        assert.is_nil(seen[name], "twice: " .. name)
        count, seen[name] = count + 1, true
      end
    end
    assert.is_true(count >= 450, count .. " are too few")
  end)
end)
