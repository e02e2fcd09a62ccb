-- SPDX-License-Identifier: Apache-2.0
--
--- cli/unwrap.lua: `gantry unwrap`: puts back the binaries that `gantry wrap` keeps.

local wrap = require "gantry.cli.wrap"
local wrap_file = require "gantry.cli.wrap_file"

return {
  summary = "Put back the binaries that `gantry wrap` keeps beside their policies.",
  examples = "  gantry unwrap vault/plugins/auth-jwt\n  gantry unwrap --opentofu .",
  configure = wrap.configure_hosts,
  run = function(arguments)
    return wrap.run_with(arguments, function(path, host)
      return wrap_file.unwrap(path, { host = host })
    end)
  end,
}
