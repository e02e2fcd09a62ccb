-- SPDX-License-Identifier: Apache-2.0
--
--- config/network_values.lua: the types of what a container is told of networks: addresses, names of hosts, the
--- networks to join and how.

local record = require "gantry.base.record"
local types = require "gantry.base.types"
local words = require "gantry.base.words"

local network_values = {}

-- The longest name of a host in DNS; the longest that Linux lets a container have as its own.
local LONGEST_HOST <const>, LONGEST_OWN <const> = 253, 64

-- ---- addresses ----

---@param text string
---@return boolean
local function is_ipv4(text)
  local parts = { text:match "^(%d+)%.(%d+)%.(%d+)%.(%d+)$" }
  for _, part in ipairs(parts) do
    if #part > 3 or tonumber(part) > 255 or part:find "^0%d" then return false end -- a zero in front is octal to some
  end
  return #parts == 4
end

---@param text string groups between colons; the last may be an IPv4 address
---@return integer? count of groups of 16 bits; nil where one is none
local function count_groups(text)
  if text == "" then return 0 end
  local front, last = text:match "^(.-):?([^:]*)$"
  local count = is_ipv4(last) and 2 or last:find "^%x%x?%x?%x?$" and 1
  if not count then return nil end
  for group in (front == "" and "" or front .. ":"):gmatch "([^:]*):" do
    if not group:find "^%x%x?%x?%x?$" then return nil end
    count = count + 1
  end
  return count
end

---@param text string
---@return boolean
local function is_ipv6(text)
  local left, right = text:match "^(.-)::(.*)$"
  if not left then return not text:find "^:" and count_groups(text) == 8 end
  local before, after = count_groups(left), count_groups(right)
  return before ~= nil and after ~= nil and before + after < 8 and not left:find(".", 1, true)
end

---@param text string
---@param is fun(text: string): boolean
---@param what string
local function matching(is, what)
  return types.string { text = what, check = function(text)
    if is(text) then return text end
    return nil, ("must be %s, got %s"):format(what, words.show(text))
  end }
end

---@param text string
---@return boolean
local function is_address(text) return is_ipv4(text) or is_ipv6(text) end

network_values.address = matching(is_address, "an IP address")

-- ---- names of hosts ----

---@param text string
---@return string? reason a predicate
local function wrong_host(text)
  if #text > LONGEST_HOST or not text:find "^[%w_][%w_.-]*$" then
    return "is no host's name: letters, digits, '-' and '.'"
  end
end

network_values.hostname = types.string { text = "a host's name", check = function(text)
  local reason = wrong_host(text)
  if reason then return nil, ("names %s, which %s"):format(words.show(text), reason) end
  if #text > LONGEST_OWN then return nil, ("must be at most %d bytes long, got %d"):format(LONGEST_OWN, #text) end
  return text
end }

-- Docker's word for the host, as containers reach it.
network_values.extra_hosts = types.map(matching(function(text)
  return text == "host-gateway" or is_address(text)
end, "an IP address"), { text = "a map of hosts' names to IP addresses", key = wrong_host })

-- ---- networks ----

-- What may stand before a colon: the network of another container, and Podman's own kinds with their settings.
local WITH_SETTINGS <const> = { container = true, ns = true, bridge = true, slirp4netns = true, pasta = true }

---@param text string
---@return string? reason a predicate
local function wrong_network(text)
  local kind, rest = text:match "^([^:]*):(.*)$"
  if kind and WITH_SETTINGS[kind] then
    return rest == "" and ("must say more after '%s:'"):format(kind) or nil
  end
  if not text:find "^%w[%w_.-]*$" then return "must be a network's name: letters, digits, '.', '_' and '-'" end
end

---@param text string
---@return string? text, string? reason
local function check_network(text)
  local reason = wrong_network(text)
  if reason then return nil, ("%s, got %s"):format(reason, words.show(text)) end
  return text
end

network_values.networks = types.list(types.string { check = check_network }, { text = "a list of strings", min = 1,
  unique = true })

local text_list = types.list(types.string { one_line = true })
local ipv4, ipv6 = matching(is_ipv4, "an IPv4 address"), matching(is_ipv6, "an IPv6 address")

local hardware = types.string { text = "a MAC address", check = function(text)
  if text:find "^%x%x[:-]%x%x[:-]%x%x[:-]%x%x[:-]%x%x[:-]%x%x$" then return text end
  return nil, "must be a MAC address such as 02:42:c0:a8:2a:05, got " .. words.show(text)
end }

-- As the engine's API names them: what it does not know, it would pass over without a word.
local endpoint = record.new({
  { name = "Aliases", type = text_list, doc = "Further names of the plugin there.", also = { "alias" } },
  { name = "IPAMConfig", doc = "Its addresses there.", also = { "ipam" }, type = record.new({
    { name = "IPv4Address", type = ipv4, doc = "Its IPv4 address.", also = { "ip" } },
    { name = "IPv6Address", type = ipv6, doc = "Its IPv6 address.", also = { "ip6" } },
    { name = "LinkLocalIPs", type = types.list(network_values.address), doc = "Link-local addresses." },
  }, { text = "a table of addresses" }) },
  { name = "Links", type = text_list, doc = "Containers that it knows by another name, as CONTAINER:ALIAS." },
  { name = "MacAddress", type = hardware, doc = "Its hardware's address." },
  { name = "DriverOpts", type = types.map(types.string { empty = true }, { text = "a map of strings" }),
    doc = "Options for the network's driver." },
  { name = "GwPriority", type = types.integer(), doc = "The network with the highest is the way out (Docker 28)." },
}, { text = "a table of the engine's settings" })

network_values.endpoints = types.map(endpoint, { text = "a map of networks to settings", key = wrong_network })

return network_values
