-- SPDX-License-Identifier: Apache-2.0
--
--- control/stream.lua: answers that go on: one JSON object a line, for as long as the client reads.

local json = require "gantry.json"
local task = require "gantry.task"

local stream = {}

-- Seconds after which a line without content shows whether the client is still there; bytes that may wait for it.
local HEARTBEAT <const>, MOST_WAITING <const> = 30, 1024 * 1024

---Streams what a source gives until the client is gone, or is too slow.
---@param request any
---@param first table[] to begin with
---@param subscribe (fun(take: fun(value: table)): fun())? none: the stream ends after `first`
function stream.run(request, first, subscribe)
  request:stream(200, "application/x-ndjson")
  for _, value in ipairs(first) do
    if not request:write(json.encode(value) .. "\n") then return end
  end
  if not subscribe then return end
  local queue = task.queue()
  local stop = subscribe(function(value) queue:put(value) end)
  local _ <close> = setmetatable({}, { __close = stop })
  while true do
    local value = task.deadline(HEARTBEAT, function() return queue:take() end)
    local waiting = request:write(value and json.encode(value) .. "\n" or "\n")
    if not waiting or waiting > MOST_WAITING then return end
  end
end

return stream
