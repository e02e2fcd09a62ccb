-- SPDX-License-Identifier: Apache-2.0
--
--- supervisor/ring.lua: a plugin's output, the last of it, as lines: kept within bounds, and handed to whoever follows.

local ring = {}

local MOST_BYTES <const> = 32 * 1024
local LONGEST_LINE <const> = 8 * 1024
local ENTRY <const> = 100 -- bytes that a line takes beside its text

---@class gantry.LogEntry
---@field time number
---@field stream "stdout"|"stderr"
---@field line string
---@field generation integer? of the plugin

---@class gantry.Ring
local Ring = {}
Ring.__index = Ring

---@param call fun(fn: function, ...)? calls a follower, and deals with what it raises
---@return gantry.Ring
function ring.new(call)
  return setmetatable({ call = call or pcall, entries = {}, first = 1, last = 0, bytes = 0, followers = {} }, Ring)
end

---@param self gantry.Ring
---@param entry gantry.LogEntry
local function keep(self, entry)
  self.last = self.last + 1
  self.entries[self.last] = entry
  self.bytes = self.bytes + #entry.line + ENTRY
  while self.bytes > MOST_BYTES and self.first < self.last do
    self.bytes = self.bytes - #self.entries[self.first].line - ENTRY
    self.entries[self.first] = nil
    self.first = self.first + 1
  end
  for follower in pairs(self.followers) do self.call(follower, entry) end
end

---@param stream "stdout"|"stderr"
---@param lines string[] one that is too long is kept in pieces
---@param generation integer? whose they are
function Ring:add(stream, lines, generation)
  local now = os.time()
  for _, line in ipairs(lines) do
    for at = 1, math.max(#line, 1), LONGEST_LINE do
      keep(self, { time = now, stream = stream, line = line:sub(at, at + LONGEST_LINE - 1), generation = generation })
    end
  end
end

---@param count integer
---@return gantry.LogEntry[] the last lines, oldest first
function Ring:last_lines(count)
  local list = {}
  for i = math.max(self.first, self.last - count + 1), self.last do list[#list + 1] = self.entries[i] end
  return list
end

---@param follower fun(entry: gantry.LogEntry)
---@return fun() stop
function Ring:follow(follower)
  self.followers[follower] = true
  return function() self.followers[follower] = nil end
end

return ring
