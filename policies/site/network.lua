-- SPDX-License-Identifier: Apache-2.0
--
-- site/network.lua: a rule for a site policy (see pins.lua): who has a network says why, in a label that `docker
-- inspect` shows later. Where nothing is said of networks, there is none.

local gantry = require "gantry"

local WHY = "network.reason"

return function(config)
  local reason = config.labels and config.labels[WHY]
  if config.networks and not reason then
    gantry.refuse("networks",
      ('a network needs its reason: labels = { ["%s"] = "..." }'):format(WHY))
  end
  if not reason then config.disable_network = true end
  return config
end
