-- SPDX-License-Identifier: Apache-2.0
--
--- fuzz/lua/engine_answer.lua: any body as a successful answer of an engine, of each shape that is read.

local answer = require "gantry.engine.docker.answer"
local errors = require "gantry.base.errors"

local names = {}
for name in pairs(answer.types) do names[#names + 1] = name end
table.sort(names)

return function(input)
  local response = { status = 200, body = input }
  for _, name in ipairs(names) do
    local value, err = answer.read(response, "ask", answer.types[name])
    assert(type(value) == "table" or errors.is(err))
  end
end
