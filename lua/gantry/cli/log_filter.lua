-- SPDX-License-Identifier: Apache-2.0
--
--- cli/log_filter.lua: which lines of a plugin's output `gantry logs` shows. They are chosen here and not in the
--- supervisor: an expression that takes long takes the time of who typed it.

local hclog = require "gantry.base.hclog"
local log_text = require "gantry.text.log_text"
local output_options = require "gantry.cli.output_options"

local log_filter = {}

local MOST <const> = 200

---@param text string
---@return integer? count, string? reason
local function tail_of(text)
  if text == "all" then return math.maxinteger end
  local count = text:find "^%d+$" and math.tointeger(tonumber(text))
  if count then return count end
  return nil, ("--tail must be a whole number or 'all', got '%s'"):format(text)
end

---@param text string
---@return any regex, string? reason
local function regex_of(text)
  if text:find("\0", 1, true) then return nil, "--grep must not hold a NUL" end
  local regex, err = require("gantry.core").regex.new(text)
  return regex, err and ("--grep '%s' %s"):format(text, err.message)
end

---@param parser table of argparse's
function log_filter.configure(parser)
  parser:option("-n --tail", ("At most so many of the last lines, or all (default %d)."):format(MOST)):argname("N")
    :convert(tail_of)
  output_options.since(parser)
  parser:option("--level", "Lines of this level and above. Plain text is debug, as hosts take it; [WARN] before it "
    .. "names its level, and a panic is an error."):choices(hclog.LEVELS)
  parser:option("--grep", "Lines that an extended regular expression fits, as they are shown (grep -E).")
    :argname("RE"):convert(regex_of)
end

---How the lines of one plugin are chosen.
---@param arguments table
---@return integer tail how many of those that were kept
---@return (fun(entry: table): boolean)? wants nil where all are wanted
function log_filter.of(arguments)
  local tail, since, regex = arguments.tail or MOST, arguments.since, arguments.grep
  local lowest = arguments.level and hclog.rank(arguments.level)
  if not since and not regex and not lowest then return tail end
  local level_of = hclog.level_reader()
  return tail, function(entry)
    local rank = hclog.rank(level_of(entry)) -- also of what is not shown: a panic is many lines
    if since and entry.time and entry.time < since then return false end
    if not entry.generation then return true end -- says what is missing
    return (not lowest or rank >= lowest) and (not regex or regex:matches(hclog.format(log_text.entry(entry))))
  end
end

return log_filter
