-- SPDX-License-Identifier: Apache-2.0
--
--- exec/face_watch.lua: work for the process that the host holds, for no longer than that process lives.

local face = require "gantry.face"
local task = require "gantry.task"

local face_watch = {}

---@param work fun(): any?, gantry.Error|gantry.Error[]|nil
---@return boolean lives whether the process outlived the work, any? result, gantry.Error|gantry.Error[]|nil err
function face_watch.run(work)
  local ended = task.event()
  local watch = task.loop():watch(face.descriptor, "r", function() ended:set() end)
  local which, result, err = task.first(work, function() return ended:wait() end)
  watch:close()
  return which == 1, result, err
end

return face_watch
