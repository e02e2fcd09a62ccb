-- SPDX-License-Identifier: Apache-2.0
--
--- top/graph.lua: what a plugin uses over time, and a line of it: one character a reading, the latest at the right.

local graph = {}

local KEPT <const> = 240 -- readings
local BLOCKS <const> = { "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" }
local PLAIN <const> = { "_", ".", ":", "-", "=", "+", "*", "#" }

---@class gantry.Readings of one plugin, the latest last; false where there was none
---@field cpu (number|false)[] shares of one CPU
---@field memory (number|false)[] bytes
local Readings = {}
Readings.__index = Readings

---@return gantry.Readings
function graph.readings()
  return setmetatable({ cpu = {}, memory = {} }, Readings)
end

---@param list (number|false)[]
---@param value number?
local function keep(list, value)
  list[#list + 1] = value or false
  if #list > KEPT then table.remove(list, 1) end
end

---@param share number?
---@param bytes number?
function Readings:add(share, bytes)
  keep(self.cpu, share)
  keep(self.memory, bytes)
end

---@param values (number|false)[]
---@param width integer characters
---@param top number that reaches the upper edge, unless a value that is shown is higher
---@param blocks boolean whether the terminal has block characters
---@return string
function graph.line(values, width, top, blocks)
  local first = math.max(1, #values - width + 1)
  for i = first, #values do top = math.max(top, values[i] or 0) end
  local levels, out = blocks and BLOCKS or PLAIN, { (" "):rep(width - (#values - first + 1)) }
  for i = first, #values do
    local value = values[i]
    out[#out + 1] = value and levels[1 + math.floor(value / math.max(top, 1e-9) * (#levels - 1) + 0.5)] or " "
  end
  return table.concat(out)
end

return graph
