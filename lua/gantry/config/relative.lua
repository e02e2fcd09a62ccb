-- SPDX-License-Identifier: Apache-2.0
--
--- config/relative.lua: paths on the host that a policy writes relative to its own folder, made absolute before they
--- are checked: what they mean does not depend on where gantry was started.

local home = require "gantry.config.home"
local schema = require "gantry.config.schema"

local relative = {}

---@param path string
---@return string without . and .. in it
local function tidy(path)
  local parts = {}
  for part in path:gmatch "[^/]+" do
    if part == ".." then parts[#parts] = nil elseif part ~= "." then parts[#parts + 1] = part end
  end
  return "/" .. table.concat(parts, "/")
end

local resolve

---@param fields gantry.Field[]
---@param value table
---@param folder string
local function resolve_record(fields, value, folder)
  for _, field in ipairs(fields) do
    if value[field.name] ~= nil then value[field.name] = resolve(field.type, value[field.name], folder) end
  end
end

---@param type_of gantry.Type
---@param value any changed, where it is a table
---@param folder string
---@return any
function resolve(type_of, value, folder)
  if type(value) == "string" then
    local in_home = type_of.in_home and home.wanted(value)
    local is = type_of.on_host and not in_home and value ~= "" and value:sub(1, 1) ~= "/"
    return is and tidy(folder .. "/" .. value) or value
  end
  if type(value) ~= "table" then return value end
  if type_of.fields then resolve_record(type_of.fields, value, folder) end
  if type_of.element then
    for key, one in pairs(value) do value[key] = resolve(type_of.element, one, folder) end
  end
  for _, member in ipairs(type_of.members or {}) do value = resolve(member, value, folder) end
  return value
end

---@param fields table as a policy gave them, copied; changed
---@param folder string absolute
function relative.resolve(fields, folder)
  resolve_record(schema.fields, fields, folder)
end

return relative
