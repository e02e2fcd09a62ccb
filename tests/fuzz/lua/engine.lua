-- SPDX-License-Identifier: Apache-2.0
--
--- fuzz/lua/engine.lua: an engine that answers every request with any status and any bytes, in any chunks. The input is
--- a byte for the request and the status, one for the chunks, then the body.

local core_http = require "gantry.core.http"
local docker = require "gantry.engine.docker"
local errors = require "gantry.base.errors"

local STATUS = { 200, 201, 204, 304, 400, 404, 409, 500, 101, 200, 200, 200 }
local ID <const> = ("a"):rep(64)

local answer = { status = 200, body = "", step = 7 }
local http = {}

function http:request(request) -- luacheck: ignore self
  local sent = setmetatable({ cancel = function() end }, { __close = function() end })
  if request.on_headers then request.on_headers(answer.status) end
  if request.on_data then
    for at = 1, #answer.body, answer.step do request.on_data(answer.body:sub(at, at + answer.step - 1)) end
  end
  request.on_done(nil, { status = answer.status, headers = {}, body = request.on_data and "" or answer.body })
  return sent
end
function http:close() end -- luacheck: ignore self

---A client that has agreed on a version with an engine that behaved until then.
local function client()
  local new = core_http.new
  core_http.new = function() return { close = http.close, request = function(_, request)
    request.on_done(nil, { status = 200, body = '{"ApiVersion":"1.44","Version":"27"}',
      headers = { ["api-version"] = "1.44", ["Api-Version"] = "1.44" } })
    return setmetatable({}, { __close = function() end })
  end } end
  local engine = assert(docker.connect { name = "here", url = "http://localhost", unix_socket = "/x" })
  core_http.new = new
  engine.http = http
  return engine
end

local engine = client()

local function checked(value, err)
  assert(value ~= nil or errors.is(err), tostring(err))
  return value
end

local CALLS = {
  function() return engine:describe() end,
  function() return engine:inspect_image "a:b" end,
  function() return engine:create("name", { Image = "a" }) end,
  function() return engine:wait(ID) end,
  function() return engine:inspect(ID) end,
  function() return engine:kill(ID, "TERM") end,
  function() return engine:remove(ID) end,
  function() return engine:list { a = "b" } end,
  function() return engine:events({ labels = {}, kinds = { "die" } }, { on_event = function() end }) end,
}

return function(input)
  local choice = input:byte(1) or 0
  answer.status = STATUS[choice % #STATUS + 1]
  answer.step, answer.body = (input:byte(2) or 0) % 16 + 1, input:sub(3)
  engine.known_info = nil
  checked(CALLS[choice // #STATUS % #CALLS + 1]())
end
