-- SPDX-License-Identifier: Apache-2.0
--
--- supervisor/guard.lua: calls whatever takes something of a plugin: its output, its events, who reads along. What one
--- of them raises is a fault of gantry's in dealing with that plugin: it stands in the plugin's journal, and the loop,
--- the other takers and the other plugins go on.

local errors = require "gantry.base.errors"

local guard = {}

-- So many different faults of a plugin are told apart; the journal has no room for more, nor for a longer text.
local MOST_KNOWN <const>, LONGEST <const> = 20, 1000

---Notes a fault: the first of its kind in full, later ones only as their number grows tenfold.
---@param unit gantry.Unit
---@param err any
local function note(unit, err)
  local text = errors.text(err):sub(1, LONGEST):match("^[^\n]*")
  local known = unit.faults or { kinds = 0, counts = {} }
  unit.faults = known
  if not known.counts[text] and known.kinds >= MOST_KNOWN then text = "others" end
  if not known.counts[text] then known.kinds = known.kinds + 1 end
  local count = (known.counts[text] or 0) + 1
  known.counts[text] = count
  if count == 1 then
    unit:note("fault", "a fault of gantry: " .. text)
  elseif ("%d"):format(count):find("^10+$") then
    unit:note("fault", ("a fault of gantry, %d times: %s"):format(count, text))
  end
end

---@param unit gantry.Unit whose journal takes what goes wrong
---@param fn fun(...) must not wait
---@param ... any
function guard.call(unit, fn, ...)
  local ok, err = xpcall(fn, errors.traced, ...)
  if not ok then note(unit, err) end
end

return guard
