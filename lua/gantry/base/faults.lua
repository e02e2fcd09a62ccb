-- SPDX-License-Identifier: Apache-2.0
--
--- base/faults.lua: what is raised again and again in one place, told apart and counted: the first of its kind is to
--- be told of, later ones only as their number grows tenfold.

local errors = require "gantry.base.errors"

local faults = {}

-- So many different ones are told apart, and so much of the text of each: it may be kept for long.
local MOST_KINDS <const>, LONGEST <const> = 20, 1000
local OTHERS <const> = "others"

---@alias gantry.Faults table<string, integer> how often each was raised, by the first line of its text

---@param known gantry.Faults
---@return integer
local function count_kinds(known)
  local kinds = 0
  for _ in pairs(known) do kinds = kinds + 1 end
  return kinds
end

---Notes one.
---@param known gantry.Faults
---@param err any what was raised
---@return string? text nil where it need not be told of
---@return integer count of its kind
function faults.note(known, err)
  local text = errors.text(err):sub(1, LONGEST):match "^[^\n]*"
  if not known[text] and count_kinds(known) >= MOST_KINDS then text = OTHERS end
  local count = (known[text] or 0) + 1
  known[text] = count
  return ("%d"):format(count):find "^10*$" and text or nil, count
end

return faults
