-- SPDX-License-Identifier: Apache-2.0
--
--- task/host.lua: what gantry in luv's loop and gantry in a controller of cqueues have in common.

local errors = require "gantry.base.errors"

local host = {}

---Runs a function as the body of a coroutine. What it raises is raised once its `<close>` variables are closed, which
---may wait: a coroutine that just ends with an error leaves them as they are.
---@param fn function
---@param ... any
function host.run(fn, ...)
  local ok, err = xpcall(fn, errors.traced, ...)
  if not ok then error(err, 0) end
end

---What who waits gets where gantry is taken out of the loop.
---@return gantry.Error
function host.gone()
  return errors.new("DETACHED", "wait: gantry was taken out of this loop before the answer came; "
    .. "detach when nobody waits")
end

return host
