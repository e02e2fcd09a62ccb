-- SPDX-License-Identifier: Apache-2.0
--
--- fuzz/lua/hclog.lua: any line of a plugin's log: it is parsed, shown, and sent to clients.

local hclog = require "gantry.base.hclog"
local json = require "gantry.json"

return function(input)
  local entry = hclog.parse(input)
  assert(type(entry.message) == "string")
  assert(type(hclog.format(entry)) == "string")
  assert(json.encode { line = input, message = entry.message, level = entry.level, module = entry.module,
    fields = entry.fields })
end
