-- SPDX-License-Identifier: Apache-2.0
--
--- cli/control.lua: what the verbs that speak to a running `gantry up` share.

local client = require "gantry.control.client"
local color = require "gantry.text.color"
local exit_codes = require "gantry.text.exit_codes"
local json = require "gantry.json"
local printable = require "gantry.text.printable"
local report = require "gantry.text.report"

local control = {}

---@param parser table
---@param with_name boolean? whether the verb is about one plugin
function control.configure(parser, with_name)
  if with_name then parser:argument("name", "The plugin's name."):argname("NAME") end
  parser:option("--control", "The control socket of gantry up, instead of the usual one."):argname("PATH")
end

---Asks for one value and shows it.
---@param arguments table
---@param method "GET"|"POST"
---@param path string
---@param wanted gantry.Type of the answer
---@param show fun(value: table): integer? prints it; gives the exit code where it is not 0
---@return integer exit_code
function control.ask(arguments, method, path, wanted, show)
  local one, err = client.open(arguments.control)
  if not one then return report.failure(err, arguments) end
  local value, failure = one:call(method, path, wanted)
  one:close()
  if not value then return report.failure(failure, arguments) end
  if arguments.json then
    io.stdout:write(json.line(value))
    return exit_codes.OK
  end
  return show(value) or exit_codes.OK
end

---Reads a stream until it ends or the user has enough.
---@param arguments table
---@param path string
---@param wanted gantry.Type of each value
---@param show fun(value: table): string printable lines
---@return integer exit_code
function control.follow(arguments, path, wanted, show)
  local one, err = client.open(arguments.control)
  if not one then return report.failure(err, arguments) end
  local ok, failure = one:follow(path, wanted, function(value, line)
    if arguments.json then
      io.stdout:write(value and json.line(value) or line .. "\n")
    elseif value then
      io.stdout:write(show(value))
    else
      printable.write_stdout(line, "\n")
    end
    io.stdout:flush()
  end)
  one:close()
  if not ok then return report.failure(failure, arguments) end
  return exit_codes.OK
end

control.plugin_path = client.plugin_path
control.types = require("gantry.control.answer").types

---A plugin after what was done to it: one line, and whether that is what was wanted.
---@param wanted string state
---@return fun(value: table): integer?
function control.outcome(wanted)
  return function(value)
    local address = value.address
    local more = value.detail and (": " .. value.detail)
      or address and (", %s:%s"):format(address.network, address.string) or ""
    if value.state == wanted then
      printable.write_stdout(("%s: %s%s\n"):format(value.name, value.state, more))
      return exit_codes.OK
    end
    io.stderr:write(color.complaint())
    printable.write_stderr(("plugin '%s' is %s, not %s%s (see gantry why %s)\n"):format(value.name,
      value.state, wanted, more, value.name))
    return exit_codes.PLUGIN
  end
end

return control
