-- SPDX-License-Identifier: Apache-2.0
--
-- site/pins.lua: a rule for a site policy: each image and each binary is pinned by its digest. A site policy is one
-- file, such as /etc/gantry/site.lua, which may be made of such rules:
--
--   local rules = { require "site.pins", require "site.runtimes", require "site.network", require "site.limits" }
--   return function(config, ctx)
--     for _, rule in ipairs(rules) do config = rule(config, ctx) end
--     return config
--   end

local gantry = require "gantry"

return function(config)
  if config.sha256 then return config end
  if config.binary then gantry.refuse("binary", "binaries are pinned here; add sha256 (sha256sum FILE)") end
  if not config.image:find "@sha256:" then
    gantry.refuse("image", "images are pinned here; add sha256 (docker images --no-trunc --format '{{.ID}}' IMAGE)")
  end
  return config
end
