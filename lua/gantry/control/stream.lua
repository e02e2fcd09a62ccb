-- SPDX-License-Identifier: Apache-2.0
--
--- control/stream.lua: answers that go on: one JSON object a line, for as long as the client reads. What comes while a
--- client has too much to read is left out for it, and its place is taken by a line that says how much that was. An
--- empty line stands between what was there before and what comes.

local json = require "gantry.json"
local task = require "gantry.task"

local stream = {}

-- Seconds after which a line without content shows whether the client is still there.
local HEARTBEAT <const> = 30
-- Bytes that may wait for a client. Once there are more, it is given more only when most of them were read; then, at
-- the latest after so many seconds, it is told what is missing.
local MOST_WAITING <const>, FEW_WAITING <const>, LOST_NOTICE <const> = 1024 * 1024, 256 * 1024, 1

---@class gantry.StreamSource
---@field first table[] to begin with
---@field subscribe (fun(take: fun(value: any)): fun())? gives more, until what it returns is called
---@field show fun(value: any): table what the client gets of a value
---@field lost fun(count: integer): table what the client gets in the place of so many values

---@class gantry.StreamClient
---@field request any
---@field source gantry.StreamSource
---@field left_out integer
---@field gone boolean
---@field changed gantry.Event set when the client is gone, or lacks something for the first time
local Client = {}
Client.__index = Client

---@param bytes string
---@return integer waiting
function Client:write(bytes)
  local waiting = self.request:write(bytes)
  if not waiting then
    self.gone = true
    self.changed:set()
  end
  return waiting or 0
end

---@param value table
function Client:line(value)
  self:write(json.line(value))
end

---Whether the client has room for more; where it lately had none, it is told so now.
---@return boolean
function Client:has_room()
  local waiting = self:write ""
  if self.left_out == 0 then return waiting <= MOST_WAITING end
  if waiting > FEW_WAITING then return false end
  self:line(self.source.lost(self.left_out))
  self.left_out = 0
  return true
end

---@param value any
function Client:take(value)
  if self:has_room() then return self:line(self.source.show(value)) end
  if self.left_out == 0 then self.changed:set() end
  self.left_out = self.left_out + 1
end

---Until the client is gone.
function Client:run()
  while not self.gone do
    task.deadline(self.left_out > 0 and LOST_NOTICE or HEARTBEAT, self.changed.wait, self.changed)
    if not self.gone then self.changed = task.event() end
    if self:has_room() then self:write "\n" end
  end
end

---Streams what a source gives until it ends or the client is gone.
---@param request any
---@param source gantry.StreamSource
function stream.run(request, source)
  request:stream(200, "application/x-ndjson")
  local client = setmetatable({ request = request, source = source, left_out = 0, gone = false,
    changed = task.event() }, Client)
  for _, value in ipairs(source.first) do client:line(source.show(value)) end
  if not source.subscribe then return end
  client:write "\n"
  local stop = source.subscribe(function(value) client:take(value) end)
  local _ <close> = setmetatable({}, { __close = stop })
  client:run()
end

return stream
