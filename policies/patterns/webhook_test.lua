-- SPDX-License-Identifier: Apache-2.0

local t = require "gantry.test"

local function text(hook)
  return { text = ([[local gantry = require "gantry"
return gantry.extend(require "patterns.webhook" { %s }, { image = "x" })]]):format(hook) }
end

t.test("it slows down once there were too many restarts", function()
  local steps = t.load("my.lua", nil, text 'url = "http://h/1", max = 2, per = "5m", slow = "7m"'):ends { 1, 1, 1 }
  t.ok(steps[2].decision.delay < 1, "backoff until then")
  t.has(steps[3].decision, { delay = 420, reason = "2 restarts in 5m, slowing down" })
end)

t.test("it tells the webhook of these ends alone", function()
  local steps = t.load("my.lua", nil, text 'url = "http://h/1", max = 1'):ends { "lost", 3 }
  t.equal(steps[1].command, nil)
  t.equal(steps[2].command[9], '{"text":"my ended (exit 3): 1 restarts in 10m, slowing down"}')
  t.equal({ steps[2].command[1], steps[2].command[11] }, { "/usr/bin/curl", "http://h/1" })
end)

t.test("what it cannot take is refused with its line", function()
  t.refuses("my.lua", nil, "my.lua:2: patterns.webhook: it takes { url =", text "")
  t.refuses("my.lua", nil, "my.lua:2: patterns.webhook: it takes { url =", text 'url = "http://h/1", slow = "soon"')
end)
