-- SPDX-License-Identifier: Apache-2.0
--
--- cli/host.lua: the help of `gantry host`. The verb itself is C (src/face/host_command.c): it stays beside the host
--- for as long as that runs.

local exit_codes = require "gantry.text.exit_codes"

local host = {
  summary = "Run a go-plugin host with a temporary directory of its own, for policies with share_tmp = true: hosts "
    .. "that serve their plugins (Vault, Nomad, TFLint, ...) make sockets there.",
  examples = "  gantry host -- vault server -config vault.hcl",
}

function host.configure(parser)
  parser:argument("command", "The host and its arguments, after --."):args("+"):argname("COMMAND")
end

---Reached where the command does not come after --.
function host.run()
  io.stderr:write("gantry: host: the command comes after --: gantry host -- COMMAND (see gantry host --help)\n")
  return exit_codes.USAGE
end

return host
