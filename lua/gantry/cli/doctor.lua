-- SPDX-License-Identifier: Apache-2.0
--
--- cli/doctor.lua: `gantry doctor`: what would stop a plugin on this machine, and what to do about it.

local doctor = require "gantry.doctor"
local exit_codes = require "gantry.text.exit_codes"
local json = require "gantry.json"
local policy_options = require "gantry.cli.policy_options"
local printable = require "gantry.text.printable"
local task = require "gantry.task"

local verb = {
  summary = "Look for what would stop a plugin here: engine, runtimes, directories, leftovers, and a policy.",
  examples = "  gantry doctor\n  gantry doctor policies/vault.lua\n  gantry doctor --json | jq '.findings[]'",
}

function verb.configure(parser)
  parser:argument("policy", "A policy to look at as well."):args("?"):argname("POLICY")
  parser:option("--engine", "The engine's address (unix:///path, tcp://host:port)."):argname("URL")
  policy_options.site(parser)
end

local MARK = { ok = "ok", warning = "warning", problem = "PROBLEM" }

---@param findings gantry.Finding[]
local function print_text(findings)
  for _, one in ipairs(findings) do
    printable.write_stdout(("%-8s %s: %s\n"):format(MARK[one.level], one.check, one.message))
    if one.remedy then printable.write_stdout("         ", one.remedy, "\n") end
  end
end

---The exit code of the first problem.
---@param findings gantry.Finding[]
---@return integer
local function exit_code(findings)
  for _, one in ipairs(findings) do
    if one.level == "problem" then return one.code and exit_codes.of(one) or exit_codes.FAILED end
  end
  return exit_codes.OK
end

function verb.run(arguments)
  local findings = task.run(doctor.examine, { engine = arguments.engine, policy = arguments.policy,
    print = policy_options.print })
  local code = exit_code(findings)
  if arguments.json then
    io.stdout:write(json.line { ok = code == exit_codes.OK, findings = json.array(findings) })
  else
    print_text(findings)
  end
  return code
end

return verb
