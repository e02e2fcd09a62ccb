-- SPDX-License-Identifier: Apache-2.0
--
--- cli/restart.lua: `gantry restart`: asks a running supervisor.

local control = require "gantry.cli.control"

return {
  summary = "Stop plugins in order, start them anew, and wait until they are ready. Where one waits for something, "
    .. "that is said at once.",
  examples = "  gantry restart jwt\n  gantry restart --wait jwt kv",
  configure = function(parser)
    control.configure(parser, "some")
    parser:flag("--wait", "Wait also for what a plugin waits for: others, the engine, its next try.")
  end,
  run = function(arguments)
    return control.act(arguments, "restart", "ready")
  end,
}
