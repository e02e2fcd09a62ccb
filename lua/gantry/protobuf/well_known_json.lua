-- SPDX-License-Identifier: Apache-2.0
--
--- protobuf/well_known_json.lua: the well-known types whose JSON is not that of a message's fields. Their forms in Lua
--- are those of well_known.lua. Requiring it puts them into protobuf/json.lua.

local base64 = require("gantry.core").base64
local decimal = require "gantry.protobuf.decimal"
local json = require "gantry.json"
local json_text = require "gantry.protobuf.json_text"
local mapping = require "gantry.protobuf.json"
local times = require "gantry.protobuf.times"
local well_known = require "gantry.protobuf.well_known"

local PREFIX <const> = "google.protobuf."
local special = mapping.well_known

-- ---- wrappers ----

local WRAPPER = {
  write = function(out, value, message)
    message:link()
    out:value(message.by_name.value, value)
  end,
  read = function(walk, tree, message)
    local fields = mapping.read_members(walk, message, { value = tree })
    if fields.value == nil then mapping.mismatch(walk, message.by_name.value.kind, tree) end
    return fields.value
  end,
}
for _, name in ipairs { "Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes" } do
  special[PREFIX .. name .. "Value"] = WRAPPER
end

-- ---- times ----

---@param to_text fun(value: table): string?, string?
---@param of_text fun(text: string): table?
---@param wanted string
local function time(to_text, of_text, wanted)
  return {
    write = function(out, value)
      local text, reason = to_text(value)
      if not text then out.walk:fail(("%s expected, but the value %s"):format(wanted, reason)) end
      out:string(text)
    end,
    read = function(walk, tree)
      local value = type(tree) == "string" and of_text(tree)
      if not value then mapping.mismatch(walk, wanted, tree) end
      return value
    end,
  }
end

special[PREFIX .. "Timestamp"] = time(times.timestamp_text, times.timestamp, 'a time such as "2024-05-01T12:00:00Z"')
special[PREFIX .. "Duration"] = time(times.duration_text, times.duration, 'a duration such as "1.5s"')

-- ---- Struct ----

local write_value

---@param out table
---@param list any[]
local function write_list(out, list)
  out:open "["
  for index, element in ipairs(list) do
    out:separate(index == 1)
    write_value(out, element)
  end
  out:close("]", #list == 0)
end

---@param out table
---@param fields table<string, any>
local function write_struct(out, fields)
  local names = {}
  for name in next, fields do names[#names + 1] = name end
  table.sort(names)
  out:open "{"
  for index, name in ipairs(names) do
    out:name(name, index == 1)
    write_value(out, fields[name])
  end
  out:close("}", #names == 0)
end

---@param out table
---@param value any
function write_value(out, value)
  local kind = math.type(value)
  if kind == "integer" then return out:add(("%d"):format(value)) end
  if kind and value - value ~= 0 then out.walk:fail "a Value that is NaN or infinite has no JSON" end
  if kind then return out:float(value, false) end
  if value == json.null then return out:add "null" end
  if type(value) == "string" then return out:string(value) end
  if type(value) == "boolean" then return out:add(tostring(value)) end
  if json.is_array(value) then return write_list(out, value) end
  write_struct(out, value)
end

---@param walk gantry.protobuf.Walk
---@param tree any
local function read_value(walk, tree)
  if json_text.is_number(tree) then
    local number = decimal.float(tree.text)
    if math.abs(number) == math.huge then
      walk:fail(("a number expected, got %s, which is out of its range"):format(tree.text))
    end
    return number
  end
  if type(tree) ~= "table" then return tree end
  local copy = json.is_array(tree) and json.array() or {}
  for key, element in next, tree do copy[key] = read_value(walk, element) end
  return copy
end

special[PREFIX .. "Value"] = { write = write_value, read = read_value }

special[PREFIX .. "Struct"] = {
  write = write_struct,
  read = function(walk, tree)
    if not mapping.is_object(tree) then mapping.mismatch(walk, "an object", tree) end
    return read_value(walk, tree)
  end,
}

special[PREFIX .. "ListValue"] = {
  write = write_list,
  read = function(walk, tree)
    if not json.is_array(tree) then mapping.mismatch(walk, "an array", tree) end
    return read_value(walk, tree)
  end,
}

-- ---- FieldMask, Empty ----

---@param path string
---@return string
local function to_camel(path)
  return (path:gsub("_(%l)", string.upper))
end

---@param path string
---@return string
local function to_snake(path)
  return (path:gsub("%u", function(letter) return "_" .. letter:lower() end))
end

special[PREFIX .. "FieldMask"] = {
  write = function(out, paths)
    local texts = {}
    for index, path in ipairs(paths) do
      texts[index] = to_camel(path)
      if to_snake(texts[index]) ~= path then
        out.walk:fail(("the path '%s' has no JSON: it is not the same after lowerCamelCase"):format(path))
      end
    end
    out:string(table.concat(texts, ","))
  end,
  read = function(walk, tree)
    if type(tree) ~= "string" or tree:find("[_%s]") then
      mapping.mismatch(walk, 'paths such as "user.displayName,photo"', tree)
    end
    local paths = {}
    for path in tree:gmatch("[^,]+") do paths[#paths + 1] = to_snake(path) end
    return paths
  end,
}

special[PREFIX .. "Empty"] = {
  write = function(out)
    out:open "{"
    out:close("}", true)
  end,
  read = function(walk, tree, message)
    if not mapping.is_object(tree) then mapping.mismatch(walk, "an object", tree) end
    return mapping.read_members(walk, message, tree)
  end,
}

-- ---- Any ----

---@param out table
---@param value table
---@param message gantry.protobuf.Message
local function write_any(out, value, message)
  local url = value["@type"] or value.type_url or ""
  local inner = url ~= "" and well_known.type_of_url(message, url)
  local first = url == ""
  out:open "{"
  if url ~= "" then
    out:name("@type", true)
    out:string(url)
  end
  if value["@type"] and inner and special[inner.name] then
    out:name("value", first)
    out:message(inner, value.value)
  elseif value["@type"] and inner then
    out:members(inner, value, first)
  elseif url ~= "" then
    -- A type that is not known has no JSON: its bytes are better than nothing.
    out:name("value", first)
    out:string(base64.encode(value.value or ""))
  end
  out:close("}", first)
end

---@param walk gantry.protobuf.Walk
---@param tree any
---@param message gantry.protobuf.Message
local function read_any(walk, tree, message)
  if not mapping.is_object(tree) then mapping.mismatch(walk, 'an object with "@type"', tree) end
  if next(tree) == nil then return {} end
  local url = tree["@type"]
  local inner, err = well_known.type_of_url(message, url)
  if not inner then walk:fail(err.message) end
  if not special[inner.name] then
    local fields = mapping.read_members(walk, inner, tree, "@type")
    fields["@type"] = url
    return fields
  end
  if tree.value == nil then walk:fail 'an object with "@type" and "value" expected' end
  return { ["@type"] = url, value = mapping.read_tree(walk, inner, tree.value) }
end

special[PREFIX .. "Any"] = { write = write_any, read = read_any }

return special
