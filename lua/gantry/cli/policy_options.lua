-- SPDX-License-Identifier: Apache-2.0
--
--- cli/policy_options.lua: options that the verbs which load policies have in common.

local printable = require "gantry.text.printable"

local policy_options = {}

---Takes what a policy prints: standard output is a verb's own.
---@param text string
---@param path string
function policy_options.print(text, path)
  printable.write_stderr(path, ": ", text, "\n")
end

---The site policy: gantry.cli has it chosen before the verb runs.
---@param parser table of argparse's
function policy_options.site(parser)
  parser:option("--site", "The site policy, instead of $GANTRY_SITE or /etc/gantry/site.lua."):argname("FILE")
end

---Facts that stand in for what a policy is told of the world.
---@param parser table
function policy_options.ctx(parser)
  parser:option("--ctx", "Facts that stand in for those of ctx: JSON, such as {\"engine\": {\"kind\": \"podman\"}}.")
    :argname("FILE.json")
end

return policy_options
