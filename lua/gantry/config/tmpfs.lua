-- SPDX-License-Identifier: Apache-2.0
--
--- config/tmpfs.lua: folders of a container that are memory, with their options of mount: those that Docker or Podman
--- takes, with values that the kernel takes.

local container_paths = require "gantry.config.container_paths"
local nearest = require "gantry.base.nearest"
local types = require "gantry.base.types"
local units = require "gantry.base.units"
local values = require "gantry.config.values"
local words = require "gantry.base.words"

local MAX_ID <const>, LONGEST_COUNT <const> = (1 << 31) - 1, 18

-- Options without a value; the last two are Podman's.
local FLAGS <const> = {}
for name in ([[async atime defaults dev diratime dirsync exec mand noatime nodev nodiratime noexec nomand norelatime
    nostrictatime nosuid private rprivate relatime ro rslave rshared rw shared slave strictatime suid sync unbindable
    runbindable tmpcopyup notmpcopyup]]):gmatch "%S+" do FLAGS[name] = true end

---@param text string
---@return string? reason
local function wrong_size(text)
  if text:find "^%d%d?%d?%%$" then return nil end
  local number, unit = text:match "^(%d+)([kKmMgGtT]?)$"
  if not number then return "must be one such as 16m, got " .. words.show(text) end
  local _, reason = units.bytes(number .. (unit == "" and "B" or unit .. "iB"))
  return reason
end

---@param text string
---@return string? reason
local function wrong_mode(text)
  if text:find "^[0-7]+$" and #text <= 5 then return nil end
  return "must be octal, such as 1777, got " .. words.show(text)
end

---@param text string
---@return string? reason
local function wrong_id(text)
  if not text:find "^%d+$" or tonumber(text) > MAX_ID then
    return ("must be a number of at most %d, got %s"):format(MAX_ID, words.show(text))
  end
end

---@param text string
---@return string? reason
local function wrong_count(text)
  if #text <= LONGEST_COUNT and text:find "^%d+[kKmMgG]?$" then return nil end
  return "must be a number such as 10k, got " .. words.show(text)
end

---@param text string
---@return string? reason
local function wrong_placement(text)
  local mode = text:match "^[^:=]+"
  for _, known in ipairs { "default", "local", "interleave", "prefer", "bind" } do
    if mode == known then return nil end
  end
  return "must be one such as interleave or bind:0-1, got " .. words.show(text)
end

local VALUES <const> = { size = wrong_size, mode = wrong_mode, uid = wrong_id, gid = wrong_id, nr_inodes = wrong_count,
  nr_blocks = wrong_count, mpol = wrong_placement }

---@type string[]
local NAMES <const> = {}
for name in pairs(FLAGS) do NAMES[#NAMES + 1] = name end
for name in pairs(VALUES) do NAMES[#NAMES + 1] = name end
table.sort(NAMES)

---@param option string
---@return string? reason a predicate
local function wrong_option(option)
  local name, value = option:match "^([^=]*)=(.*)$"
  if FLAGS[option] then return nil end
  if name and VALUES[name] then
    local reason = VALUES[name](value)
    return reason and ("has a %s that %s"):format(name, reason)
  end
  if VALUES[option] then return ("has the option %s without a value; write %s=…"):format(option, option) end
  local near = nearest.find(name or option, NAMES)
  return ("has the option %s, which no engine takes; %s"):format(words.show(option), near and ("did you mean '%s'?")
    :format(near) or "see tmpfs in the manual (docs/policy.md)")
end

---@param options string of mount
---@return string? options, string? reason
local function check(options)
  for option in (options == "" and "" or options .. ","):gmatch "([^,]*)," do
    local reason = wrong_option(option)
    if reason then return nil, reason end
  end
  return options
end

---@param path string absolute
---@return string? reason
local function wrong_path(path)
  -- Where the runtime makes devices, which a folder that is mounted over them has none of.
  if container_paths.clean(path) == "/dev" then return "must not be /dev, which is memory as it is" end
  return container_paths.wrong_target(path)
end

local path = setmetatable({
  read = function(value, at, report)
    local read = values.target.read(value, at, report)
    local reason = read and wrong_path(read)
    if reason then return report(at, ("%s %s"):format(at, reason)) end
    return read
  end,
}, { __index = values.target })

local map = types.map(types.string { empty = true, one_line = true, check = check }, {
  text = "a map of paths to options, or a list of paths", key = function(key)
    if key:sub(1, 1) ~= "/" then return "must be an absolute path" end
    return wrong_path(key)
  end,
})

---Paths that are memory inside, by path; a list means the engine's own options.
return {
  kind = "map", text = map.text, is = map.is,
  read = function(value, at, report)
    if not types.is_list(value) then return map.read(value, at, report) end
    local paths = types.list(path).read(value, at, report)
    if not paths then return nil end
    local read = {}
    for _, one in ipairs(paths) do read[one] = "" end
    return read
  end,
}
