-- SPDX-License-Identifier: Apache-2.0
--
--- cli/output_options.lua: options that the verbs which print plugins' output have in common.

local settings = require "gantry.policy.settings"

local output_options = {}

---@param parser table of argparse's
function output_options.timestamps(parser)
  parser:flag("--timestamps", "Begin each line with its time, as is done on a terminal.")
  parser:flag("--no-timestamps", "Leave the time out on a terminal, too."):target("timestamps"):action "store_false"
end

---@param arguments table
---@return boolean? wanted nil where nobody says
function output_options.wants_timestamps(arguments)
  if arguments.timestamps ~= nil then return arguments.timestamps end
  return settings.get "timestamps"
end

return output_options
