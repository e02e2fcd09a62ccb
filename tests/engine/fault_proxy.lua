-- SPDX-License-Identifier: Apache-2.0
--
--- fault_proxy.lua LISTEN ENGINE PATTERN ACTION: between gantry and the real engine, it breaks one request: the
--- first that matches PATTERN (a plain string in what the client sends, ~P for a pattern of Lua's, or #N for the Nth
--- request) gets ACTION; all else passes through. Says "ready", a line for each request, and "broken" after the one
--- that is.
---   drop    the connection is closed before the engine sees the request
---   lose    the engine gets the request, its answer is lost: the connection is closed instead
---   die     as lose, and from then on every connection is refused, as if the engine had ended
---   abandon the connection is closed once the engine has the request, which goes on with it
---   hang    the request is held and never answered
---   twice   the answer's first bytes come twice
---   any name of ANSWERS: the engine does not see the request, this is the answer

local uv = require "luv"

local listen, engine, pattern, action = table.unpack(arg)
local dead = false
local used = false

local requests = 0

---@class fault.Answer
---@field [1] string
---@field stays boolean? the connection is not closed
---@field endless boolean?

---@param body string
---@param status string?
---@return fault.Answer
local function whole(body, status)
  return { ("HTTP/1.1 %s\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s")
    :format(status or "200 OK", #body, body) }
end

---@type table<string, fault.Answer>
local ANSWERS = {
  ["500"] = whole('{"message":"the engine is broken"}', "500 Internal Server Error"),
  ["cut in the head"] = { "HTTP/1.1 200 OK\r\nContent-Le" },
  ["cut in the body"] = { 'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"Id":"ab' },
  garbage = { "\0\1\2 no HTTP at all \255\r\n\r\n" },
  ["garbage for JSON"] = whole "\0\1{{]\255\xed\xa0\x80",
  array = whole "[]", null = whole "null", ["a text"] = whole '"text"', ["odd items"] = whole "[1, null, 1e999]",
  numbers = whole('{"Id":5,"State":7,"Config":8,"StatusCode":1e300,"HostConfig":false,"Warnings":1,"Os":[],'
    .. '"Name":9,"ApiVersion":1.5,"message":{}}'),
  ["a path for an id"] = whole '{"Id":"../../x","Config":{},"State":{}}',
  SELinux = whole '{"SecurityOptions":["name=seccomp,profile=default","name=selinux"],"Runtimes":{"runc":{}}}',
  userns = whole '{"SecurityOptions":["name=userns"],"DockerRootDir":"/var/lib/docker","Runtimes":{"runc":{}}}',
  ["no such image"] = whole('{"message":"No such image"}', "404 Not Found"),
  ["not allowed"] = whole("<html>Forbidden</html>", "403 Forbidden"),
  endless = { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", stays = true, endless = true },
}
local CHUNK <const> = "10000\r\n" .. (" "):rep(65536) .. "\r\n"

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

---Writes spaces for as long as they are taken.
local function write_on(client)
  if client:is_closing() then return end
  client:write(CHUNK, function(err)
    if not err then write_on(client) end
  end)
end

---@param answer fault.Answer
local function give(client, answer)
  client:write(answer[1], function(err)
    if err or not answer.stays then return close(client) end
    if answer.endless then write_on(client) end
  end)
end

---@return boolean
local function is_the_one(bytes)
  local method, path = bytes:match "^(%u+) (/%S*)"
  if method then
    requests = requests + 1
    io.stdout:write(("request %d %s %s\n"):format(requests, method, path))
    io.stdout:flush()
  end
  if used then return false end
  local number = pattern:match "^#(%d+)$"
  if number then return method ~= nil and requests == tonumber(number) end
  if pattern:sub(1, 1) == "~" then return bytes:find(pattern:sub(2)) ~= nil end
  return bytes:find(pattern, 1, true) ~= nil
end

---@return boolean taken
local function break_request(bytes, client, server, state)
  if state.answered then return true end
  if not is_the_one(bytes) then return false end
  used = true
  io.stdout:write "broken\n"
  io.stdout:flush()
  if ANSWERS[action] then
    state.answered = true -- what else belongs to the request goes nowhere either
    give(client, ANSWERS[action])
    return true
  end
  if action == "drop" then
    close(client)
    close(server)
    return true
  end
  if action == "hang" then return true end
  if action == "abandon" then
    server:write(bytes)
    state.abandoned = true
    close(client)
    return true
  end
  state.lose, state.twice = action ~= "twice", action == "twice"
  return false
end

-- Of clients, and the connection of each to the engine.
local open = {}

local function serve(client)
  local server, state = uv.new_pipe(), {}
  open[client] = server
  server:connect(engine, function(err)
    if err then return close(client) end
    carry(client, server, function(bytes) return break_request(bytes, client, server, state) end)
    carry(server, client, function(bytes)
      if state.abandoned then return true end
      if state.twice then client:write(bytes) end
      state.twice = false
      if not state.lose then return false end
      dead = action == "die"
      for one in pairs(dead and open or { [client] = server }) do
        close(one)
        close(open[one])
      end
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
