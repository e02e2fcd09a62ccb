-- SPDX-License-Identifier: Apache-2.0
--
--- cli/exec.lua: the help of `gantry exec`. The verb itself is C (src/face): the process that a host holds has no Lua.

local exit_codes = require "gantry.text.exit_codes"

local exec = {
  summary = "Stand in for a plugin's binary: a go-plugin host executes this, and its plugin runs in a container. "
    .. "A policy whose first line is #!/usr/bin/env -S gantry exec, and which is executable, does the same by itself.",
  examples = "  chmod +x policies/demo.lua\n  cp policies/demo.lua ~/plugins/my-plugin   # where the host looks for it",
}

function exec.configure(parser)
  parser:argument("policy", "The policy file."):argname("POLICY")
  parser:argument("arguments", "What the host hands its plugin: ctx.args, and the plugin's arguments where the policy "
    .. "has none."):args("*"):argname("ARGUMENT")
end

---Reached where an option comes first: hosts give none, and the plugin's own come after the policy.
function exec.run()
  io.stderr:write("gantry: exec: the policy comes first: gantry exec POLICY ARGUMENTS (see gantry exec --help)\n")
  return exit_codes.USAGE
end

return exec
