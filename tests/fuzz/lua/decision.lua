-- SPDX-License-Identifier: Apache-2.0
--
--- fuzz/lua/decision.lua: any table as a policy's config, and as what its restart function wants changed.

local changes = require "gantry.restart.changes"
local config = require "gantry.config"
local json = require "gantry.json"

return function(input)
  local value = json.decode(input)
  if type(value) ~= "table" then return end
  config.validate(value)
  changes.apply({ image = "a" }, value)
end
