-- SPDX-License-Identifier: Apache-2.0
--
--- config/container_values.lua: the types of what a container is given and kept from: credentials, devices, processors,
--- limits, signals, profiles.

local nearest = require "gantry.base.nearest"
local record = require "gantry.base.record"
local types = require "gantry.base.types"
local values = require "gantry.config.values"
local words = require "gantry.base.words"

local container_values = {}

local LONGEST_FILE <const> = 255 -- name of a file
local OWNER_READS <const> = tonumber("400", 8)
-- The highest number of a processor that Linux is ever built for.
local MAX_PROCESSOR <const> = 8191

---@param pattern string of the whole text
---@param text string what it must be
---@return fun(text: string): string?, string?
local function matching(pattern, text)
  return function(value)
    if value:find(pattern) then return value end
    return nil, ("must be %s, got %s"):format(text, words.show(value))
  end
end

-- ---- credentials ----

---@param text string
---@return integer? mode, string? reason
local function check_mode(text)
  local mode = text:find "^0?[0-7][0-7][0-7]$" and tonumber(text, 8)
  if not mode then return nil, 'must be a file\'s mode in octal, such as "0400", got ' .. words.show(text) end
  if mode & OWNER_READS == 0 then return nil, "must let its owner read it, got " .. words.show(text) end
  return mode
end

local credential = record.new({
  { name = "file", type = values.path, required = true, doc = "The file on the host.", also = { "path", "source" } },
  { name = "mode", type = types.string { kind = "mode", text = 'a string such as "0400"', check = check_mode },
    default = "0400", doc = "Its mode inside, where it belongs to the plugin's user." },
  { name = "on_change", type = types.enumeration { "keep", "restart" }, default = "keep",
    doc = "What a changed file means under `gantry up`: nothing until the next generation, or a restart." },
}, { text = "{ file =, mode =, on_change = }" })

---A file's path, or a table of settings.
container_values.credential = {
  kind = "record", text = "a path, or " .. credential.text, fields = credential.fields,
  is = function(value) return type(value) == "string" or credential.is(value) end,
  read = function(value, at, report)
    if credential.is(value) then return credential.read(value, at, report) end
    if type(value) ~= "string" then return types.mistyped(container_values.credential, value, at, report) end
    local file = values.path.read(value, at, report)
    return file and credential.read({ file = file }, at, report)
  end,
}

container_values.credentials = types.map(container_values.credential, {
  text = "a map of names to paths or { file =, mode =, on_change = }", key = function(key)
    if #key > LONGEST_FILE or not key:find "^[%w_-][%w_.-]*$" then
      return "is no plain name of a file: letters, digits, '_', '-' and '.', with no '.' in front"
    end
  end,
})

-- ---- devices, processors ----

---@param text string
---@return string? text, string? reason
local function check_permissions(text)
  if text:find "^[rwm]+$" and not text:find "(.).*%1" then return text end
  return nil, 'must be some of the letters "rwm", each once, got ' .. words.show(text)
end

local device = record.new({
  { name = "source", type = values.path, required = true, doc = "The device on the host.", also = { "path", "src" } },
  { name = "target", type = values.target, doc = "Its path inside; the same where left out.", also = { "dst" } },
  { name = "permissions", default = "rwm", doc = "Of r (read), w (write) and m (make).",
    type = types.string { check = check_permissions } },
}, { text = "{ source =, target =, permissions = }" })

---A device's path, or a table of settings.
container_values.device = {
  kind = "record", text = "a device's path, or " .. device.text, fields = device.fields,
  is = function(value) return type(value) == "string" or type(value) == "table" and not types.is_list(value) end,
  read = function(value, at, report)
    local read = device.read(type(value) == "string" and { source = value } or value, at, report)
    if read and not read.target then read.target = read.source end
    return read
  end,
}

---@param text string
---@return string? text, string? reason
local function check_cpuset(text)
  for part in (text .. ","):gmatch "([^,]*)," do
    local first, last = part:match "^(%d+)%-?(%d*)$"
    local fits = first and (last == "" and not part:find "-" or last ~= "" and tonumber(first) <= tonumber(last))
    if not fits then return nil, 'must be numbers of processors such as "0-3,5", got ' .. words.show(text) end
    if tonumber(last == "" and first or last) > MAX_PROCESSOR then
      return nil, ("must have numbers of at most %d, got %s"):format(MAX_PROCESSOR, words.show(text))
    end
  end
  return text
end

container_values.cpuset = types.string { text = 'processors such as "0-3,5"', check = check_cpuset }

-- ---- limits of a process ----

