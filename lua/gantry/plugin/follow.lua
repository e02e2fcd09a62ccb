-- SPDX-License-Identifier: Apache-2.0
--
--- plugin/follow.lua: what is done where a container's output has ended: its end is read, or its output attached to
--- anew.

local core = require "gantry.core"
local exit = require "gantry.plugin.exit"
local read_exit = require "gantry.plugin.read_exit"
local retry = require "gantry.task.retry"

-- Seconds that an engine may be away.
local ENGINE_TIMEOUT <const> = 60
local FIRST_RETRY <const>, LONGEST_RETRY <const> = 0.1, 2

---Follows a container whose stream has ended: to its exit, or back to its output where it runs on.
---@param self gantry.Plugin
local function follow(self)
  local since = core.loop.clock()
  local again = retry.new(FIRST_RETRY, LONGEST_RETRY)
  local until_when = since + (self.options.engine_timeout or self.config.engine_timeout or ENGINE_TIMEOUT)
  local away = false
  while true do
    local ended, err = read_exit(self)
    if self.finished then return end
    if not ended and not err then
      if self:attach() then return self:event("reattached", { seconds = core.loop.clock() - since }) end
    elseif not ended and core.loop.clock() > until_when then
      ended = exit.unknown("engine_error", err.message, self.state == "stopping")
    end
    if ended then return self:finish(ended) end
    if err and not away then self:event("engine_away", { error = err }) end
    away = away or err ~= nil
    again:pause()
  end
end

return follow
