-- SPDX-License-Identifier: Apache-2.0
--
--- text/simulation.lua: the table of what a policy would decide, as `gantry simulate` and the REPL print it.

local table_text = require "gantry.text.table_text"
local text = require "gantry.restart.text"
local units = require "gantry.base.units"

local simulation = {}

---@param steps gantry.SimulatedStep[]
---@return string lines
function simulation.format(steps)
  local rows = { { "AT", "GEN", "END", "UP", "DECISION", "CHANGES" } }
  for _, step in ipairs(steps) do
    rows[#rows + 1] = { units.format_seconds(step.at), tostring(step.generation), text.exit_short(step.exit),
      units.format_seconds(step.exit.uptime), text.decision(step.decision), text.changes(step.decision.changes) }
  end
  return table_text.format(rows)
end

return simulation
