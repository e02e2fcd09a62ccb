-- SPDX-License-Identifier: Apache-2.0
--
--- cli/progress.lua: a plugin's progress and log as text: every line begins with the plugin's name.

local core = require "gantry.core"
local exit = require "gantry.plugin.exit"
local hclog = require "gantry.hclog"
local pull_progress = require "gantry.cli.pull_progress"

local progress = {}

-- A longer line is shown in pieces.
local LONGEST_LINE <const> = 64 * 1024

---@param id string
---@return string
local function short(id)
  return id:gsub("^sha256:", ""):sub(1, 12)
end

local TEXT = {
  image = function(fields) return ("image %s present (%s…)"):format(fields.reference, fields.id:sub(1, 19)) end,
  pulling = function(fields) return "pulling image " .. fields.reference end,
  pull = pull_progress.line,
  warning = function(fields) return "warning: " .. fields.text end,
  started = function(fields)
    return ("container %s created, started in %d ms"):format(short(fields.container),
      math.floor(fields.seconds * 1000 + 0.5))
  end,
  ready = function(fields)
    local one = fields.plugin
    return ("ready, go-plugin protocol %d, %s, unix:%s"):format(one.protocol_version, one.protocol,
      one.handshake.address)
  end,
  leftovers = function(fields)
    local what = {}
    for _, id in ipairs(fields.containers) do what[#what + 1] = "container " .. short(id) end
    if fields.directory then what[#what + 1] = "directory " .. fields.directory end
    return "removed " .. table.concat(what, " and ") .. ", left by a gantry that was killed"
  end,
  stopping = function(fields) return ("stopping (%s)"):format(fields.how) end,
  reattached = function() return "the engine is back, output attached again" end,
  kept = function(fields)
    local found = fields.diagnosis
    local id = short(found.container)
    local text = ("container %s is kept: `docker inspect %s`, then `docker rm -f %s`"):format(id, id, id)
    return found.by_hand and text .. "\nby hand: " .. found.by_hand or text
  end,
  exit = function(fields) return ("ended (%s)"):format(exit.describe(fields.exit)) end,
}

---A line for an event, nil for one that is not shown.
---@param name string the plugin's
---@param kind string
---@param fields table
---@return string?
function progress.line(name, kind, fields)
  local text = TEXT[kind] and TEXT[kind](fields)
  return text and ("%s: %s\n"):format(name, text)
end

---@class gantry.LogText turns a plugin's output into lines of text
local LogText = {}
LogText.__index = LogText

---@param name string the plugin's
---@param write fun(text: string)
function progress.log(name, write)
  return setmetatable({ prefix = name .. ": ", write = write, streams = {} }, LogText)
end

---@param stream "stdout"|"stderr"
---@param bytes string
function LogText:feed(stream, bytes)
  local lines = self.streams[stream]
  if not lines then
    lines = core.lines.new(LONGEST_LINE)
    self.streams[stream] = lines
  end
  local out = {}
  lines:feed(bytes, function(line)
    if line:byte() == 0x7b then line = hclog.format(hclog.parse(line)) end -- "{": perhaps hclog's JSON
    out[#out + 1] = line
  end)
  if #out > 0 then self.write(self.prefix .. table.concat(out, "\n" .. self.prefix) .. "\n") end
end

---Shows what was begun and not ended with a newline.
function LogText:finish()
  for _, lines in pairs(self.streams) do
    lines:finish(function(line) self.write(self.prefix .. line .. "\n") end)
  end
end

return progress
