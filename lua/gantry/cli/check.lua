-- SPDX-License-Identifier: Apache-2.0
--
--- cli/check.lua: `gantry check`: reads policies and prints what is wrong with them, each with file and line; then what
--- could not be told without an engine.

local bases = require "gantry.policy.bases"
local core = require "gantry.core"
local errors = require "gantry.base.errors"
local exit_codes = require "gantry.text.exit_codes"
local folder = require "gantry.policy.folder"
local gantry = require "gantry"
local later = require "gantry.base.later"
local json = later "gantry.json"
local offline = require "gantry.doctor.offline"
local policy_options = require "gantry.cli.policy_options"
local policy_set = require "gantry.doctor.policy_set"
local policies = require "gantry.policy"
local printable = require "gantry.text.printable"
local report = require "gantry.text.report"
local site = require "gantry.policy.site"

local check = {
  summary = "Check policies: each finding with file and line. Nothing is started, and no engine is asked.",
  examples = "  gantry check policies/*.lua\n  gantry check policies       # as one set, as gantry up reads it\n"
    .. "  gantry check --site /etc/gantry/site.lua policies/*.lua\n  gantry check --json policies/demo.lua",
}

function check.configure(parser)
  parser:argument("policies", "Policy files, or folders of them."):args("*"):argname("POLICY")
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
---@field folder string that it is one of a set in
---@field policy gantry.Policy? where it is valid
---@field errors gantry.Error[] what is wrong
---@field warnings gantry.Error[] what may be wrong
---@field base boolean? whether the policy only serves others
---@field seen table<string, gantry.SeenFile> what it was read from

---The file that a policy names instead of an image, as its launch looks at it.
---@param policy gantry.Policy
---@return gantry.Error? err
local function check_binary(policy)
  if not policy.config.binary then return nil end
  local found <close>, err = require("gantry.plugin.binary").open(policy.config, { policy = policy.path })
  if found then return nil end
  local path, line = policy.loader:locate(err.field)
  return errors.new(err.code, ("%s:%d: %s"):format(path, line, err.message), { file = path, line = line,
    field = err.field })
end

---@param path string
---@return string
local function real(path) return core.system.real_path(path) or path end

---@param path string
---@return string
local function folder_of(path) return path:match "^(.+)/[^/]*$" or path:sub(1, 1) == "/" and "/" or "." end

