-- SPDX-License-Identifier: Apache-2.0
--
--- cli/version.lua: `gantry version`.

local later = require "gantry.base.later"
local json = later "gantry.json"
local version = require "gantry.base.version"

return {
  summary = "Show the version of gantry and of its Lua.",
  examples = "  gantry version\n  gantry version --json",
  configure = function() end,
  run = function(arguments)
    if arguments.json then
      io.stdout:write(json.line { gantry = version, lua = _VERSION })
    else
      io.stdout:write(("gantry %s (%s)\n"):format(version, _VERSION))
    end
    return 0
  end,
}
