-- SPDX-License-Identifier: Apache-2.0
--
-- site/limits.lua: a rule for a site policy (see pins.lua): upper limits. They hold for what a policy says, and for
-- what its decisions change later, such as memory that grows with each death.

local units = require("gantry").units

local MOST = { memory = units.bytes "1GiB", nano_cpus = 2000000000, pids_limit = 512 }

return function(config)
  for field, most in pairs(MOST) do
    config[field] = math.min(config[field] or most, most)
  end
  return config
end
