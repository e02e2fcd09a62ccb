-- SPDX-License-Identifier: Apache-2.0
--
--- text/yaml.lua: plain data as YAML for people: block style, the keys that tell what something is first. Texts that
--- are more than plain words are written as JSON writes them, which is YAML, or as blocks where they have lines.

local json = require "gantry.json"

local yaml = {}

-- What people look for first; all others follow by name.
local FIRST <const> = { "apiVersion", "kind", "metadata", "name", "image", "imagePullPolicy", "restartPolicy",
  "command", "args", "workingDir", "env", "resources", "startupProbe", "securityContext", "value", "volumeMounts",
  "spec", "template", "initContainers", "containers", "volumes" }
local RANK <const> = {}
for i, name in ipairs(FIRST) do RANK[name] = i end

-- Words that YAML takes for something else than a text.
local RESERVED <const> = {}
for word in ("true false yes no on off y n null nan inf"):gmatch "%S+" do RESERVED[word] = true end

---@param text string
---@return string as JSON
local function quoted(text)
  return (json.line(text):gsub("\n$", ""))
end

---@param text string
---@return boolean
local function is_plain(text)
  local is_word = text:find "^[%a/][%w%._/@:%-]*$" or text:find "^%-%-?%a[%w-]*$"
  return is_word ~= nil and text:sub(-1) ~= ":" and not RESERVED[text:lower()]
end

---Whether a text can stand as a block of lines, as it is.
---@param text string
---@return boolean
local function is_block(text)
  return text:find "\n." ~= nil and text:sub(-1) == "\n" and not text:find "\n\n$" and not text:find "^[%s]"
    and not text:find "[\0-\9\11-\31\127-\255]"
end

---@param value any
---@return boolean
local function is_list(value)
  return json.is_array(value) or value[1] ~= nil
end

---@param value any
---@return string? text nil where it takes lines of its own
local function inline(value)
  if type(value) == "table" then
    if next(value) ~= nil then return nil end
    return json.is_array(value) and "[]" or "{}"
  elseif type(value) ~= "string" then
    return tostring(value)
  elseif is_plain(value) then
    return value
  end
  return not is_block(value) and quoted(value) or nil
end

---@param map table<string, any>
---@return string[]
local function keys_of(map)
  local keys = {}
  for key in pairs(map) do keys[#keys + 1] = key end
  table.sort(keys, function(left, right)
    local one, other = RANK[left] or math.huge, RANK[right] or math.huge
    if one ~= other then return one < other end
    return left < right
  end)
  return keys
end

local write

---@param text string
---@param indent string
---@param lines string[]
local function write_block(text, indent, lines)
  for line in text:gmatch "(.-)\n" do lines[#lines + 1] = line == "" and "" or indent .. line end
end

---@param list any[]
---@param indent string
---@param lines string[]
local function write_list(list, indent, lines)
  for _, element in ipairs(list) do
    local text = inline(element)
    if text then
      lines[#lines + 1] = indent .. "- " .. text
    else
      local first = #lines + 1
      write(element, indent .. "  ", lines)
      lines[first] = indent .. "- " .. lines[first]:sub(#indent + 3)
    end
  end
end

---@param map table<string, any>
---@param indent string
---@param lines string[]
local function write_map(map, indent, lines)
  for _, key in ipairs(keys_of(map)) do
    local value = map[key]
    local name, text = is_plain(key) and key or quoted(key), inline(value)
    if text then
      lines[#lines + 1] = ("%s%s: %s"):format(indent, name, text)
    elseif type(value) == "string" then
      lines[#lines + 1] = ("%s%s: |"):format(indent, name)
      write_block(value, indent .. "  ", lines)
    else
      lines[#lines + 1] = ("%s%s:"):format(indent, name)
      write(value, is_list(value) and indent or indent .. "  ", lines)
    end
  end
end

---@param value any of more than one line
---@param indent string
---@param lines string[]
function write(value, indent, lines)
  if type(value) == "string" then
    lines[#lines + 1] = indent .. quoted(value)
  elseif is_list(value) then
    write_list(value, indent, lines)
  else
    write_map(value, indent, lines)
  end
end

---@param documents table[] each a map
---@return string text of one stream, documents apart by a line ---
function yaml.stream(documents)
  local texts = {}
  for i, document in ipairs(documents) do
    local lines = {}
    write(document, "", lines)
    texts[i] = table.concat(lines, "\n") .. "\n"
  end
  return table.concat(texts, "---\n")
end

return yaml
