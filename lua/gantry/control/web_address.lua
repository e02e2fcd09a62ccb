-- SPDX-License-Identifier: Apache-2.0
--
--- control/web_address.lua: where the page is served: an address of this machine and a port, and what may stand before
--- others can reach it.

local errors = require "gantry.base.errors"

local web_address = {}

local HIGHEST_PORT <const> = 65535
-- By which names browsers reach a server on their own machine.
local LOOPBACK_NAMES <const> = { "localhost", "127.0.0.1", "[::1]" }

---@class gantry.WebAddress
---@field host string a numeric address, without brackets
---@field port integer 0 for one that the kernel chooses
---@field is_loopback boolean whether this machine alone reaches it

---@param text string
---@return gantry.Error
local function invalid(text)
  return errors.new("CONTROL_ADDRESS", ("the address of the page, '%s', is none: it must be ADDRESS:PORT with a "
    .. "numeric address, such as 127.0.0.1:7070 or [::1]:7070, or localhost:PORT"):format(text))
end

---@param text string
---@return gantry.WebAddress? address, gantry.Error? err CONTROL_ADDRESS
function web_address.parse(text)
  local host, digits = text:match "^%[([%x:.]+)%]:(%d+)$"
  if not host then host, digits = text:match "^([%d.]+):(%d+)$" end
  if not host then host, digits = text:match "^(localhost):(%d+)$" end
  local port = math.tointeger(tonumber(digits))
  if not host or not port or port > HIGHEST_PORT then return nil, invalid(text) end
  if host == "localhost" then host = "127.0.0.1" end
  return { host = host, port = port, is_loopback = host == "::1" or host:find "^127%.[%d.]+$" ~= nil }
end

---An address as it stands in a URL.
---@param host string
---@return string
function web_address.in_url(host)
  return host:find(":", 1, true) and "[" .. host .. "]" or host
end

---The names that requests may have in their header Host: with any other a page of somebody else's has had its own name
---point here.
---@param address gantry.WebAddress
---@param more string[]?
---@return table<string, boolean> names in lower case, addresses of IPv6 in brackets
function web_address.names(address, more)
  local names = { [web_address.in_url(address.host):lower()] = true }
  for _, name in ipairs(LOOPBACK_NAMES) do names[name] = true end
  for _, name in ipairs(more or {}) do names[name:lower()] = true end
  return names
end

return web_address
