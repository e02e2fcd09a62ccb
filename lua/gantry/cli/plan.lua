-- SPDX-License-Identifier: Apache-2.0
--
--- cli/plan.lua: `gantry plan`: what a launch would create. The image is looked up, nothing is made.

local exit_codes = require "gantry.text.exit_codes"
local gantry = require "gantry"
local json = require "gantry.json"
local policy_options = require "gantry.cli.policy_options"
local printable = require "gantry.text.printable"
local report = require "gantry.text.report"
local site = require "gantry.policy.site"

local plan = {
  summary = "Show what would be created, with nothing started.",
  examples = "  gantry plan policies/demo.lua\n  gantry plan --json policies/demo.lua | jq .request.HostConfig",
}

function plan.configure(parser)
  parser:argument("policy", "The policy file."):argname("POLICY")
  parser:argument("arguments", "Passed to the policy as ctx.args."):args("*"):argname("ARGUMENT")
  parser:option("--name", "Name of this plugin, instead of the policy's.")
  parser:option("--engine", "The engine's address (unix:///path, tcp://host:port)."):argname("URL")
  policy_options.site(parser)
  policy_options.ctx(parser)
  parser:flag("--offline", "Ask no engine: it is what --ctx says, and the image is believed.")
end

---All leaves of a request as `path = value` lines, sorted.
---@param value any
---@param path string
---@param lines string[]
local function flatten(value, path, lines)
  if type(value) ~= "table" then
    lines[#lines + 1] = { path, type(value) == "string" and ("%q"):format(value) or tostring(value) }
    return
  end
  local keys = {}
  for key in pairs(value) do keys[#keys + 1] = key end
  table.sort(keys, function(left, right) return tostring(left) < tostring(right) end)
  for _, key in ipairs(keys) do
    flatten(value[key], type(key) == "number" and ("%s[%d]"):format(path, key) or path == "" and key or path .. "."
      .. key, lines)
  end
end

---@return string
local function source_of(found)
  if not found.binary then return ("image %s (%s…)"):format(found.image, found.image_id:sub(1, 19)) end
  return ("binary %s (%s)"):format(found.binary,
    found.sha256 and "sha256:" .. found.sha256:sub(1, 12) .. "…" or "not looked at")
end

local function print_text(found)
  for _, change in ipairs(found.site or {}) do
    printable.write_stdout(("%s: %s\n"):format(found.name, site.describe(change)))
  end
  printable.write_stdout(("%s: would create on %s%s, from %s\n"):format(found.name, found.engine,
    found.api and (" (API %s)"):format(found.api) or "", source_of(found)))
  local lines = {}
  flatten(found.request, "", lines)
  local width = 0
  for _, line in ipairs(lines) do width = math.max(width, #line[1]) end
  for _, line in ipairs(lines) do printable.write_stdout(("  %-" .. width .. "s  %s\n"):format(line[1], line[2])) end
end

function plan.run(arguments)
  local found, err = gantry.plan(arguments.policy, {
    engine = arguments.engine, name = arguments.name, args = arguments.arguments, verb = "plan",
    ctx = arguments.ctx, offline = arguments.offline, print = policy_options.print,
  })
  if not found then return report.failure(err, arguments) end
  if arguments.json then io.stdout:write(json.line(found)) else print_text(found) end
  return exit_codes.OK
end

return plan
