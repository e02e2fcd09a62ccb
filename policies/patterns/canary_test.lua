-- SPDX-License-Identifier: Apache-2.0

local t = require "gantry.test"

local OLD <const>, NEW <const> = "sha256:" .. ("a"):rep(64), "sha256:" .. ("b"):rep(64)

local function ends(list)
  for i, one in ipairs(list) do list[i] = { cause = one[3], image_id = one[1], uptime = one[2] } end
  return t.load("my.lua", nil, { text = [[return { image = "x", tag = "1", restart = require "patterns.canary" }]] })
    :ends(list)
end

t.test("a new image that dies twice in ten minutes gives way to the one before it", function()
  local steps = ends { { OLD, "30d" }, { NEW, "1m" }, { NEW, "1m" } }
  t.matches(steps[2].decision.reason, "^backoff")
  t.equal(steps[3].decision.reason, "the new image died 2 times in 10m, back to aaaaaaaaaaaa")
  t.has(steps[3].decision.changes, { image = OLD, sha256 = OLD, tag = { ["gantry.without"] = true } })
end)

t.test("an image that lives, that nothing was before, or that the engine failed, stays", function()
  for _, list in ipairs { { { OLD, "1m" }, { NEW, "1m" }, { NEW, "11m" } }, { { OLD, "1s" }, { OLD, "1s" } },
    { { OLD, "1m" }, { NEW, "1m", "engine_error" }, { NEW, "1m" } } } do
    for _, step in ipairs(ends(list)) do t.equal(step.decision.changes, nil) end
  end
end)

t.test("an image that was given up is not come back to", function()
  local steps = ends { { OLD, "1m" }, { NEW, "1m" }, { NEW, "1m" }, { OLD, "1m" }, { OLD, "1m" } }
  t.equal({ steps[4].decision.changes, steps[5].decision.changes }, {})
end)
