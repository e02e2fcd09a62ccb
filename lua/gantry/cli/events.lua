-- SPDX-License-Identifier: Apache-2.0
--
--- cli/events.lua: `gantry events`: what happens under a supervisor, as it happens, and what happened lately.

local control = require "gantry.cli.control"
local log_text = require "gantry.text.log_text"
local output_options = require "gantry.cli.output_options"
local words = require "gantry.base.words"

local STDOUT <const> = 1

---@return fun(event: table): string
local function show()
  local text = log_text.new(STDOUT)
  return function(event)
    return ("%s  %s  %s  %s\n"):format(log_text.clock_time(event.time), text:name(event.plugin or "-"),
      text:kind(event.kind, words.pad(event.kind, 8)), text.printable(event.text))
  end
end

return {
  summary = "Show what happens to the plugins of a running gantry up, until Ctrl-C.",
  examples = "  gantry events --since 1h\n  gantry events --json | jq 'select(.kind == \"exit\")'",
  configure = function(parser)
    control.configure(parser)
    output_options.since(parser, "Begin with what happened since then, as far as it is kept")
  end,
  run = function(arguments)
    return control.follow(arguments, output_options.since_query("/v1/events", arguments), control.types.event, show())
  end,
}
