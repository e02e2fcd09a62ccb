-- SPDX-License-Identifier: Apache-2.0
--
--- cli/check.lua: `gantry check`: reads policies and prints what is wrong with them, each with file and line.

local bases = require "gantry.policy.bases"
local core = require "gantry.core"
local errors = require "gantry.base.errors"
local exit_codes = require "gantry.text.exit_codes"
local gantry = require "gantry"
local json = require "gantry.json"
local policy_options = require "gantry.cli.policy_options"
local policies = require "gantry.policy"
local printable = require "gantry.text.printable"
local report = require "gantry.text.report"
local site = require "gantry.policy.site"

local check = {
  summary = "Check policies: each finding with file and line. Nothing is started.",
  examples = "  gantry check policies/*.lua\n  gantry check --site /etc/gantry/site.lua policies/*.lua\n"
    .. "  gantry check --json policies/demo.lua",
}

function check.configure(parser)
  parser:argument("policies", "Policy files."):args("*"):argname("POLICY")
  parser:option("--engine", "The engine that policies see in ctx.engine."):argname("URL")
  policy_options.site(parser)
  policy_options.ctx(parser)
end

---A policy without an image can only be a base that others extend.
---@param found gantry.Error[]
---@return boolean
local function lacks_image_alone(found)
  return #found == 1 and found[1].field == "image" and found[1].kind == "missing"
end

---@class gantry.Checked
---@field path string
---@field real string its path without links
---@field errors gantry.Error[]? what is wrong
---@field seen table<string, gantry.SeenFile> what it was read from

---@param path string
---@return gantry.Checked
local function load(path, options)
  local seen = {}
  local function on_read(read, what) seen[core.system.real_path(read) or read] = what end
  local policy, err = gantry.load(path, { engine = options.engine, ctx = options.ctx, verb = "check",
    on_read = on_read, print = policy_options.print })
  local found = not policy and (errors.is(err) and { err } or err) or nil
  return { path = path, real = core.system.real_path(path) or path, errors = found, seen = seen }
end

---@param one gantry.Checked
---@param seen_by table<string, table>
---@return gantry.Error[] found
---@return boolean base whether the policy only serves others
local function findings(one, seen_by)
  if not one.errors then return {}, false end
  if lacks_image_alone(one.errors) or bases.is_base(one.real, one.errors, seen_by) then return {}, true end
  return one.errors, false
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

---What a pattern such as policies/*.lua names, but for tests and the site policy.
---@param paths string[]
---@return string[]
local function policies_among(paths)
  local list = {}
  for _, path in ipairs(paths) do
    if not site.is_no_policy(path) then list[#list + 1] = path end
  end
  return list
end

---The site policy by itself: where it is broken, that is said once and not of each policy.
---@return gantry.Error? broken
local function check_site(arguments)
  local place = site.where()
  if place.optional and not core.system.stat(place.path) then return nil end
  local ok, err = policies.check_site(place.path)
  if not ok then return err end
  if not arguments.json and core.system.is_terminal(1) then io.stdout:write(place.path, ": ok, a site policy\n") end
end

function check.run(arguments)
  if #arguments.policies == 0 and not arguments.site then
    io.stderr:write("gantry: name policies, or a site policy with --site (see gantry check --help)\n")
    return exit_codes.USAGE
  end
  local broken = check_site(arguments)
  if broken then return report.failure(broken, arguments) end
  local code, results, loaded, seen_by = exit_codes.OK, {}, {}, {}
  for i, path in ipairs(policies_among(arguments.policies)) do
    loaded[i] = load(path, arguments)
    seen_by[loaded[i].real] = loaded[i].seen
  end
  for _, one in ipairs(loaded) do
    local path = one.path
    local found, base = findings(one, seen_by)
    if #found > 0 and code == exit_codes.OK then code = exit_codes.of(found[1]) end
    if arguments.json then
      results[#results + 1] = as_json(path, found, base)
    else
      print_text(path, found, base)
    end
  end
  if arguments.json then io.stdout:write(json.line { policies = json.array(results) }) end
  return code
end

return check
