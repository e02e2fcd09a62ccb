-- SPDX-License-Identifier: Apache-2.0
--
--- cli/takes.lua: what a verb takes: its options and arguments, for the manual and for completion.

local takes = {}

---@class gantry.Taken
---@field kind "argument"|"option"|"flag"
---@field name string as it is declared: "-n --lines"
---@field text string
---@field argname string?
---@field args string? "?", "*" or "+"
---@field choices string[]?
---@field hidden boolean?

---@param configure fun(parser: table) declares them to a parser of argparse's
---@return gantry.Taken[] but for what is hidden
function takes.of(configure)
  local list = {}
  local function recorder(kind)
    return function(_, name, text)
      local one = { kind = kind, name = name, text = text or "" }
      list[#list + 1] = one
      return setmetatable({}, { __index = function(_, fact)
        return function(self, value)
          one[fact] = value == nil or value
          return self
        end
      end })
    end
  end
  local parser = { argument = recorder "argument", option = recorder "option", flag = recorder "flag" }
  -- Whatever else a parser is told.
  configure(setmetatable(parser, { __index = function() return function(self) return self end end }))
  local shown = {}
  for _, one in ipairs(list) do
    if not one.hidden then shown[#shown + 1] = one end
  end
  return shown
end

return takes
