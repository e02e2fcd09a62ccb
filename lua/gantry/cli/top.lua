-- SPDX-License-Identifier: Apache-2.0
--
--- cli/top.lua: `gantry top`: the plugins of a running supervisor on one screen, live.

local control = require "gantry.cli.control"
local errors = require "gantry.base.errors"
local exit_codes = require "gantry.text.exit_codes"
local plugin_columns = require "gantry.text.plugin_columns"
local report = require "gantry.text.report"

---@param text string
---@return string? name, string? reason
local function sort_column(text)
  local column, reason = plugin_columns.find(text)
  return column and column.name, reason and "--sort: " .. reason
end

---@param arguments table
---@return boolean? ok, gantry.Error? err
local function run(arguments)
  if arguments.json then
    return nil, errors.new("USAGE", "gantry top is for people; `gantry ps --json` prints for programs")
  end
  local session = require "gantry.top.session"
  local able, err = session.check()
  if not able then return nil, err end
  return session.run(arguments)
end

return {
  summary = "Watch the plugins of a running gantry up on one screen: what they use, what happens to them and their "
    .. "output; start, stop and restart them there. `?` tells the keys.",
  examples = "  gantry top\n  gantry top --sort memory",
  configure = function(parser)
    control.configure(parser)
    parser:option("--sort", "By which column of gantry ps: numbers the largest first, texts by the alphabet.")
      :argname("COLUMN"):convert(sort_column)
  end,
  run = function(arguments)
    local ok, err = run(arguments)
    return ok and exit_codes.OK or report.failure(err, arguments)
  end,
}
