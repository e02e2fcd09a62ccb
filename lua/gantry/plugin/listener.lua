-- SPDX-License-Identifier: Apache-2.0
--
--- plugin/listener.lua: where a plugin listens, as whoever connects to it needs it: a Unix socket in its directory, or
--- TCP on this machine's loopback.

local core = require "gantry.core"

local listener = {}

---@param address { network: string, address: string } a handshake
---@return { socket: string?, host: string?, port: integer? }? options for gantry.grpc.rpc.connect
---@return gantry.Error? err
function listener.options(address)
  if address.network ~= "tcp" then return { socket = address.address } end
  local host, port = core.handshake.split_tcp(address.address)
  if not host then return nil, port end
  return { host = host, port = port }
end

---Whether somebody listens there.
---@param address { network: string, address: string }
---@return integer|boolean|nil listens of a Unix socket the process, 0 where that cannot be told
---@return gantry.Error? err
function listener.dial(address)
  if address.network == "tcp" then return core.handshake.dial_tcp(address.address) end
  return core.system.dial(address.address)
end

return listener
