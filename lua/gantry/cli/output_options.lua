-- SPDX-License-Identifier: Apache-2.0
--
--- cli/output_options.lua: options that the verbs which print plugins' output have in common.

local settings = require "gantry.policy.settings"

local output_options = {}

---@param text string
---@return integer? time seconds since 1970, string? reason
local function time_of(text)
  local at, now = require("gantry.protobuf.times").timestamp(text), os.time()
  if at and at.seconds > now then return nil, ("--since is in the future: '%s'"):format(text) end
  if at then return at.seconds end
  local seconds = not tonumber(text) and require("gantry.base.units").seconds(text)
  if seconds then return math.floor(now - seconds) end
  return nil, ("--since must be a duration such as 10m, or a time such as 2026-01-31T09:30:00Z (RFC 3339), got '%s'")
    :format(text)
end

---@param parser table of argparse's
---@param text string? what it does
function output_options.since(parser, text)
  parser:option("--since", (text or "Nothing that is older") .. ": a duration such as 10m, or a time by RFC 3339.")
    :argname("TIME"):convert(time_of)
end

---@param path string of a request
---@param arguments table
---@return string path with what --since says
function output_options.since_query(path, arguments)
  return arguments.since and ("%s?since=%d"):format(path, arguments.since) or path
end

---@param parser table of argparse's
function output_options.timestamps(parser)
  parser:flag("--timestamps", "Begin each line with its time, as is done on a terminal.")
  parser:flag("--no-timestamps", "Leave the time out on a terminal, too."):target("timestamps"):action "store_false"
end

---@param arguments table
---@return boolean? wanted nil where nobody says
function output_options.wants_timestamps(arguments)
  if arguments.timestamps ~= nil then return arguments.timestamps end
  return settings.get "timestamps"
end

return output_options
