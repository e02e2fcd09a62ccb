-- SPDX-License-Identifier: Apache-2.0

local t = require "gantry.test"

-- The simulated clock begins with 1970, which is another hour in each time zone.
local NOW <const> = os.date("*t", 12 * 3600).hour

local function decision(from, to, ended)
  local policy = t.load("my.lua", nil, { text = ([[return { image = "x", restart = require "patterns.night" {
    from = %d, to = %d } }]]):format(from % 24, to % 24) })
  return policy:ends({ ended or "unhealthy" }, { uptime = "12h" })[1].decision
end

t.test("who is unhealthy by day is kept, and restarted at night", function()
  t.has(decision(NOW + 1, NOW + 5), { action = "keep", reason = ("unhealthy, but left alone until %d:00"):format(
    (NOW + 1) % 24) })
  t.equal(decision(NOW, NOW + 1).action, "restart")
  t.equal(decision(NOW - 1, NOW).action, "keep")
end)

t.test("a night may go over midnight", function()
  t.equal(decision(NOW - 12, NOW + 1).action, "restart")
  t.equal(decision(NOW + 1, NOW + 13).action, "keep")
end)

t.test("other ends are left to others", function()
  t.matches(decision(NOW + 1, NOW + 5, "lost").reason, "^backoff")
end)

t.test("hours that are none are refused with their line", function()
  for _, hours in ipairs { '{ from = "2am", to = 5 }', "{ from = 25, to = 5 }", "{ to = 5 }", "()" } do
    t.refuses("my.lua", nil, "my.lua:2: patterns.night: from and to are hours",
      { text = 'return { image = "x",\n restart = require "patterns.night"' .. hours .. " }" })
  end
end)
