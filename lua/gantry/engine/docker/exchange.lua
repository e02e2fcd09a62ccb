-- SPDX-License-Identifier: Apache-2.0
--
--- engine/docker/exchange.lua: one request to an engine's API and its answer, and what a failure of it is called.

local errors = require "gantry.base.errors"
local json = require "gantry.json"
local task = require "gantry.task"

local exchange = {}

-- Seconds for an answer to a short request; a start waits for the runtime, and a loaded engine takes its time.
exchange.REQUEST_TIMEOUT, exchange.START_TIMEOUT = 30, 120

local CODES = { [400] = "ENGINE_REFUSED", [404] = "NOT_FOUND", [409] = "CONFLICT" }

-- The longest message of an engine's that is shown.
local LONGEST_MESSAGE <const> = 4096

---Sends one request and waits for its whole answer.
---@param http userdata
---@param request table
---@return table? response status, headers, body
---@return gantry.Error?
function exchange.send(http, request)
  local done = task.event()
  request.on_done = function(err, response) done:set(not err and response or nil, err) end
  local sent <close>, refused = http:request(request) -- closing it takes back what has not ended
  if not sent then return nil, refused end
  return done:wait()
end

---What the engine said of a failure: JSON with a message, or plain text from a proxy or an upgraded connection.
---@param body string?
---@return string
local function engine_message(body)
  local answer = json.decode(body or "")
  if type(answer) == "table" and type(answer.message) == "string" then
    return answer.message:sub(1, LONGEST_MESSAGE)
  end
  local text = (body or ""):sub(1, LONGEST_MESSAGE):gsub("%s+", " "):gsub("%c", "?"):sub(1, 300)
  return text ~= "" and text or "no reason given"
end

---@param action string such as "create container gantry-kv-1"
---@param status integer
---@param body string?
---@return gantry.Error
function exchange.error(action, status, body)
  return errors.new(CODES[status] or "ENGINE_ERROR", ("%s: the engine says: %s"):format(action, engine_message(body)),
    { status = status })
end

---Whether an answer is no success; "not modified" means that it already is as asked.
---@param status integer
---@return boolean
function exchange.failed(status)
  return status >= 300 and status ~= 304
end

---@param text string
---@return string as part of a request's path
function exchange.escape(text)
  return (text:gsub("[^%w%-%._~]", function(byte) return ("%%%02X"):format(byte:byte()) end))
end

---@param id string or name
---@return string for messages
function exchange.short(id)
  return #id == 64 and id:sub(1, 12) or id
end

return exchange
