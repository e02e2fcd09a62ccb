-- SPDX-License-Identifier: Apache-2.0
--
--- config/values.lua: the types of values that a plugin's config has and other configs have not: names of images and
--- variables, paths, pins, the magic cookie.

local container_paths = require "gantry.config.container_paths"
local home = require "gantry.config.home"
local image = require "gantry.base.image"
local record = require "gantry.base.record"
local types = require "gantry.base.types"
local variables = require "gantry.config.variables"
local words = require "gantry.base.words"

local values = {}

local RESERVED_LABELS <const> = "gantry."
local LONGEST_NAME <const> = 64

-- Docker's smallest share of a processor; as many as Linux is ever built for.
local MIN_CPUS <const>, MAX_CPUS <const>, NANO <const> = 0.01, 8192, 1000000000

-- The smallest limit of memory that engines take.
values.MIN_MEMORY = "6MiB"

-- The highest number of a user or group that engines take; the longest path of Linux'.
local MAX_ID <const>, LONGEST_PATH <const> = (1 << 31) - 1, 4095

---@param wrong fun(text: string): string? gives a predicate
---@return fun(text: string): string?, string?
local function checked(wrong)
  return function(text)
    local reason = wrong(text)
    if reason then return nil, ("names %s, which %s"):format(words.show(text), reason) end
    return text
  end
end

values.variable = types.string { kind = "variable", text = "the name of a variable",
  check = checked(variables.wrong_name) }

values.variable_pattern = types.string { kind = "variable", text = "the name of a variable",
  check = checked(variables.wrong_pattern) }

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

---@param text string
---@return string? text, string? reason
local function check_path(text)
  if text:sub(1, 1) ~= "/" then return nil, "must be an absolute path, got " .. words.show(text) end
  if #text > LONGEST_PATH then return nil, ("must be at most %d bytes long, got %d"):format(LONGEST_PATH, #text) end
  return text
end

---A path on the host: a policy may write it relative to its own folder, see gantry.config.relative.
values.host_path = types.string { kind = "path", text = "an absolute path", one_line = true, check = check_path }
values.host_path.on_host = true

values.path = types.string { kind = "path", text = "an absolute path", one_line = true, check = check_path }

---Of this machine: what lies in the caller's home directory may begin with ~.
values.source = types.string { kind = "path", text = "an absolute path", one_line = true, check = function(text)
  if home.wanted(text) then return text end
  return check_path(text)
end }
values.source.on_host, values.source.in_home = true, true

---true, or the one word that shares what is everybody's.
values.share_tmp = types.union(types.boolean(), types.enumeration { "/tmp" })

---@param text string
---@return string? text, string? reason
local function check_target(text)
  local path, reason = check_path(text)
  reason = reason or container_paths.wrong_target(text)
  if reason then return nil, reason end
  return path
end

values.target = types.string { kind = "path", text = "an absolute path inside the container",
  one_line = true, check = check_target }

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
    local reason = type(name) ~= "string" and "is not the name of a variable" or variables.wrong_name(name)
    if reason then report(entry.at, ("%s: %s %s"):format(at, words.show(name), reason)) end
    local text = environment_value.read(entry.value, entry.at, report)
    local length = not reason and text and #name + 1 + #text or 0
    if length > types.LONGEST_STRING then
      report(entry.at, ("%s: %s and its value must be at most %d bytes long, got %d"):format(at, words.show(name),
        types.LONGEST_STRING, length))
    end
    if text and not reason then list[#list + 1] = name .. "=" .. text end
  end
  table.sort(list)
  return list
end

values.labels = types.map(types.string { empty = true }, {
  text = "a map of strings", key = function(key)
    if key:sub(1, #RESERVED_LABELS) == RESERVED_LABELS then return "starts with 'gantry.', which is gantry's own" end
  end,
})

---@param text string
---@return boolean whether a user or group may have this name, or number
local function is_account(text)
  return text:find "^[^%s:,/+-][^%s:,/]*$" ~= nil
end

values.group = types.union(
  types.integer { min = 0, max = MAX_ID, text = "a group's number" },
  types.string { kind = "name", text = "a group's name", one_line = true, check = function(text)
    if is_account(text) then return text end
    return nil, "must be a group's name or number, got " .. words.show(text)
  end })

---@param text string
---@return string? text, string? reason
local function check_user(text)
  local user, colon, group = text:match "^([^:]*)(:?)(.*)$"
  if not is_account(user) or colon ~= "" and not is_account(group) then
    return nil, "must be USER or USER:GROUP, by name or number, got " .. words.show(text)
  end
  for _, part in ipairs { user, group } do
    if part:find("^%d+$") and tonumber(part) > MAX_ID then
      return nil, ("must have numbers of at most %d, got %s"):format(MAX_ID, words.show(text))
    end
  end
  return text
end

---A user as the engine takes it; a number alone becomes text.
values.user = types.union(types.string { text = 'a user such as "1000:1000"', one_line = true, check = check_user }, {
  kind = "integer", text = "a user's number", is = function(value) return type(value) == "number" end,
  read = function(value, at, report)
    local number = types.integer({ min = 0, max = MAX_ID }).read(value, at, report)
    return number and ("%d"):format(number)
  end,
})

values.mount = record.new({
  { name = "source", type = values.source, required = true, also = { "src", "from" },
    doc = "Path on the host; a relative one is below the policy's folder, and ~ is the caller's HOME." },
  { name = "target", type = values.target, required = true, doc = "Path inside the container.",
    also = { "dst", "destination", "to" } },
  { name = "read_only", type = types.boolean(), default = false, doc = "Whether the plugin may only read it.",
    also = { "ro" } },
  { name = "relabel", type = types.enumeration { "shared", "private" }, also = { "selinux", "z" },
    doc = "With SELinux, gives the source, for good, a label that all containers may open, or this one alone." },
}, { text = "{ source =, target =, read_only = }" })

values.cookie = record.new({
  { name = "key", type = values.variable, required = true, doc = "The variable that the plugin looks for." },
  { name = "value", type = types.string(), required = true, doc = "What it must hold." },
}, { text = "{ KEY, VALUE }", positions = { "key", "value" } })

values.cpus = types.number { min = MIN_CPUS, max = MAX_CPUS }
values.nano_cpus = types.integer { min = math.tointeger(MIN_CPUS * NANO), max = MAX_CPUS * NANO }

---@param cpus number
---@return integer nano_cpus
function values.to_nano_cpus(cpus)
  return math.floor(cpus * NANO + 0.5)
end

return values