-- Those of Linux; what JSON carries without loss; the most open files that any Linux can be set to.
local ULIMITS <const> = { "as", "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile",
  "nproc", "rss", "rtprio", "rttime", "sigpending", "stack" }
local MAX_LIMIT <const>, MAX_FILES <const> = 1 << 53, 2147483584

local limit = types.integer { min = -1, max = MAX_LIMIT }

local ulimit_record = record.new({
  { name = "name", type = types.enumeration(ULIMITS), required = true, doc = "The limit's name, such as nofile." },
  { name = "soft", type = limit, required = true, doc = "The limit; -1 for none." },
  { name = "hard", type = limit, doc = "How far the plugin may raise it; soft where left out." },
}, { text = "{ name =, soft =, hard = }" })

local ulimit = {
  kind = "record", text = ulimit_record.text, is = ulimit_record.is, fields = ulimit_record.fields,
  read = function(value, at, report)
    local read = ulimit_record.read(value, at, report)
    if not read then return nil end
    if read.hard == nil then read.hard = read.soft end
    if read.name == "nofile" and math.max(read.soft or 0, read.hard or 0) > MAX_FILES then
      report(at, ("%s: nofile must be at most %d, got %d"):format(at, MAX_FILES, math.max(read.soft, read.hard)))
    end
    return read
  end,
}

container_values.ulimits = types.list(ulimit, { text = "a list of " .. ulimit.text })

-- ---- signals, namespaces, profiles ----

-- Linux' signals, as engines know them by name.
local SIGNALS <const> = {}
for name in ([[ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR QUIT RTMAX RTMIN SEGV STKFLT
    STOP SYS TERM TRAP TSTP TTIN TTOU URG USR1 USR2 VTALRM WINCH XCPU XFSZ]]):gmatch "%S+" do
  SIGNALS[#SIGNALS + 1] = name
end
local LAST_SIGNAL <const>, MOST_ABOVE <const>, MOST_BELOW <const> = 64, 15, 14

---@param name string without SIG
---@return boolean
local function is_signal(name)
  for _, known in ipairs(SIGNALS) do
    if name == known then return true end
  end
  local above, below = name:match "^RTMIN%+(%d%d?)$", name:match "^RTMAX%-(%d%d?)$"
  local distance = tonumber(above or below)
  return distance ~= nil and distance >= 1 and distance <= (above and MOST_ABOVE or MOST_BELOW)
end

---@param text string
---@return string? name with SIG, or a number, string? reason
local function check_signal(text)
  local name = text:upper():gsub("^SIG", "")
  if is_signal(name) then return "SIG" .. name end
  local number = name:find "^%d%d?$" and tonumber(name)
  if number and number >= 1 and number <= LAST_SIGNAL then return name end
  local near = nearest.find(name, SIGNALS)
  return nil, ('must be a signal such as "SIGINT", got %s%s'):format(words.show(text), near
    and ("; did you mean 'SIG%s'?"):format(near) or "")
end

container_values.signal = types.string { text = 'a signal such as "SIGINT"', check = check_signal }

-- Docker knows the first alone, Podman all of them.
local USERNS <const> = { "^host$", "^private$", "^nomap$", "^keep%-id$", "^keep%-id:[ugs]", "^auto$", "^auto:[ugs]",
  "^ns:/", "^container:[%w]" }

container_values.userns_mode = types.string { text = 'a mode such as "host"', one_line = true, check = function(text)
  for _, pattern in ipairs(USERNS) do
    if text:find(pattern) then return text end
  end
  return nil, ('must be "host", or one of Podman\'s: "keep-id", "auto", "nomap", "private", "ns:/path", '
    .. '"container:NAME"; got %s'):format(words.show(text))
end }

---A size, or no limit.
container_values.memory_swap = {
  kind = "size", text = 'a size such as "512MiB", or "unlimited"', unit = "bytes",
  is = types.size({}).is,
  read = function(value, at, report)
    if value == "unlimited" or value == -1 then return -1 end
    return types.size({ min = values.MIN_MEMORY }).read(value, at, report)
  end,
}

---@param text string
---@return string? text, string? reason
local function check_seccomp(text)
  if text == "unconfined" or text == "default" or text:sub(1, 1) == "/" then return text end
  return nil, 'must be "default", "unconfined" or the path of a profile, got ' .. words.show(text)
end

container_values.seccomp = types.string { text = '"default", "unconfined" or the path of a profile', one_line = true,
  check = check_seccomp }

container_values.apparmor = types.string { text = "the name of a profile", one_line = true,
  check = matching("^[^%s,/][^%s,]*$", "the name of a profile that is loaded, or unconfined") }

return container_values
