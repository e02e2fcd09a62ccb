-- SPDX-License-Identifier: Apache-2.0
--
-- patterns/canary.lua: a new image that dies twice in ten minutes gives way to the one before it:
--
--   image = "registry.example/my-plugin", restart = require "patterns.canary"
--
-- An image is new where its tag has moved since the last start, or where the policy's file names another. The one
-- before is pinned by its id, until the policy's file changes; an image that was given up is not come back to. On any
-- other end it has no opinion: see patterns/oom.lua.

local gantry = require "gantry"

local DEATHS <const>, SECONDS <const> = 2, 600

return function(exit, history)
  local deaths, before, given_up = 0, nil, history.state.given_up or {}
  for _, one in ipairs(history.exits) do -- the latest first, this one among them
    if one.image_id ~= exit.image_id then
      if not given_up[one.image_id or ""] then before = before or one.image_id end
    elseif one.ago <= SECONDS and not one.requested and one.cause ~= "engine_error" then
      deaths = deaths + 1
    end
  end
  if not exit.image_id or not before or deaths < DEATHS then return nil end
  given_up[exit.image_id] = true
  history.state.given_up = given_up
  return "restart", { image = before, sha256 = before, tag = gantry.without,
    reason = ("the new image died %d times in 10m, back to %s"):format(deaths, before:sub(8, 19)) }
end
