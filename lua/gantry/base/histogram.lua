-- SPDX-License-Identifier: Apache-2.0
--
--- base/histogram.lua: how often values fell where, and their sum: as Prometheus has it.

local histogram = {}

---@class gantry.Histogram
---@field bounds number[] upper ones, which count as below; ascending
---@field counts integer[] of values up to each bound and above the one before; the last is of those above all
---@field count integer
---@field sum number
local Histogram = {}
Histogram.__index = Histogram

---@param bounds number[]
---@return gantry.Histogram
function histogram.new(bounds)
  local counts = {}
  for i = 1, #bounds + 1 do counts[i] = 0 end
  return setmetatable({ bounds = bounds, counts = counts, count = 0, sum = 0.0 }, Histogram)
end

---@param value number
function Histogram:observe(value)
  local at = 1
  while self.bounds[at] and value > self.bounds[at] do at = at + 1 end
  self.counts[at] = self.counts[at] + 1
  self.count, self.sum = self.count + 1, self.sum + value
end

return histogram
