-- SPDX-License-Identifier: Apache-2.0
--
--- cli/control.lua: what the verbs that speak to a running `gantry up` share.

local client = require "gantry.control.client"
local color = require "gantry.text.color"
local errors = require "gantry.base.errors"
local exit_codes = require "gantry.text.exit_codes"
local json = require "gantry.json"
local printable = require "gantry.text.printable"
local report = require "gantry.text.report"
local units = require "gantry.base.units"

local control = {}

---What stands where a plugin's name is wanted: a path is none.
---@param text string
---@return string? name, string? reason
local function plugin_name(text)
  local types, values = require "gantry.base.types", require "gantry.config.values"
  local name, reason = types.first_finding(values.plugin_name, text, "a plugin's name")
  return name, reason and reason .. "; gantry ps lists the plugins"
end

---@param parser table
---@param names "one"|"some"|nil of how many plugins the verb is
function control.configure(parser, names)
  if names == "one" then parser:argument("name", "The plugin's name."):argname("NAME"):convert(plugin_name) end
  if names == "some" then
    parser:argument("names", "Names of plugins."):args("+"):argname("NAME"):convert(plugin_name)
  end
  parser:option("--control", "The control socket of gantry up, instead of the usual one."):argname("PATH")
end

---@param arguments table
---@param method "GET"|"POST"
---@param path string
---@param wanted gantry.Type of the answer
---@return table? value, gantry.Error? err
local function request(arguments, method, path, wanted)
  local one, err = client.open(arguments.control)
  if not one then return nil, err end
  local value, failure = one:call(method, path, wanted)
  one:close()
  return value, failure
end

---@param arguments table
---@param value table
---@param show fun(value: table): integer?
---@param judge (fun(value: table): integer)?
---@return integer exit_code
local function tell(arguments, value, show, judge)
  if not arguments.json then return show(value) or exit_codes.OK end
  io.stdout:write(json.line(value))
  return judge and judge(value) or exit_codes.OK
end

---Asks for one value and shows it.
---@param arguments table
---@param method "GET"|"POST"
---@param path string
---@param wanted gantry.Type of the answer
---@param show fun(value: table): integer? prints it; gives the exit code where it is not 0
---@param advice string? more to say where no gantry up is running
---@return integer exit_code
function control.ask(arguments, method, path, wanted, show, advice)
  local value, err = request(arguments, method, path, wanted)
  if value then return tell(arguments, value, show) end
  if advice and err.code == "NOT_SUPERVISING" then
    err = errors.new(err.code, err.message .. advice, { cause = err.cause })
  end
  return report.failure(err, arguments)
end

