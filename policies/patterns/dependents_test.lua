-- SPDX-License-Identifier: Apache-2.0

local t = require "gantry.test"

t.test("those that need it are restarted with it, each time after a longer delay", function()
  local db = t.load("db.lua", nil, { text = 'return { image = "db", restart = require "patterns.dependents" }' })
  local steps = db:ends { 1, 1 }
  t.equal({ steps[1].decision.scope, steps[2].decision.scope }, { "dependents", "dependents" })
  t.equal({ steps[1].decision.action, steps[1].decision.reason }, { "restart", "and those that need it" })
  t.ok(steps[2].decision.delay > steps[1].decision.delay)
end)
