-- SPDX-License-Identifier: Apache-2.0
--
-- patterns/night.lua: a plugin that is unhealthy by day goes on, and is restarted at night, from one hour of the local
-- clock (TZ) to another:
--
--   health = { period = "1m" }, restart = require "patterns.night" { from = 2, to = 5 }
--
-- On any other end, such as a crash, it has no opinion: see patterns/oom.lua. A plugin that is well is restarted at a
-- time of day by whoever knows the time: `0 3 * * * gantry restart my-plugin` in a crontab, or a timer of systemd's.

local gantry = require "gantry"

local function is_hour(value) return math.type(value) == "integer" and value >= 0 and value <= 24 end

---@param night { from: integer, to: integer }
return function(night)
  local from, to = (night or {}).from, (night or {}).to
  if not (is_hour(from) and is_hour(to)) then
    gantry.refuse("restart", "patterns.night: from and to are hours, such as { from = 22, to = 5 }")
  end
  return function(exit, history)
    if exit.cause ~= "unhealthy" or not exit.ready then return nil end -- one that never was well is no loss
    local hour = os.date("*t", math.floor(history.time)).hour
    local is_night = from <= hour and hour < to
    if from > to then is_night = from <= hour or hour < to end
    if not is_night then return "keep", { reason = ("unhealthy, but left alone until %d:00"):format(from) } end
    return "restart", { reason = "unhealthy, and it is night" }
  end
end