---@param path string
---@return gantry.Checked
local function load(path, options)
  local seen = {}
  local function on_read(read, what) seen[real(read)] = what end
  local policy, err = gantry.load(path, { engine = options.engine, ctx = options.ctx, verb = "check",
    on_read = on_read, print = policy_options.print })
  local found, warnings = errors.is(err) and { err } or err, {}
  if policy then found, warnings = offline.findings(policy, options.ctx ~= nil) end
  local unusable = policy and check_binary(policy)
  if unusable then found[#found + 1] = unusable end
  return { path = path, real = real(path), folder = real(folder_of(path)), seen = seen,
    policy = policy, errors = found, warnings = warnings }
end

---What is named on the command line, folders as what is in them; tests and the site policy are none, which a pattern
---such as policies/*.lua names as well.
---@param named string[]
---@return string[]? paths
---@return gantry.Error|table<string, true> err_or_folders folders that are there as a whole
local function policies_among(named)
  local list, folders, there = {}, {}, {}
  for _, path in ipairs(named) do
    local status = core.system.stat(path)
    local paths, err = { path }, nil
    if status and status.type == "directory" then
      path = path:gsub("(.)/+$", "%1")
      folders[real(path)] = true
      paths, err = folder.policies(path)
    end
    if not paths then return nil, err end
    for _, one in ipairs(paths) do
      -- A link is a policy of its own: its name is another.
      local place = real(folder_of(one)) .. "/" .. one:match "[^/]*$"
      if not there[place] and not site.is_no_policy(one) then list[#list + 1] = one end
      there[place] = true
    end
  end
  return list, folders
end

---What is wrong with those of one folder together.
---@param checked gantry.Checked[]
---@param folders table<string, true>
local function check_sets(checked, folders)
  local sets = {}
  for _, one in ipairs(checked) do
    if not one.base then
      local set = sets[one.folder] or {}
      sets[one.folder] = set
      set[#set + 1] = { path = one.path, policy = one.policy,
        add = function(err) one.errors[#one.errors + 1] = err end }
    end
  end
  for path, set in pairs(sets) do
    table.sort(set, function(left, right) return left.path < right.path end)
    policy_set.check(set, folders[path] ~= nil)
  end
end

---Whether a policy is none, but a base for others.
---@param one gantry.Checked
---@param seen_by table<string, table>
local function find_base(one, seen_by)
  if one.policy then return end
  one.base = bases.is_base(one.real, one.errors, seen_by)
  if not one.base and lacks_image_alone(one.errors) then
    local err = one.errors[1]
    one.base, one.warnings = true, { errors.new(err.code, ("%s:%d: warning: names neither image nor binary, so that it "
      .. "can only be a base that other policies require"):format(err.file, err.line), { file = err.file,
      line = err.line, field = err.field }) }
  end
  if one.base then one.errors = {} end
end

---@param one gantry.Checked
local function print_text(one)
  for _, err in ipairs(one.errors) do printable.write_stdout(err.message, "\n") end
  for _, err in ipairs(one.warnings) do printable.write_stderr(err.message, "\n") end
  if #one.errors > 0 or not core.system.is_terminal(1) then return end
  io.stdout:write(one.path, one.base and ": ok, a base for others (it names no image)\n" or ": ok\n")
end

---@param list gantry.Error[]
local function plain(list)
  local found = {}
  for i, err in ipairs(list) do
    found[i] = { code = err.code, message = err.message, file = err.file, line = err.line, field = err.field }
  end
  return json.array(found)
end

---@param one gantry.Checked
local function as_json(one)
  return { policy = one.path, ok = #one.errors == 0, base = one.base or false, findings = plain(one.errors),
    warnings = plain(one.warnings),
    unchecked = json.array(one.policy and offline.unchecked(one.policy.config) or {}) }
end

---Says what of them nobody but an engine could tell.
---@param checked gantry.Checked[]
local function tell_unchecked(checked)
  local names, seen = {}, {}
  for _, one in ipairs(checked) do
    for _, name in ipairs(one.policy and #one.errors == 0 and offline.unchecked(one.policy.config) or {}) do
      if not seen[name] then names[#names + 1] = name end
      seen[name] = true
    end
  end
  if #names == 0 then return end
  io.stderr:write(("gantry: not checked, since that takes an engine: %s; `gantry doctor POLICY` asks it\n"):format(
    table.concat(names, ", ")))
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

---@param arguments table
---@return gantry.Checked[]? checked, gantry.Error? err
local function check_all(arguments)
  local paths, folders = policies_among(arguments.policies)
  if not paths then return nil, folders end
  local checked, seen_by = {}, {}
  for i, path in ipairs(paths) do
    checked[i] = load(path, arguments)
    seen_by[checked[i].real] = checked[i].seen
  end
  for _, one in ipairs(checked) do find_base(one, seen_by) end
  check_sets(checked, folders)
  if #paths == 0 and next(folders) then
    return nil, errors.new("POLICY_NOT_FOUND", ("%s: holds no policy, which is a file that ends in .lua"):format(
      next(folders)))
  end
  return checked
end

function check.run(arguments)
  if #arguments.policies == 0 and not arguments.site then
    io.stderr:write("gantry: name policies, or a site policy with --site (see gantry check --help)\n")
    return exit_codes.USAGE
  end
  local broken = check_site(arguments)
  if broken then return report.failure(broken, arguments) end
  local checked, err = check_all(arguments)
  if not checked then return report.failure(err, arguments) end
  local code, results = exit_codes.OK, {}
  for i, one in ipairs(checked) do
    if #one.errors > 0 and code == exit_codes.OK then code = exit_codes.of(one.errors[1]) end
    if arguments.json then results[i] = as_json(one) else print_text(one) end
  end
  if arguments.json then
    io.stdout:write(json.line { policies = json.array(results) })
  else
    tell_unchecked(checked)
  end
  return code
end

return check
