-- SPDX-License-Identifier: Apache-2.0
--
--- text/progress.lua: a plugin's progress and log as text: every line begins with the plugin's name.

local diagnosis = require "gantry.plugin.diagnosis"
local exit = require "gantry.plugin.exit"
local hclog = require "gantry.base.hclog"
local line_splitter = require "gantry.base.line_splitter"
local pull_progress = require "gantry.text.pull_progress"

local progress = {}

---@param id string
---@return string
local function short(id)
  return id:gsub("^sha256:", ""):sub(1, 12)
end

local TEXT = {
  engine = function(fields) return fields.text end,
  image = function(fields) return ("image %s present (%s…)"):format(fields.reference, fields.id:sub(1, 19)) end,
  loading = function(fields) return ("loading binary %s into the engine"):format(fields.path) end,
  binary = function(fields)
    local how = fields.seconds and ("loaded in %d ms"):format(math.floor(fields.seconds * 1000 + 0.5)) or "present"
    return ("binary %s %s (sha256:%s…)"):format(fields.path, how, fields.sha256:sub(1, 12))
  end,
  pulling = function(fields) return "pulling image " .. fields.reference end,
  pull = pull_progress.line,
  warning = function(fields) return "warning: " .. fields.text end,
  started = function(fields)
    return ("container %s created, started in %d ms"):format(short(fields.container),
      math.floor(fields.seconds * 1000 + 0.5))
  end,
  ready = function(fields)
    local one = fields.plugin
    return ("ready, go-plugin protocol %d, %s, %s:%s"):format(one.protocol_version, one.protocol,
      one.handshake.network, one.handshake.address)
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
    local text = diagnosis.kept_text(found)
    return found.by_hand and text .. "\nby hand: " .. found.by_hand or text
  end,
  exit = function(fields)
    local remedy = fields.exit.cause == "oom" and "; raise memory in the policy" or ""
    return ("ended (%s)%s"):format(exit.describe(fields.exit), remedy)
  end,
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

---@param name string the plugin's
---@param lines string[] of its output
---@return string text each line with the name before it, and a log line of hclog's as text
local function output(name, lines)
  local prefix, out = name .. ": ", {}
  for i, line in ipairs(lines) do
    local as_json = line:byte() == 0x7b -- "{": perhaps hclog's
    out[i] = as_json and hclog.format(hclog.parse(line)) or line
  end
  return prefix .. table.concat(out, "\n" .. prefix) .. "\n"
end

---Takes a plugin's output and writes it as lines of text.
---@param name string the plugin's
---@param write fun(text: string)
---@return gantry.LineSplitter
function progress.log(name, write)
  return line_splitter.new(function(_, lines) write(output(name, lines)) end)
end

return progress
