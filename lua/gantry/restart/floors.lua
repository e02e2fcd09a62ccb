-- SPDX-License-Identifier: Apache-2.0
--
--- restart/floors.lua: what no policy can lower: how soon a plugin is started again, and how often.

local floors = {
  -- Seconds from an end to the next start, and how long a plugin must have been ready to be exempt from it.
  delay = 0.1, exempt_after = 1,
  -- Most starts within so many seconds: of one plugin, and of all together.
  plugin = { max = 5, per = 10 },
  overall = { max = 100, per = 10 },
  -- A month: a longer delay is a stop, and should be one.
  longest_delay = 30 * 86400,
}

---Seconds until one more start keeps to a rate.
---@param starts number[] times of past starts, oldest first
---@param rate { max: integer, per: number }
---@param clock number
---@return number wait
function floors.wait_for_rate(starts, rate, clock)
  local oldest = starts[#starts - rate.max + 1]
  if not oldest then return 0 end
  return math.max(0, oldest + rate.per - clock)
end

---Notes a start, and forgets those that no rate asks for any more.
---@param starts number[]
---@param clock number
---@param keep integer
function floors.note_start(starts, clock, keep)
  starts[#starts + 1] = clock
  if #starts > keep then table.remove(starts, 1) end
end

return floors
