-- SPDX-License-Identifier: Apache-2.0
--
--- cli/test.lua: `gantry test`: runs the tests that lie beside policies. No engine is asked, nothing is started.

local exit_codes = require "gantry.text.exit_codes"
local printable = require "gantry.text.printable"
local report = require "gantry.text.report"
local test_report = require "gantry.text.test_report"
local testing = require "gantry.testing"

local test = {
  summary = "Run the tests of policies, *_test.lua beside them: no engine, no container, no root.",
  examples = "  gantry test policies\n  gantry test --filter memory policies/jwt_test.lua\n"
    .. "  gantry test --coverage --junit report.xml policies",
}

function test.configure(parser)
  parser:argument("paths", "Test files, and folders that are searched for *_test.lua; . where left out."):args("*")
    :argname("FILE|DIR")
  parser:option("--filter", "Only the tests with this text in their names."):argname("TEXT")
  parser:flag("--coverage", "Say which lines of policies no test ran.")
  parser:option("--junit", "Write a report in JUnit's XML as well."):argname("FILE.xml")
end

---@param path string
---@param text string
---@return boolean? ok, string? reason
local function write(path, text)
  local handle, reason = io.open(path, "w")
  if not handle then return nil, reason end
  local written, failure = handle:write(text)
  local closed, unwritten = handle:close()
  return written and closed, failure or unwritten
end

function test.run(arguments)
  local paths, err = testing.find(#arguments.paths > 0 and arguments.paths or { "." })
  if not paths then return report.failure(err, arguments) end
  local run = testing.run(paths, { filter = arguments.filter, coverage = arguments.coverage })
  if arguments.json then io.stdout:write(test_report.json(run)) else
    printable.write_stdout(test_report.text(run, arguments))
  end
  if arguments.junit then
    local ok, reason = write(arguments.junit, test_report.junit(run))
    if not ok then
      io.stderr:write("gantry: --junit: ", reason, "\n")
      return exit_codes.FAILED
    end
  end
  if run.tests == 0 then
    io.stderr:write("gantry: no test was run: there is no *_test.lua, or --filter names none\n")
    return exit_codes.FAILED
  end
  return run.failed == 0 and exit_codes.OK or exit_codes.FAILED
end

return test
