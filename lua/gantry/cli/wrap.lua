-- SPDX-License-Identifier: Apache-2.0
--
--- cli/wrap.lua: `gantry wrap`: puts policies in the place of plugins' binaries.

local exit_codes = require "gantry.text.exit_codes"
local json = require "gantry.json"
local printable = require "gantry.text.printable"
local report = require "gantry.text.report"
local wrap_file = require "gantry.cli.wrap_file"
local wrap_hosts = require "gantry.cli.wrap_hosts"

local wrap = {
  summary = "Put a policy in the place of a plugin's binary, which is kept beside it.",
  examples = "  gantry wrap vault/plugins/auth-jwt\n  gantry wrap --opentofu .\n  gantry unwrap --opentofu .",
}

---@param parser table of argparse's
function wrap.configure_hosts(parser)
  parser:argument("paths", "Binaries, or with a host's flag the folders of that host."):args("*"):argname("PATH")
  for _, host in ipairs(wrap_hosts.list) do
    parser:flag(host.flags, "PATH names " .. host.where .. "."):target(host.title)
  end
end

function wrap.configure(parser)
  wrap.configure_hosts(parser)
  parser:flag("--force", "Also what shows no sign of being a plugin.")
end

---@param result gantry.Wrapped
---@param told boolean whether the host's own checksums are seen to
local function print_result(result, told)
  local text = ("%s: %s"):format(result.path, result.done)
  if result.done == "wrapped" then text = ("%s; the binary is %s"):format(text, result.binary:match "[^/]*$") end
  printable.write_stdout(text, "\n")
  if result.done == "wrapped" and not told then
    printable.write_stdout("  a host that pins its SHA-256 must pin the policy's: ", result.policy_sha256, "\n")
  end
  for _, note in ipairs(result.notes) do printable.write_stdout("  ", note, "\n") end
end

---@return gantry.WrapHost? host, string? wrong
local function host_of(arguments)
  local chosen
  for _, host in ipairs(wrap_hosts.list) do
    if arguments[host.title] and chosen then
      return nil, ("--%s and --%s exclude each other"):format(chosen.title, host.title)
    end
    chosen = arguments[host.title] and host or chosen
  end
  if not chosen and #arguments.paths == 0 then return nil, "name binaries, or a host such as --opentofu" end
  return chosen
end

---@param host gantry.WrapHost?
---@param paths string[]
---@return gantry.WrapItem[]? items, gantry.Error? err
local function items_of(host, paths)
  if host then return wrap_hosts.find(host, paths) end
  local items = {}
  for i, path in ipairs(paths) do items[i] = { path = path } end
  return items
end

---One after the other; what fails does not keep others from being done.
---@param act fun(path: string, host: gantry.WrapHost?): gantry.Wrapped?, gantry.Error?
---@return integer exit_code
function wrap.run_with(arguments, act)
  local host, wrong = host_of(arguments)
  if wrong then
    io.stderr:write("gantry: ", wrong, " (see gantry wrap --help)\n")
    return exit_codes.USAGE
  end
  local items, err = items_of(host, arguments.paths)
  if not items then return report.failure(err, arguments) end
  local results, failures = {}, {}
  for _, item in ipairs(items) do
    local result, failure = act(item.path, host)
    local ok = result ~= nil
    if result and host then ok, failure = host.settle(item, result) end
    if not ok then failures[#failures + 1] = failure end
    results[#results + 1] = result
    if result and not arguments.json then print_result(result, host ~= nil) end
  end
  if arguments.json and #failures == 0 then
    for _, result in ipairs(results) do result.notes = json.array(result.notes) end
    io.stdout:write(json.line { files = json.array(results) })
  end
  return #failures > 0 and report.failure(failures, arguments) or exit_codes.OK
end

function wrap.run(arguments)
  return wrap.run_with(arguments, function(path, host)
    return wrap_file.wrap(path, { host = host, force = arguments.force })
  end)
end

return wrap
