-- SPDX-License-Identifier: Apache-2.0
--
--- text/color.lua: color for people, where their terminal takes it: not for pipes and files, not where NO_COLOR is set
--- or TERM is dumb. What is painted was made printable before: the sequences are our own.

local core = require "gantry.core"

local color = {}

local STDERR <const> = 2
local PLAIN <const> = "\27[0m"
local STYLES <const> = { error = "\27[31m", warning = "\27[33m", dim = "\27[2m" }
-- Of plugins, one after the other, as docker compose has them: red and yellow are left to errors and warnings.
local NAMES <const> = { "\27[36m", "\27[32m", "\27[35m", "\27[34m", "\27[96m", "\27[92m", "\27[95m", "\27[94m" }

---@class gantry.Color
---@field on boolean
---@field given table<string, string> the colors of names
---@field count integer of names
local Color = {}
Color.__index = Color

---@param descriptor integer
---@param environment table<string, string>? the process's own where nil
---@return gantry.Color
function color.of(descriptor, environment)
  environment = environment or core.system.environment()
  local terminal = environment.TERM or ""
  return setmetatable({ given = {}, count = 0, on = core.system.is_terminal(descriptor) and terminal ~= ""
    and terminal ~= "dumb" and (environment.NO_COLOR or "") == "" }, Color)
end

---@param style "error"|"warning"|"dim"|nil
---@param text string
---@return string
function Color:paint(style, text)
  return self.on and STYLES[style] and STYLES[style] .. text .. PLAIN or text
end

---A plugin's name in its own color, the same one each time.
---@param name string
---@return string
function Color:name(name)
  if not self.on then return name end
  if not self.given[name] then
    self.given[name] = NAMES[self.count % #NAMES + 1]
    self.count = self.count + 1
  end
  return self.given[name] .. name .. PLAIN
end

---What an error of the command's own begins with on standard error.
---@return string
function color.complaint()
  return color.of(STDERR):paint("error", "gantry:") .. " "
end

return color
