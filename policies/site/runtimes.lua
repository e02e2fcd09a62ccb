-- SPDX-License-Identifier: Apache-2.0
--
-- site/runtimes.lua: a rule for a site policy (see pins.lua): which runtimes there may be. A policy that names none
-- gets gVisor where the engine has it.

local gantry = require "gantry"

local ALLOWED = { runc = true, runsc = true, crun = true }

return function(config, ctx)
  if config.runtime and not ALLOWED[config.runtime] then
    gantry.refuse("runtime", ("the runtime %s is not allowed here"):format(config.runtime))
  end
  if not config.runtime and ctx.engine.runtimes.runsc then config.runtime = "runsc" end
  return config
end
