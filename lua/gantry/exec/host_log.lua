-- SPDX-License-Identifier: Apache-2.0
--
--- exec/host_log.lua: what gantry itself says in the log of the host whose plugin it starts.

local face = require "gantry.face"
local messages = require "gantry.handover.messages"

local host_log = {}

---Says something in the host's log. Who asks the program something may read both of its streams as the answer: it hears
---of nothing but a failure.
---@param level string
---@param text string
---@param fields table?
function host_log.say(level, text, fields)
  if face.host ~= "asks" then face.tell("log", messages.line(face.host, level, text, fields)) end
end

return host_log
