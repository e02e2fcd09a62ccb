-- SPDX-License-Identifier: Apache-2.0
--
--- figures.lua: how well a timer kept its rate, and the policy of the plugins that are launched meanwhile.

local figures = {}

---@class embed.Figures
local Figures = {}
Figures.__index = Figures

---@param period number seconds
---@param clock fun(): number seconds
function figures.new(period, clock)
  local now = clock()
  return setmetatable({ period = period, clock = clock, began = now, last = now, ticks = 0, worst = 0 }, Figures)
end

function Figures:tick()
  local now = self.clock()
  self.ticks = self.ticks + 1
  self.worst = math.max(self.worst, now - self.last)
  self.last = now
end

---Prints ticks, how many there would be without any delay, and the longest time between two, in milliseconds.
function Figures:print()
  local ideal = (self.clock() - self.began) / self.period
  print(("ticks %d of %.0f, at most %.0f ms apart"):format(self.ticks, ideal, self.worst * 1000))
end

---@param name string
---@return table
function figures.policy(name)
  return {
    name = name, image = "gantry-test-kv", tag = "latest", disable_network = true, stop_timeout = 30,
    cookie = { "GANTRY_KV_COOKIE", "6f1b0f6a2d5e4c7f9a83b1d0c2e47a55" },
  }
end

return figures
