-- SPDX-License-Identifier: Apache-2.0
--
--- cli/simulate.lua: `gantry simulate`: what a policy would decide on ends that are made up, on a clock of its own.

local exit_codes = require "gantry.text.exit_codes"
local json = require "gantry.json"
local policy_options = require "gantry.cli.policy_options"
local printable = require "gantry.text.printable"
local report = require "gantry.text.report"
local simulation = require "gantry.text.simulation"
local units = require "gantry.base.units"

local simulate = {
  summary = "Show what a policy would decide when its plugin ends, with nothing started.",
  examples = "  gantry simulate policies/jwt.lua --oom 3\n"
    .. "  gantry simulate policies/jwt.lua --uptime 2m --exit 1x5 --exit 2\n"
    .. "  gantry simulate --json policies/jwt.lua --signal SEGV | jq .steps[0].decision",
}

-- Of one option: more than that tells nothing new.
local MOST_ENDS <const> = 10000

-- Options that are a count of one cause.
local COUNTED = {
  { "--oom", "oom", "The kernel killed it for its memory." },
  { "--unhealthy", "unhealthy", "Its health checks fail." },
  { "--lost", "lost", "It is gone and nobody knows how it ended." },
  { "--start-failed", "start_failed", "The engine could not start it." },
  { "--start-timeout", "start_timeout", "It gave no handshake in time." },
}

---`2` or `2x5`: a value and how often.
---@param value string
---@param pattern string
---@return string? value, integer? count
local function times(value, pattern)
  local one, count = value:match("^(" .. pattern .. ")x(%d+)$")
  if one then return one, tonumber(count) end
  return value:match("^" .. pattern .. "$"), 1
end

---Adds the ends of one option to the one list, in the order of the command line.
local function add(arguments, _, given)
  arguments.ends = arguments.ends or {}
  for _ = 1, given.count do
    local one = { uptime = arguments.current_uptime }
    for key, content in pairs(given.exit) do one[key] = content end
    table.insert(arguments.ends, one)
  end
end

local function by_code(value)
  local code, count = times(value, "%d+")
  if not code or tonumber(code) > 255 then
    return nil, ("--exit: an exit code from 0 to 255, or CODExTIMES, got '%s'"):format(value)
  end
  if count > MOST_ENDS then return nil, ("--exit: at most %d ends, got '%s'"):format(MOST_ENDS, value) end
  return { exit = { cause = "exit", code = math.tointeger(tonumber(code)) }, count = count }
end

local function by_signal(value)
  local name, count = times(value:upper():gsub("X(%d+)$", "x%1"), "%u[%u%d]*")
  if not name then return nil, ("--signal: a name such as KILL, or NAMExTIMES, got '%s'"):format(value) end
  if count > MOST_ENDS then return nil, ("--signal: at most %d ends, got '%s'"):format(MOST_ENDS, value) end
  return { exit = { cause = "signal", signal = name:gsub("^SIG", "") }, count = count }
end

function simulate.configure(parser)
  parser:argument("policy", "The policy file."):argname("POLICY")
  parser:option("--uptime", "How long it was ready before the ends that follow (5s)."):argname("DURATION"):count("*")
    :convert(function(value)
      local seconds, reason = units.seconds(tonumber(value) or value)
      return seconds, reason and "--uptime " .. reason
    end)
    :action(function(arguments, _, seconds) arguments.current_uptime = seconds end)
  parser:option("--exit", "It exits with this code, so many times."):argname("CODE[xN]"):count("*")
    :convert(by_code):action(add)
  parser:option("--signal", "A signal ends it, so many times."):argname("NAME[xN]"):count("*")
    :convert(by_signal):action(add)
  for _, option in ipairs(COUNTED) do
    parser:option(option[1], option[3]):argname("N"):count("*"):action(add):convert(function(value)
      local count = value:match("^%d+$") and math.tointeger(tonumber(value))
      if not count then return nil, ("%s: how many times, as a number, got '%s'"):format(option[1], value) end
      if count > MOST_ENDS then return nil, ("%s: at most %d ends, got %s"):format(option[1], MOST_ENDS, value) end
      return { exit = { cause = option[2] }, count = count }
    end)
  end
  parser:option("--seed", "For the jitter: each seed gives one sequence."):argname("N"):convert(function(value)
    local seed = math.tointeger(tonumber(value))
    if seed then return seed end
    return nil, ("--seed must be a whole number, got '%s'"):format(value)
  end)
  parser:option("--engine", "The engine that policies see in ctx.engine."):argname("URL")
  policy_options.site(parser)
  policy_options.ctx(parser)
end

local function print_json(steps)
  local list = {}
  for i, step in ipairs(steps) do
    local decision = step.decision
    list[i] = { at = step.at, generation = step.generation, exit = step.exit, command = step.command,
      fault = step.fault, decision = {
      action = decision.action, delay = decision.delay, reason = decision.reason, place = decision.place,
      floor = decision.floor, changes = decision.changes, scope = decision.scope,
      fault = decision.fault and { code = decision.fault.code, message = decision.fault.message } } }
  end
  io.stdout:write(json.line { steps = json.array(list) })
end

function simulate.run(arguments)
  local ends = arguments.ends
  if not ends then
    io.stderr:write("gantry: say how it ends, such as --oom 3 or --exit 1x5 (see gantry simulate --help)\n")
    return exit_codes.USAGE
  end
  local steps, err = require("gantry.supervisor.simulate").run(arguments.policy, ends,
    { engine = arguments.engine, ctx = arguments.ctx, seed = arguments.seed,
      print = policy_options.print })
  if not steps then return report.failure(err, arguments) end
  if arguments.json then print_json(steps) else printable.write_stdout(simulation.format(steps)) end
  return exit_codes.OK
end

return simulate
