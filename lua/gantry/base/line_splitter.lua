-- SPDX-License-Identifier: Apache-2.0
--
--- base/line_splitter.lua: a plugin's output, in any chunks, to lines of its streams. Each plugin's has one, whoever
--- takes the lines.

local core = require "gantry.core"

local line_splitter = {}

-- What is longer comes in pieces.
local LONGEST <const> = 64 * 1024

---@class gantry.LineSplitter
local LineSplitter = {}
LineSplitter.__index = LineSplitter

---@param on_lines fun(stream: "stdout"|"stderr", lines: string[]) at least one line, without newlines
---@return gantry.LineSplitter
function line_splitter.new(on_lines)
  return setmetatable({ on_lines = on_lines, streams = { stdout = core.lines.new(LONGEST),
    stderr = core.lines.new(LONGEST) } }, LineSplitter)
end

---@param stream "stdout"|"stderr"
---@param bytes string in any chunks
function LineSplitter:feed(stream, bytes)
  local lines, count = {}, 0
  self.streams[stream]:feed(bytes, function(line)
    count = count + 1
    lines[count] = line
  end)
  if count > 0 then self.on_lines(stream, lines) end
end

---What was begun and not ended with a newline becomes a line.
function LineSplitter:finish()
  for _, stream in ipairs { "stdout", "stderr" } do
    local lines = {}
    self.streams[stream]:finish(function(line) lines[#lines + 1] = line end)
    if #lines > 0 then self.on_lines(stream, lines) end
  end
end

return line_splitter
