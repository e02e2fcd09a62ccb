-- SPDX-License-Identifier: Apache-2.0
--
--- cutting_proxy.lua LISTEN ENGINE: stands between a command and its engine, and does what its standard input says, a
--- line each, answering each with the line itself:
---   cut        all connections are closed
---   idle MS    from now on, each is closed once it has carried nothing for so long
---   mute       what comes on the connections that are there goes nowhere, and they stay open
---   elsewhere  inspected containers have no process on this machine

local uv = require "luv"

-- Who is written to may be gone.
uv.new_signal():start "sigpipe"

local listen, engine = table.unpack(arg)
local connections, idle, elsewhere = {}, 0, false

local function close(handle)
  if not handle:is_closing() then handle:close() end
end

local function cut(connection)
  connections[connection] = nil
  close(connection.client)
  close(connection.server)
  close(connection.timer)
end

local function touch(connection)
  if idle > 0 and connections[connection] then
    connection.timer:start(idle, 0, function() cut(connection) end)
  end
end

---The length of the text stays as it is.
local function hide_process(bytes)
  return (bytes:gsub('"Pid":(%d+)', function(digits) return '"Pid":0' .. (" "):rep(#digits - 1) end))
end

local function carry(connection, from, to)
  from:read_start(function(err, bytes)
    if err or not bytes then return cut(connection) end
    touch(connection)
    if connection.mute or to:is_closing() then return end
    to:write(elsewhere and to == connection.client and hide_process(bytes) or bytes)
  end)
end

local function serve(client)
  local connection = { client = client, server = uv.new_pipe(), timer = uv.new_timer() }
  connections[connection] = true
  connection.server:connect(engine, function(err)
    if err then return cut(connection) end
    carry(connection, client, connection.server)
    carry(connection, connection.server, client)
    touch(connection)
  end)
end

local DO = {
  cut = function() for connection in pairs(connections) do cut(connection) end end,
  mute = function() for connection in pairs(connections) do connection.mute = true end end,
  elsewhere = function() elsewhere = true end,
  idle = function(milliseconds)
    idle = tonumber(milliseconds)
    for connection in pairs(connections) do touch(connection) end
  end,
}

local listener = uv.new_pipe()
assert(listener:bind(listen))
assert(listener:listen(64, function(err)
  assert(not err, err)
  local client = uv.new_pipe()
  listener:accept(client)
  serve(client)
end))

local input = uv.new_pipe()
input:open(0)
input:read_start(function(err, text)
  if err or not text then os.exit(0) end
  for line in text:gmatch "[^\n]+" do
    local verb, argument = line:match "^(%S+) ?(.*)$"
    DO[verb](argument)
    io.stdout:write(line, "\n")
    io.stdout:flush()
  end
end)
io.stdout:write "ready\n"
io.stdout:flush()
uv.run()
