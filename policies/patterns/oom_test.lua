-- SPDX-License-Identifier: Apache-2.0

local t = require "gantry.test"

local function load(fields)
  return t.load("my.lua", nil, { text = ('return { image = "x", %s }'):format(fields) })
end

t.test("memory doubles with each death for it, and stops at the ceiling", function()
  local steps = load 'memory = "128MiB", restart = require "patterns.oom" "300MiB"':ends { oom = 4 }
  local limits = {}
  for i, step in ipairs(steps) do limits[i] = step.memory >> 20 end
  t.equal(limits, { 128, 256, 300, 300 })
  t.equal(steps[1].decision.reason, "out of memory, from now on 256MiB")
  t.matches(steps[4].decision.reason, "^backoff")
end)

t.test("other ends, and a plugin without a limit, are left to others", function()
  local both = 'restart = require("gantry.restart").first_of(require "patterns.oom" "1GiB", "stop")'
  t.equal(load('memory = "64MiB", ' .. both):ends({ 3 })[1].decision.action, "stop")
  t.equal(load(both):ends({ "oom" })[1].decision.action, "stop")
end)

t.test("a ceiling that is no size is refused with its line", function()
  t.refuses("my.lua", nil, "my.lua:2: patterns.oom: the ceiling must be",
    { text = 'return { image = "x",\n restart = require "patterns.oom" "much" }' })
end)
