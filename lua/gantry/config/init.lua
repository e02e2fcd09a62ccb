-- SPDX-License-Identifier: Apache-2.0
--
--- config.lua: a plugin's config: what a policy or a program wrote, checked against the schema and put into the one
--- form that the rest of gantry reads.

local errors = require "gantry.base.errors"
local image = require "gantry.base.image"
local merge = require "gantry.config.merge"
local rules = require "gantry.config.rules"
local schema = require "gantry.config.schema"
local values = require "gantry.config.values"

local config = {}

---@class gantry.Config a plain copy: sizes in bytes, durations in seconds, defaults filled in
---@field name string? the plugin's
---@field image string? what runs: this, or the binary
---@field binary string? absolute path
---@field sha256 string? 64 hex digits in lower case
---@field env string[]? NAME=VALUE, sorted
---@field nano_cpus integer? also where the policy said cpus
---@field protocol string[]
---@field protocol_versions integer[]
---@field start_timeout number
---@field stop_timeout number
---All other fields as gantry.config.schema lists them.

---@class gantry.ConfigOrigin where a config comes from, for messages and for the name
---@field locate (fun(at: string): string?, integer?)? file and line of a field's path
---@field name string? the plugin's name where the config says none

---@param at string
---@param message string
---@param origin gantry.ConfigOrigin
---@param kind string? "missing" for a field that has to be there
---@return gantry.Error
local function finding(at, message, origin, kind)
  local file, line
  if origin.locate then file, line = origin.locate(at) end
  if file then message = ("%s:%s%s"):format(file, line and line .. ": " or " ", message) end
  return errors.new("CONFIG_INVALID", message, { field = at, file = file, line = line, kind = kind })
end

---@param left gantry.Error
---@param right gantry.Error
---@return boolean
local function earlier(left, right)
  local left_line, right_line = left.line or 0, right.line or 0
  if left_line ~= right_line then return left_line < right_line end
  return left.message < right.message
end

---@param read table
---@return string? name of what runs, where it can be a plugin's
local function name_of(read)
  if read.image then return image.short_name(read.image) end
  return values.plugin_name.read(read.binary:match "[^/]*$", "name", function() end)
end

---Puts what can be said in two ways into one.
---@param read table
---@param origin gantry.ConfigOrigin
local function settle(read, origin)
  if read.cpus then read.nano_cpus, read.cpus = values.to_nano_cpus(read.cpus), nil end
  read.name = read.name or origin.name or name_of(read)
end

---Checks a table of fields and gives the config that gantry works with. The table is not changed.
---@param fields table
---@param origin gantry.ConfigOrigin?
---@return gantry.Config? config
---@return gantry.Error[]? findings all of them, by line; each with code CONFIG_INVALID, field, file, line
function config.validate(fields, origin)
  if type(fields) ~= "table" then error("config.validate: the fields must be a table, got " .. type(fields), 2) end
  origin = origin or {}
  local findings = {}
  local function report(at, message, kind) findings[#findings + 1] = finding(at, message, origin, kind) end

  local read = schema.config.read(fields, "", report)
  for _, rule in ipairs(read and rules or {}) do rule(read, report, fields) end
  if #findings > 0 then
    table.sort(findings, earlier)
    return nil, findings
  end
  settle(read, origin)
  return read
end

---What runs, as people name it.
---@param found gantry.Config
---@return string
function config.what_runs(found)
  return found.binary or found.tag and found.image .. ":" .. found.tag or found.image
end

---In what is put over a base, for a field or an entry of a map: takes it away.
config.without = merge.WITHOUT

---@param value any
---@param what string
local function check_table(value, what)
  if type(value) ~= "table" then error(("gantry.extend: %s must be a table, got %s"):format(what, type(value)), 3) end
end

---A new table: `base` with `changes`, as gantry.config.merge puts fields over fields; neither argument is changed.
---Where the base is a function of the context, so is the result.
---@param base table|fun(ctx: table): table
---@param changes table
---@return table|fun(ctx: table): table
function config.extend(base, changes)
  if type(base) == "function" then
    return function(ctx) return config.extend(base(ctx), changes) end
  end
  check_table(base, "the base")
  check_table(changes, "what changes")
  return merge.fields(base, changes)
end

return config
