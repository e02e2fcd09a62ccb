-- SPDX-License-Identifier: Apache-2.0
--
--- cli/start.lua: `gantry start`: asks a running supervisor.

local control = require "gantry.cli.control"

return {
  summary = "Start plugins that were stopped or have failed, and wait until they are ready. Where one waits for "
    .. "something, that is said at once.",
  examples = "  gantry start jwt\n  gantry start --wait jwt kv",
  configure = function(parser)
    control.configure(parser, "some")
    parser:flag("--wait", "Wait also for what a plugin waits for: others, the engine, its next try.")
  end,
  run = function(arguments)
    return control.act(arguments, "start", "ready")
  end,
}
