-- SPDX-License-Identifier: Apache-2.0
--
--- engine/answer.lua: whether a successful answer is one of the engine's API. A proxy's error page, half an answer and
--- another server's JSON are told as an error here, so that nobody above stumbles over a field that is not there.

local errors = require "gantry.errors"
local json = require "gantry.json"

local answer = {}

---What fields an answer has: their types by name, or shapes of their own; those with a `?` may be missing.
---@alias gantry.Shape table<string, string|gantry.Shape>

---@type table<string, gantry.Shape>
answer.shapes = {
  image = { Id = "string", ["RepoDigests?"] = "table",
    ["Config?"] = { ["Entrypoint?"] = "table", ["Cmd?"] = "table" } },
  created = { Id = "string", ["Warnings?"] = "table" },
  listed = { Id = "string", ["Labels?"] = "table" },
  inspected = { ["HostConfig?"] = "table", ["Config?"] = "table", State = {
    ["Running?"] = "boolean", ["ExitCode?"] = "number", ["OOMKilled?"] = "boolean", ["Error?"] = "string",
    ["StartedAt?"] = "string", ["FinishedAt?"] = "string",
  } },
  info = { ["Runtimes?"] = "table", ["SecurityOptions?"] = "table" },
  waited = { ["StatusCode?"] = "number" },
}

---@param value any
---@param shape gantry.Shape
---@param path string of the value, for the reason
---@return string? reason why it does not fit
local function misfit(value, shape, path)
  if type(value) ~= "table" then return ("%s is no object"):format(path) end
  for key, wanted in pairs(shape) do
    local name, optional = key:match("^(.-)(%??)$")
    local field, field_path = value[name], path .. "." .. name
    if field == nil and optional == "" then return field_path .. " is missing" end
    if field ~= nil and type(wanted) == "table" then
      local reason = misfit(field, wanted, field_path)
      if reason then return reason end
    elseif field ~= nil and type(field) ~= wanted then
      return ("%s is no %s"):format(field_path, wanted)
    end
  end
end

---@param value any
---@param shape gantry.Shape of each element
---@return string? reason
local function list_misfit(value, shape)
  if type(value) ~= "table" or (next(value) ~= nil and value[1] == nil) then return "it is no list" end
  for index, element in ipairs(value) do
    local reason = misfit(element, shape, ("element %d"):format(index))
    if reason then return reason end
  end
end

---Reads the body of a successful answer.
---@param response { status: integer, body: string }
---@param action string such as "create container gantry-kv-1", for the error
---@param options { shape: gantry.Shape?, list: gantry.Shape? } of the answer, or of each element of the list it is
---@return table? value, gantry.Error? err ENGINE_ANSWER
function answer.read(response, action, options)
  local value, reason = {}, nil
  if response.body ~= "" then
    local decoded, err = json.decode(response.body)
    if decoded == nil then reason = err.message else value = decoded end
  end
  reason = reason or (options.list and list_misfit(value, options.list)) or
    (not options.list and misfit(value, options.shape or {}, "it")) or nil
  if not reason then return value end
  return nil, errors.new("ENGINE_ANSWER", ("%s: the answer is not one of the engine's API (%s); is there a proxy "
    .. "before it, or another server at its address?"):format(action, reason), { status = response.status })
end

return answer
