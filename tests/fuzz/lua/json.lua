-- SPDX-License-Identifier: Apache-2.0
--
--- fuzz/lua/json.lua: any text is refused, or read; what was read is written, and that is written again the same.

local errors = require "gantry.base.errors"
local json = require "gantry.json"

return function(input)
  local value, err = json.decode(input)
  if value == nil then return assert(errors.is(err), tostring(err)) end
  local text = assert(json.encode(value))
  local again = json.decode(text)
  assert(again ~= nil, text)
  assert(json.encode(again) == text, text)
end
