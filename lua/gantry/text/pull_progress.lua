-- SPDX-License-Identifier: Apache-2.0
--
--- text/pull_progress.lua: a pull on a terminal, as the docker command shows it: one line a layer, rewritten in place.
--- Elsewhere come plain lines, without those that only count bytes.

local printable = require "gantry.text.printable"
local units = require "gantry.base.units"

local pull_progress = {}

local BAR_WIDTH <const> = 40

-- Of ECMA-48: cursor up and down by n lines, erase the line, and no wrapping of what is too long for the terminal.
local UP <const>, DOWN <const>, ERASE <const> = "\27[%dA", "\27[%dB", "\27[2K"
local NO_WRAP <const>, WRAP <const> = "\27[?7l", "\27[?7h"

---@param message gantry.PullMessage
---@return string on one line
local function status_text(message)
  local text = (message.id and message.id .. ": " or "") .. message.status
  return (text:gsub("[\t\n]", " "))
end

---@param message gantry.PullMessage
---@return string
local function bar(message)
  if not message.current then return "" end
  local total = message.total
  if not total or total <= 0 then return "  " .. units.format_bytes(message.current) end
  local done = math.min(BAR_WIDTH, BAR_WIDTH * message.current // total)
  local head = done < BAR_WIDTH and ">" or "="
  return (" [%s%s%s]  %s/%s"):format(("="):rep(done), head, (" "):rep(BAR_WIDTH - done),
    units.format_bytes(message.current), units.format_bytes(total))
end

---A plain line, nil for a message that only counts.
---@param message gantry.PullMessage
---@return string?
function pull_progress.line(message)
  if not message.status or message.current then return nil end
  return status_text(message)
end

---@class gantry.PullProgress the lines of one pull on a terminal
local PullProgress = {}
PullProgress.__index = PullProgress

---@param prefix string
---@param write fun(text: string)
---@return gantry.PullProgress
function pull_progress.new(prefix, write)
  return setmetatable({ prefix = prefix, write = write, row_of = {}, rows = 0 }, PullProgress)
end

---@param message gantry.PullMessage
function PullProgress:feed(message)
  if not message.status then return end
  local text = printable.text(self.prefix .. status_text(message)) .. bar(message)
  local row = message.id and self.row_of[message.id]
  if not row then
    self.rows = self.rows + 1
    if message.id then self.row_of[message.id] = self.rows end
    return self.write(NO_WRAP .. text .. WRAP .. "\n")
  end
  local up = self.rows - row + 1
  self.write(UP:format(up) .. "\r" .. ERASE .. NO_WRAP .. text .. WRAP .. DOWN:format(up) .. "\r")
end

return pull_progress
