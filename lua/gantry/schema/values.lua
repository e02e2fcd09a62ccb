-- SPDX-License-Identifier: Apache-2.0
--
--- schema/values.lua: the types of values that a plugin's config has and other configs have not: names of images and
--- variables, paths, pins, the magic cookie.

local image = require "gantry.image"
local record = require "gantry.schema.record"
local types = require "gantry.schema.types"
local words = require "gantry.words"

local values = {}

-- Variables of go-plugin's handshake: gantry sets them, for each launch.
local HANDSHAKE = {}
for _, name in ipairs {
  "PLUGIN_MIN_PORT", "PLUGIN_MAX_PORT", "PLUGIN_PROTOCOL_VERSIONS", "PLUGIN_MULTIPLEX_GRPC", "PLUGIN_CLIENT_CERT",
  "PLUGIN_UNIX_SOCKET_GROUP", "PLUGIN_UNIX_SOCKET_DIR",
} do HANDSHAKE[name] = true end

local RESERVED_LABELS <const> = "gantry."
local LONGEST_NAME <const> = 64

-- Docker's smallest share of a processor.
local MIN_CPUS <const>, NANO <const> = 0.01, 1000000000

---@param name string
---@return string? reason a predicate
local function wrong_variable(name)
  if not name:find("^[%a_][%w_.-]*$") then return "is not the name of a variable" end
  if HANDSHAKE[name] then return "belongs to go-plugin's handshake: gantry sets it" end
end

---@param text string
---@return string? text, string? reason
local function check_variable(text)
  local reason = wrong_variable(text)
  if reason then return nil, ("names %s, which %s"):format(words.show(text), reason) end
  return text
end

values.variable = types.string { kind = "variable", text = "the name of a variable", check = check_variable }

values.plugin_name = types.string {
  text = "a name", check = function(text)
    if #text <= LONGEST_NAME and text:find("^[%w_-][%w._-]*$") then return text end
    return nil, ("must have 1 to %d letters, digits, '.', '_' or '-' and no leading '.', got %s"):format(LONGEST_NAME,
      words.show(text))
  end,
}

values.image = types.string {
  text = "the name of an image", empty = true, check = function(text)
    local parts, reason = image.parse(text)
    if parts then return text end
    return nil, reason
  end,
}

values.tag = types.string {
  text = "an image's tag", check = function(text)
    if image.is_tag(text) then return text end
    return nil, ("must be letters, digits, '.', '_' or '-', 128 at most, got %s"):format(words.show(text))
  end,
}

values.sha256 = types.string {
  kind = "sha256", text = "64 hex digits", empty = true, check = function(text)
    local digits = text:gsub("^sha256:", "")
    if #digits ~= 64 then return nil, ("must be 64 hex digits, got %d"):format(#digits) end
    local wrong = digits:match("%X")
    if wrong then return nil, ("must be 64 hex digits, got %s among them"):format(words.show(wrong)) end
    return digits:lower()
  end,
}

values.path = types.string {
  kind = "path", text = "an absolute path", check = function(text)
    if text:sub(1, 1) ~= "/" then return nil, "must be an absolute path, got " .. words.show(text) end
    return text
  end,
}

---true, or the one word that shares what is everybody's.
values.share_tmp = types.union(types.boolean(), types.enumeration { "/tmp" })

---@param text string
---@return string? text, string? reason
local function check_target(text)
  if text:sub(1, 1) ~= "/" then return nil, "must be an absolute path, got " .. words.show(text) end
  if not text:find("[^/]") then return nil, "must not be the container's root" end
  return text
end

values.target = types.string { kind = "path", text = "an absolute path inside the container", check = check_target }

---@param entry string
---@param at string
---@param report gantry.Report
---@return string? name, string? value
local function split_entry(entry, at, report)
  if type(entry) ~= "string" then
    return report(at, ("%s must be NAME=VALUE, got %s"):format(at, words.show(entry)))
  end
  local name, value = entry:match("^([^=]*)=(.*)$")
  if name then return name, value end
  report(at, ("%s must be NAME=VALUE, got %s; to hand in a variable of your own environment, name it in pass_env")
    :format(at, words.show(entry)))
end

