-- SPDX-License-Identifier: Apache-2.0
--
--- fuzz/lua/control.lua: any request of a control client, METHOD PATH?ARGUMENTS, to a supervisor with no plugin but one
--- whose journal is left.

local errors = require "gantry.base.errors"
local routes = require "gantry.control.routes"

local supervisor = { directory = "/p", engine = { endpoint = { name = "here" } }, units = {}, policies = {} }

function supervisor:find(name) return nil, errors.new("NOT_FOUND", name) end -- luacheck: ignore self
function supervisor:journal_of(name) -- luacheck: ignore self
  if name == "gone" then return { entries = {} }, "removed" end
end
function supervisor:each() return {} end -- luacheck: ignore self

---@param input string
local function request_of(input)
  local method, path, rest = input:match("^(%u*) ([^?]*)%??(.*)$")
  local arguments = {}
  for name, value in (rest or ""):gmatch("([^=&]*)=([^&]*)") do arguments[name] = value end
  return {
    method = function() return method or "GET" end, path = function() return path or input end,
    argument = function(_, name) return arguments[name] end, answer = function() end,
  }
end

return function(input)
  local request = request_of(input)
  local path = request:path()
  if path == "/v1/events" or path == "/v1/down" or path == "/v1/reload" or path == "/v1/plugins"
    or path == "/v1/metrics" then return end
  local value, err = routes.run(supervisor, request, { readonly = false })
  assert(value ~= nil or errors.is(err), tostring(err))
end
