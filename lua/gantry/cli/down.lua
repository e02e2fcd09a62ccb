-- SPDX-License-Identifier: Apache-2.0
--
--- cli/down.lua: `gantry down`: stops all supervised plugins, those first that need others, and the supervisor; or what
--- one that is gone left running.

local control = require "gantry.cli.control"
local exit_codes = require "gantry.text.exit_codes"
local json = require "gantry.json"
local report = require "gantry.text.report"

local down = {
  summary = "Stop all plugins of a running gantry up, and gantry up itself. The next gantry up starts them again.",
  examples = "  gantry down\n  gantry down --orphans     # what a gantry up that was killed left running",
}

function down.configure(parser)
  control.configure(parser)
  parser:flag("--orphans", "Stop what a gantry up that is gone left running instead.")
  parser:option("--engine", "The engine's address, for --orphans (unix:///path, tcp://host:port)."):argname("URL")
end

---@param value { stopped: string[] }
---@return integer exit_code
local function show(value)
  io.stdout:write(#value.stopped == 0 and "nothing was running\n" or "stopped " .. table.concat(value.stopped, ", ")
    .. "\n")
  return exit_codes.OK
end

---@return integer exit_code
local function stop_orphans(arguments)
  local engine, unreachable = require("gantry").engine(arguments.engine)
  if not engine then return report.failure(unreachable, arguments) end
  local stopped, refused = require("gantry.task").run(require("gantry.supervisor.orphans").stop_all, engine)
  if not stopped or #refused > 0 then return report.failure(refused, arguments) end
  if not arguments.json then return show { stopped = stopped } end
  io.stdout:write(json.line { stopped = json.array(stopped) })
  return exit_codes.OK
end

function down.run(arguments)
  if arguments.orphans then return stop_orphans(arguments) end
  return control.ask(arguments, "POST", "/v1/down", control.types.down, show,
    "; gantry down --orphans ends what a gantry up that is gone left running")
end

return down
