-- SPDX-License-Identifier: Apache-2.0
--
--- policy/api.lua: the modules of gantry that a policy may require. Each policy gets tables of its own: what it changes
--- in them, it changes for itself. A module that policies may use is one more entry here.

local config = require "gantry.config"
local errors = require "gantry.base.errors"
local strategies = require "gantry.config.strategies"
local units = require "gantry.base.units"

---@return table
local function units_module()
  return { seconds = units.seconds, bytes = units.bytes, format_seconds = units.format_seconds,
    format_bytes = units.format_bytes }
end

---For a base that others require: ends the policy with a message that has the line of one of its fields. An error from
---error() loses the line where the policy says `return require "base" { ... }`, which is a tail call.
---@param field string
---@param message string
local function refuse(field, message)
  if type(field) ~= "string" or type(message) ~= "string" then
    error("gantry.refuse needs a field's name and a message, both strings", 2)
  end
  local caller = debug.getinfo(2, "Sl")
  local place = caller and caller.currentline > 0 and ("%s:%d"):format(caller.short_src, caller.currentline) or nil
  error(errors.new("POLICY_ERROR", message, { field = field, place = place }), 0)
end

---@return table
local function gantry_module()
  return { extend = config.extend, without = config.without, refuse = refuse,
    units = units_module(), version = require "gantry.base.version" }
end

---@type table<string, fun(): table> by the name that a policy requires
return {
  ["gantry"] = gantry_module,
  ["gantry.base.units"] = units_module,
  ["gantry.restart"] = strategies.module,
}