---@param value table
---@param at string
---@param report gantry.Report
---@return table<string, { value: any, at: string }> entries by name
local function environment_entries(value, at, report)
  local entries = {}
  for key, one in pairs(value) do
    local path, name, content = types.child(at, key), key, one
    if math.type(key) == "integer" then name, content = split_entry(one, path, report) end
    if name and entries[name] then report(path, ("%s: %s is there twice"):format(at, words.show(name))) end
    if name then entries[name] = { value = content, at = path } end
  end
  return entries
end

local environment_value = types.string { empty = true }

values.environment = {
  kind = "environment", text = 'a map of strings or a list of "NAME=VALUE"',
  is = function(value) return type(value) == "table" end,
}

---@return string[]? sorted NAME=VALUE
function values.environment.read(value, at, report)
  if type(value) ~= "table" then return types.mistyped(values.environment, value, at, report) end
  local list = {}
  for name, entry in pairs(environment_entries(value, at, report)) do
    local reason = type(name) ~= "string" and "is not the name of a variable" or wrong_variable(name)
    if reason then report(entry.at, ("%s: %s %s"):format(at, words.show(name), reason)) end
    local text = environment_value.read(entry.value, entry.at, report)
    if text and not reason then list[#list + 1] = name .. "=" .. text end
  end
  table.sort(list)
  return list
end

values.labels = types.map(types.string { empty = true }, {
  text = "a map of strings", key = function(key)
    if key == "" then return "is empty" end
    if key:sub(1, #RESERVED_LABELS) == RESERVED_LABELS then return "starts with 'gantry.', which is gantry's own" end
  end,
})

values.group = types.union(
  types.integer { min = 0, max = 4294967294, text = "a group's number" },
  types.string { kind = "name", text = "a group's name" })

---A user as the engine takes it; a number alone becomes text.
values.user = types.union(types.string { text = 'a user such as "1000:1000"' }, {
  kind = "integer", text = "a user's number", is = function(value) return type(value) == "number" end,
  read = function(value, at, report)
    local number = types.integer({ min = 0, max = 4294967294 }).read(value, at, report)
    return number and ("%d"):format(number)
  end,
})

local tmpfs_map = types.map(types.string { empty = true }, {
  text = "a map of paths to options, or a list of paths", key = function(key)
    local _, reason = check_target(key)
    return reason
  end,
})

---Paths that are memory inside, by path; a list means the engine's own options.
values.tmpfs = {
  kind = "map", text = tmpfs_map.text, is = tmpfs_map.is,
  read = function(value, at, report)
    if not types.is_list(value) then return tmpfs_map.read(value, at, report) end
    local paths = types.list(values.target).read(value, at, report)
    if not paths then return nil end
    local map = {}
    for _, path in ipairs(paths) do map[path] = "" end
    return map
  end,
}

values.mount = record.new({
  { name = "source", type = values.path, required = true, doc = "Path on the host.", also = { "src", "from" } },
  { name = "target", type = values.target, required = true, doc = "Path inside the container.",
    also = { "dst", "destination", "to" } },
  { name = "read_only", type = types.boolean(), default = false, doc = "Whether the plugin may only read it.",
    also = { "ro" } },
}, { text = "{ source =, target =, read_only = }" })

local ulimit_record = record.new({
  { name = "name", type = types.string(), required = true, doc = "The limit's name, such as nofile." },
  { name = "soft", type = types.integer { min = -1 }, required = true, doc = "The limit; -1 for none." },
  { name = "hard", type = types.integer { min = -1 }, doc = "How far the plugin may raise it; soft where left out." },
}, { text = "{ name =, soft =, hard = }" })

values.ulimit = {
  kind = "record", text = ulimit_record.text, is = ulimit_record.is, fields = ulimit_record.fields,
  read = function(value, at, report)
    local limit = ulimit_record.read(value, at, report)
    if limit and limit.hard == nil then limit.hard = limit.soft end
    return limit
  end,
}

values.cookie = record.new({
  { name = "key", type = values.variable, required = true, doc = "The variable that the plugin looks for." },
  { name = "value", type = types.string(), required = true, doc = "What it must hold." },
}, { text = "{ KEY, VALUE }", positions = { "key", "value" } })

values.cpus = types.number { min = MIN_CPUS }
values.nano_cpus = types.integer { min = math.tointeger(MIN_CPUS * NANO) }

---@param cpus number
---@return integer nano_cpus
function values.to_nano_cpus(cpus)
  return math.floor(cpus * NANO + 0.5)
end

return values
