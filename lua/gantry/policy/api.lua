-- SPDX-License-Identifier: Apache-2.0
--
--- policy/api.lua: the modules of gantry that a policy may require. Each policy gets tables of its own: what it changes
--- in them, it changes for itself. A module that policies may use is one more entry here.

local config = require "gantry.config"
local strategies = require "gantry.restart.strategies"
local units = require "gantry.units"

---@return table
local function units_module()
  return { seconds = units.seconds, bytes = units.bytes, format_seconds = units.format_seconds,
    format_bytes = units.format_bytes }
end

---@return table
local function gantry_module()
  return { extend = config.extend, units = units_module(), version = require "gantry.version" }
end

---@type table<string, fun(): table> by the name that a policy requires
return {
  ["gantry"] = gantry_module,
  ["gantry.units"] = units_module,
  ["gantry.restart"] = strategies.module,
}
