-- SPDX-License-Identifier: Apache-2.0
--
--- cli/reload.lua: `gantry reload`: has a running supervisor read its policies again.

local control = require "gantry.cli.control"
local exit_codes = require "gantry.text.exit_codes"
local printable = require "gantry.text.printable"

---@param value table
---@return integer?
local function show(value)
  for _, finding in ipairs(value.findings) do printable.write_stderr("gantry: ", finding, "\n") end
  io.stdout:write(("%d plugin%s\n"):format(#value.plugins, #value.plugins == 1 and "" or "s"))
  return #value.findings > 0 and exit_codes.POLICY or nil
end

return {
  summary = "Read the policies of a running gantry up again. Changed files are noticed without it.",
  examples = "  gantry reload",
  configure = function(parser) control.configure(parser) end,
  run = function(arguments) return control.ask(arguments, "POST", "/v1/reload", control.types.reload, show) end,
}
