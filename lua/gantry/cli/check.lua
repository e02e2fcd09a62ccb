-- SPDX-License-Identifier: Apache-2.0
--
--- cli/check.lua: `gantry check`: reads policies and prints what is wrong with them, each with file and line.

local core = require "gantry.core"
local errors = require "gantry.errors"
local exit_codes = require "gantry.cli.exit_codes"
local gantry = require "gantry"
local json = require "gantry.json"
local printable = require "gantry.cli.printable"

local check = {
  summary = "Check policies: each finding with file and line. Nothing is started.",
  examples = "  gantry check policies/*.lua\n  gantry check --json policies/demo.lua",
}

function check.configure(parser)
  parser:argument("policies", "Policy files."):args("+"):argname("POLICY")
  parser:option("--engine", "The engine that policies see in ctx.engine."):argname("URL")
end

---A policy without an image is a base that others extend.
---@param err gantry.Error
local function is_base(err)
  return err.field == "image" and err.kind == "missing"
end

---@param path string
---@return gantry.Error[] found
---@return boolean base whether the policy only serves others
local function findings(path, options)
  local policy, err = gantry.load(path, { engine = options.engine, verb = "check" })
  if policy then return {}, false end
  local found = errors.is(err) and { err } or err
  if #found == 1 and is_base(found[1]) then return {}, true end
  return found, false
end

local function print_text(path, found, base)
  for _, err in ipairs(found) do printable.write_stdout(err.message, "\n") end
  if #found > 0 or not core.system.is_terminal(1) then return end
  io.stdout:write(path, base and ": ok, a base for others (it names no image)\n" or ": ok\n")
end

local function as_json(path, found, base)
  local list = {}
  for i, err in ipairs(found) do
    list[i] = { code = err.code, message = err.message, file = err.file, line = err.line, field = err.field }
  end
  return { policy = path, ok = #found == 0, base = base, findings = json.array(list) }
end

function check.run(arguments)
  local code, results = exit_codes.OK, {}
  for _, path in ipairs(arguments.policies) do
    local found, base = findings(path, arguments)
    if #found > 0 and code == exit_codes.OK then code = exit_codes.of(found[1]) end
    if arguments.json then
      results[#results + 1] = as_json(path, found, base)
    else
      print_text(path, found, base)
    end
  end
  if arguments.json then io.stdout:write(json.encode { policies = json.array(results) }, "\n") end
  return code
end

return check
