-- SPDX-License-Identifier: Apache-2.0
--
--- cli/repl.lua: `gantry repl` and `gantry -e`: a session at the terminal, or of a chunk that comes from elsewhere.

local core = require "gantry.core"
local exit_codes = require "gantry.text.exit_codes"
local guardian = require "gantry.repl.guardian"
local policy_options = require "gantry.cli.policy_options"
local report = require "gantry.text.report"

local STDIN <const>, STDOUT <const> = 0, 1

local verb = {
  summary = "Try things out, line by line. What was launched ends with the session.",
  examples = "  gantry repl\n  gantry repl policies/demo.lua      # launched, and there as `demo`\n"
    .. "  gantry repl < script.lua\n  gantry -e 'print(engine:info().version)'",
}

function verb.configure(parser)
  parser:argument("policies", "Policies to launch at the start; each is a global of its plugin's name."):args("*")
    :argname("POLICY")
  parser:option("-e --execute", "Run this instead of what is typed."):argname("CODE")
  parser:option("--engine", "The engine's address (unix:///path, tcp://host:port)."):argname("URL")
  policy_options.site(parser)
end

---@return integer exit_code
local function at_terminal(arguments, environment, guard)
  local ok, err = require("gantry.repl.console").run { engine = arguments.engine, policies = arguments.policies,
    guardian = guard, environment = environment }
  return ok and exit_codes.OK or report.failure(err, arguments)
end

function verb.run(arguments)
  local guard = guardian.new { "/proc/self/exe", guardian.VERB }
  if not arguments.execute and core.system.is_terminal(STDIN) and core.system.is_terminal(STDOUT) then
    return at_terminal(arguments, core.system.environment(), guard)
  end
  return require("gantry.repl.script").run {
    text = arguments.execute or io.stdin:read("a"):gsub("^#[^\n]*", ""), name = arguments.execute and "=-e" or "=stdin",
    policies = arguments.policies, engine = arguments.engine, guardian = guard, json = arguments.json,
    verbose = arguments.verbose,
  }
end

return verb
