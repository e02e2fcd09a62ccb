-- SPDX-License-Identifier: Apache-2.0
--
--- config/container_values.lua: the types of what a container is given and kept from: credentials, devices, addresses,
--- processors, signals, profiles.

local record = require "gantry.base.record"
local types = require "gantry.base.types"
local values = require "gantry.config.values"
local words = require "gantry.base.words"

local container_values = {}

-- The longest name of a file; of a host.
local LONGEST_FILE <const>, LONGEST_HOST <const> = 255, 253
local OWNER_READS <const> = tonumber("400", 8)

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

-- ---- devices, addresses, processors ----

local device = record.new({
  { name = "source", type = values.path, required = true, doc = "The device on the host.", also = { "path", "src" } },
  { name = "target", type = values.target, doc = "Its path inside; the same where left out.", also = { "dst" } },
  { name = "permissions", default = "rwm", doc = "Of r (read), w (write) and m (make).",
    type = types.string { check = matching("^[rwm]+$", 'some of the letters "rwm"') } },
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
---@return boolean
local function is_address(text)
  local parts = { text:match "^(%d+)%.(%d+)%.(%d+)%.(%d+)$" }
  for _, part in ipairs(parts) do
    if #part > 3 or tonumber(part) > 255 then return false end
  end
  return #parts == 4 or text:find ":.*:" ~= nil and text:find "^[%x:.]+$" ~= nil
end

---@param text string
---@return string? text, string? reason
local function check_address(text)
  if is_address(text) then return text end
  return nil, "must be an IP address, got " .. words.show(text)
end

container_values.address = types.string { kind = "address", text = "an IP address", check = check_address }

---@param text string
---@return string? reason a predicate
local function wrong_host(text)
  if #text > LONGEST_HOST or not text:find "^[%w_][%w_.-]*$" then
    return "is no host's name: letters, digits, '-' and '.'"
  end
end

container_values.hostname = types.string { text = "a host's name", check = function(text)
  local reason = wrong_host(text)
  if reason then return nil, ("names %s, which %s"):format(words.show(text), reason) end
  return text
end }

container_values.extra_hosts = types.map(types.string { text = "an IP address", check = function(text)
  if text == "host-gateway" then return text end -- Docker's word for the host, as containers reach it
  return check_address(text)
end }, { text = "a map of hosts' names to IP addresses", key = wrong_host })

---@param text string
---@return string? text, string? reason
local function check_cpuset(text)
  for part in (text .. ","):gmatch "([^,]*)," do
    local first, last = part:match "^(%d+)%-?(%d*)$"
    local fits = first and (last == "" and not part:find "-" or last ~= "" and tonumber(first) <= tonumber(last))
    if not fits then return nil, 'must be numbers of processors such as "0-3,5", got ' .. words.show(text) end
  end
  return text
end

container_values.cpuset = types.string { text = 'processors such as "0-3,5"', check = check_cpuset }

-- ---- signals, namespaces, profiles ----

---@param text string
---@return string? name with SIG, or a number, string? reason
local function check_signal(text)
  local name = text:upper():gsub("^SIG", "")
  if name:find "^%u[%u%d]*$" or name:find "^RTM%u+[+-]%d+$" then return "SIG" .. name end
  local number = name:find "^%d%d?$" and tonumber(name)
  if number and number >= 1 and number <= 64 then return name end
  return nil, 'must be a signal such as "SIGINT", got ' .. words.show(text)
end

container_values.signal = types.string { text = 'a signal such as "SIGINT"', check = check_signal }

container_values.userns_mode = types.string { text = 'a mode such as "host"',
  check = matching("^[%a-]+[%w:=,-]*$", 'a mode such as "host"') }

---A size, or no limit.
container_values.memory_swap = {
  kind = "size", text = 'a size such as "512MiB", or "unlimited"', unit = "bytes",
  is = types.size({}).is,
  read = function(value, at, report)
    if value == "unlimited" or value == -1 then return -1 end
    return types.size({ min = "6MiB" }).read(value, at, report)
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
