-- SPDX-License-Identifier: Apache-2.0
--
--- text/log_text.lua: events and output of plugins as lines for people: with the time where that is wanted, each
--- plugin's name in a color of its own, and errors in red.

local color = require "gantry.text.color"
local core = require "gantry.core"
local hclog = require "gantry.base.hclog"
local printable = require "gantry.text.printable"

local log_text = {}

-- How a level of hclog's, or a kind of event, is shown.
local STYLES <const> = { error = "error", warn = "warning", fault = "error", warning = "warning" }

---@class gantry.LogText
---@field printable fun(text: string): string
---@field color gantry.Color
---@field timestamps boolean
local LogText = {}
LogText.__index = LogText

---@param descriptor integer that it goes to
---@param timestamps boolean? where nil, as a terminal is there
---@return gantry.LogText
function log_text.new(descriptor, timestamps)
  if timestamps == nil then timestamps = core.system.is_terminal(descriptor) end
  return setmetatable({ printable = printable.filter(descriptor), color = color.of(descriptor),
    timestamps = timestamps }, LogText)
end

---A line of output, as the control socket tells of it, as it is shown.
---@param entry { line: string, level: string?, module: string?, message: string?, fields: table? }
---@return gantry.LogLine
function log_text.entry(entry)
  return { level = entry.level, module = entry.module, message = entry.level and entry.message or entry.line,
    fields = entry.fields or {} }
end

---@param time integer seconds since 1970
---@return string as files of output and `docker logs -t` have it, in UTC
function log_text.timestamp(time)
  return os.date("!%Y-%m-%dT%H:%M:%SZ", time) --[[@as string]]
end

---@param time number seconds since 1970
---@return string with the day where it is another one
function log_text.clock_time(time)
  local day = os.date("%Y-%m-%d", time)
  return (day == os.date("%Y-%m-%d") and "" or day .. " ") .. os.date("%H:%M:%S", time)
end

---@param time integer?
---@return string
function LogText:time(time)
  return self.timestamps and time and self.color:paint("dim", log_text.timestamp(time)) .. " " or ""
end

---@param name string
---@return string
function LogText:name(name)
  return self.color:name(self.printable(name))
end

---@param kind string of an event
---@param text string
---@return string
function LogText:kind(kind, text)
  return self.color:paint(STYLES[kind], self.printable(text))
end

---@param event { time: integer, kind: string, text: string, plugin: string? }
---@return string line
function LogText:event(event)
  return ("%s%s: %s: %s\n"):format(self:time(event.time), event.plugin and self:name(event.plugin) or "gantry",
    self:kind(event.kind, event.kind), self.printable(event.text))
end

---A line of a plugin's output; one of hclog's as hclog prints for people.
---@param entry gantry.LogLine
---@return string
function LogText:line(entry)
  return self.color:paint(STYLES[entry.level], self.printable(hclog.format(entry)))
end

---@param name string the plugin's
---@param lines string[] of its output
---@return string text each line with the name before it
function LogText:output(name, lines)
  local prefix, out = ("%s%s: "):format(self:time(os.time()), self:name(name)), {}
  for i, line in ipairs(lines) do
    local as_json = line:byte() == 0x7b -- "{": perhaps hclog's
    out[i] = as_json and self:line(hclog.parse(line)) or self.printable(line)
  end
  return prefix .. table.concat(out, "\n" .. prefix) .. "\n"
end

return log_text
