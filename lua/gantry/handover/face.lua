-- SPDX-License-Identifier: Apache-2.0
--
--- handover/face.lua: the process that a host holds, as a resident hears it: one connection to the socket for hosts.

local core = require "gantry.core"
local task = require "gantry.task"

local face = {}

---@class gantry.Face
---@field descriptor integer of the connection
---@field pid integer
---@field given integer[] descriptors that came with what it said
---@field tell fun(kind: string, text: string?, fd: integer?, fd: integer?): boolean?, gantry.Error?
local Face = {}
Face.__index = Face

---@param descriptor integer the face's from here on
---@param pid integer
---@return gantry.Face
function face.new(descriptor, pid)
  local self = setmetatable({ descriptor = descriptor, pid = pid, given = {} }, Face)
  function self.tell(kind, text, ...)
    return core.channel.tell(descriptor, kind, text or "", ...)
  end
  return self
end

---Waits for what it says next.
---@return string|false kind its letter (core/system/channel.h); false where it is gone, or has no more to say
---@return string? text
function Face:hear()
  local kind, text, output, err = core.channel.hear(self.descriptor)
  if kind ~= nil then
    for _, descriptor in pairs { output, err } do table.insert(self.given, descriptor) end
    return kind, text
  end
  local readable = task.event()
  do
    local _ <close> = task.loop():watch(self.descriptor, "r", function() readable:set() end)
    readable:wait()
  end
  return self:hear()
end

---Closes what it has given.
function Face:drop_given()
  for _, descriptor in ipairs(self.given) do core.system.close(descriptor) end
  self.given = {}
end

function Face:close()
  self:drop_given()
  core.system.close(self.descriptor)
end

Face.__close = Face.close

return face
