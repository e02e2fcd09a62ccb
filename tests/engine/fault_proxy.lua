-- SPDX-License-Identifier: Apache-2.0
--
--- fault_proxy.lua LISTEN ENGINE PATTERN ACTION: stands between gantry and the real engine and breaks one kind of
--- request: the first that matches PATTERN (a plain string in what the client sends) is treated by ACTION; all else
--- passes through.
---   drop    the connection is closed before the engine sees the request
---   lose    the engine gets the request, its answer is lost: the connection is closed instead
---   die     as lose, and from then on every connection is refused, as if the engine had ended
---   hang    the request is held and never answered

local uv = require "luv"

local listen, engine, pattern, action = table.unpack(arg)
local dead = false
local used = false

local function close(handle)
  if not handle:is_closing() then handle:close() end
end

---Carries bytes from one side to the other; `on_bytes` may take a chunk away by returning true.
local function carry(from, to, on_bytes)
  from:read_start(function(err, bytes)
    if err or not bytes then
      close(from)
      close(to)
    elseif not on_bytes(bytes) and not to:is_closing() then
      to:write(bytes)
    end
  end)
end

---@return boolean taken
local function break_request(bytes, client, server, state)
  if used or not bytes:find(pattern, 1, true) then return false end
  used = true
  if action == "drop" then
    close(client)
    close(server)
    return true
  end
  if action == "hang" then return true end
  state.lose = true
  return false
end

local function serve(client)
  local server, state = uv.new_pipe(), {}
  server:connect(engine, function(err)
    assert(not err, err)
    carry(client, server, function(bytes) return break_request(bytes, client, server, state) end)
    carry(server, client, function()
      if not state.lose then return false end
      dead = action == "die"
      close(client)
      close(server)
      return true
    end)
  end)
end

local listener = uv.new_pipe()
assert(listener:bind(listen))
assert(listener:listen(16, function(err)
  assert(not err, err)
  local client = uv.new_pipe()
  listener:accept(client)
  if dead then close(client) else serve(client) end
end))
io.stdout:write "ready\n"
io.stdout:flush()
uv.run()
