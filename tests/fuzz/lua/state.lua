-- SPDX-License-Identifier: Apache-2.0
--
--- fuzz/lua/state.lua: any bytes as a plugin's state file: set aside, or restored, shown and written again.

local errors = require "gantry.base.errors"
local json = require "gantry.json"
local record = require "gantry.supervisor.record"
local record_shape = require "gantry.supervisor.record_shape"
local view = require "gantry.supervisor.view"

return function(input)
  local saved, err = json.decode(input)
  if saved == nil then return assert(errors.is(err)) end
  if type(saved) ~= "table" or record_shape.wrong(saved) then return end
  local unit = {
    name = "p", state = "backoff", supervisor = { store = { boot = "here" }, units = {} }, policy = { path = "/p.lua" },
    journal = { entries = {} }, config = { image = "a" }, clock = function() return 1 end,
  }
  record.restore(unit, saved)
  assert(json.encode(view.of(unit)))
  local text, failure = json.encode(record.of(unit))
  assert(text or errors.is(failure))
end