---@param names string[]
---@return string[] each once
local function each_once(names)
  local list, seen = {}, {}
  for _, name in ipairs(names) do
    if not seen[name] then list[#list + 1], seen[name] = name, true end
  end
  return list
end

---@param names string[]
---@param fn fun(name: string): any, any
---@param take fun(...: any) is given the results, in the names' order, each as soon as those before are there
function control.for_each(names, fn, take)
  local task = require "gantry.task"
  local jobs, results, shown = {}, {}, 0
  for i, name in ipairs(each_once(names)) do
    jobs[i] = function()
      results[i] = table.pack(fn(name))
      while results[shown + 1] do
        shown = shown + 1
        take(table.unpack(results[shown], 1, results[shown].n))
      end
    end
  end
  task.run(task.all, table.unpack(jobs))
end

---Asks the same of each plugin that was named, all at once.
---@param arguments table
---@param method "GET"|"POST"
---@param action string the last part of the path
---@param wanted gantry.Type of each answer
---@param show fun(value: table): integer?
---@param judge (fun(value: table): integer)? the exit code where the value itself is printed
---@param further (fun(value: table): string?)? the action that is asked for after such an answer, to be shown instead
---@return integer exit_code the first that is not 0
function control.ask_each(arguments, method, action, wanted, show, judge, further)
  local failures, told, code = {}, {}, exit_codes.OK
  local function ask(name, what) return request(arguments, method, client.plugin_path(name, what), wanted) end
  control.for_each(arguments.names, function(name)
    local value, err = ask(name, action)
    local more = value and further and further(value)
    if more then return ask(name, more) end
    return value, err
  end, function(value, err)
    if err and not told[err.message] then failures[#failures + 1], told[err.message] = err, true end
    local came = value and tell(arguments, value, show, judge) or exit_codes.OK
    if code == exit_codes.OK then code = came end
  end)
  if #failures == 0 then return code end
  local failed = report.failure(failures, arguments)
  return code ~= exit_codes.OK and code or failed
end

---@class gantry.Sieve what is shown of a stream
---@field wants fun(value: table): boolean
---@field tail integer how many, at most, of the values that it begins with

---@param sieve gantry.Sieve
---@param write fun(value: table?, line: string): boolean
---@return fun(value: table?, line: string): boolean take holds back until it is known which values are the last
---@return fun() release
local function sifted(sieve, write)
  local held = {}
  local function take(value, line)
    if value and not sieve.wants(value) then return true end
    if not held then return write(value, line) end
    held[#held + 1] = { value, line }
    if #held > sieve.tail then table.remove(held, 1) end
    return true
  end
  return take, function()
    local list = held or {}
    held = nil
    for _, one in ipairs(list) do
      if not write(one[1], one[2]) then break end
    end
  end
end

---Reads a stream until it ends or the user has enough.
---@param arguments table
---@param path string
---@param wanted gantry.Type of each value
---@param show fun(value: table): string printable lines
---@param sieve gantry.Sieve? all of it where nil
---@return integer exit_code
function control.follow(arguments, path, wanted, show, sieve)
  local one, err = client.open(arguments.control)
  if not one then return report.failure(err, arguments) end
  local function write(value, line)
    if arguments.json then
      io.stdout:write(value and json.line(value) or line .. "\n")
    elseif value then
      io.stdout:write(show(value))
    else
      printable.write_stdout(line, "\n")
    end
    return io.stdout:flush() ~= nil
  end
  local take, release = write, nil
  if sieve then take, release = sifted(sieve, write) end
  local ok, failure = one:follow(path, wanted, take, release)
  one:close()
  if not ok then return report.failure(failure, arguments) end
  return exit_codes.OK
end

control.plugin_path = client.plugin_path
control.types = require("gantry.control.answer").types

---Why a plugin is as it is.
---@param value table
---@return string? reason
local function reason_of(value)
  local exit = value.last_exit
  if not value.next_start or not exit then return value.detail end
  return ("%s, next try in %s"):format(exit.error or exit.text or "?", units.format_seconds(value.next_start))
end

-- States that lead to a plugin that is ready, sooner or later.
local ON_ITS_WAY <const> = { backoff = true, waiting = true, adopting = true }

---Has something done to each plugin that was named: one line tells what came of it.
---@param arguments table wait: for whatever a plugin waits for, once that is told
---@param action "start"|"stop"|"restart"
---@param wanted string state
---@return integer exit_code PLUGIN where one did not come to be as it was wanted
function control.act(arguments, action, wanted)
  local function await(value)
    if not arguments.wait or not ON_ITS_WAY[value.state] then return nil end
    local reason = reason_of(value)
    printable.write_stderr(("%s: is %s%s\n"):format(value.name, value.state, reason and ": " .. reason or ""))
    return "start?wait=1"
  end
  local function judge(value) return value.state == wanted and exit_codes.OK or exit_codes.PLUGIN end
  return control.ask_each(arguments, "POST", action, control.types.plugin, function(value)
    local address, reason = value.address, reason_of(value)
    if value.state == wanted then
      local more = reason and ": " .. reason or address and (", %s:%s"):format(address.network, address.string) or ""
      printable.write_stdout(("%s: %s%s\n"):format(value.name, value.state, more))
      return judge(value)
    end
    local may_wait = wanted == "ready" and ON_ITS_WAY[value.state] and "; --wait waits for it" or ""
    io.stderr:write(color.complaint())
    printable.write_stderr(("plugin '%s' is %s, not %s%s (see gantry why %s%s)\n"):format(value.name, value.state,
      wanted, reason and ": " .. reason or "", value.name, may_wait))
    return judge(value)
  end, judge, await)
end

return control
