-- SPDX-License-Identifier: Apache-2.0
--
--- plugin/calls.lua: calls of a plugin's methods with plain tables, encoded by what the plugin's reflection says, and
--- with bytes where the caller has encoded them. Used by gantry.plugin, whose methods these are.

local errors = require "gantry.base.errors"
local exit = require "gantry.plugin.exit"
local later = require "gantry.base.later"
local reflection = later "gantry.grpc.reflection"
local stream = require "gantry.grpc.stream"
local task = require "gantry.task"

local calls = {}

-- Seconds: of a call that names none; until a lost connection shows as an end; until an end that began is over.
local CALL_TIMEOUT <const>, LOSS_TIMEOUT <const>, END_TIMEOUT <const> = 30, 2, 60

---@param plugin gantry.Plugin
---@return gantry.Rpc? connection, gantry.Error? err
local function connection_of(plugin)
  if plugin.connection then return plugin.connection end
  return nil, errors.new("NO_GRPC",
    ("plugin '%s' speaks %s, which gantry launches but does not call"):format(plugin.name, plugin.protocol))
end

---What the plugin tells of its services; asked for once.
---@param plugin gantry.Plugin
---@return gantry.Reflection? reflection, gantry.Error? err
local function reflection_of(plugin)
  local connection, err = connection_of(plugin)
  if not connection then return nil, err end
  plugin.reflection = plugin.reflection or reflection.new(connection, ("plugin '%s'"):format(plugin.name))
  return plugin.reflection
end

---The error of a call, or PLUGIN_EXITED where the plugin has ended during it. May wait for that end to be known.
---@param plugin gantry.Plugin
---@param path string
---@param err gantry.Error
---@return gantry.Error
local function explain(plugin, path, err)
  if err.code ~= "UNAVAILABLE" then return err end
  task.sleep(0) -- the end of the connection is told after those of its calls
  if not plugin.connection.closed then return err end
  local ended = plugin:ends_within(LOSS_TIMEOUT)
    or (plugin.stream_ended or plugin.exit) and plugin:ends_within(END_TIMEOUT)
  if not ended then return err end
  return errors.new("PLUGIN_EXITED", ("call %s: plugin '%s' ended during the call (%s)"):format(path, plugin.name,
    exit.describe(plugin.exit)), { exit = plugin.exit, cause = err })
end

---A method by its name, with the types of its messages.
---@param plugin gantry.Plugin
---@param path string "package.Service/Method" or "Service/Method"
---@return gantry.MethodType? method, gantry.Error? err
function calls.method(plugin, path)
  local found, err = reflection_of(plugin)
  if not found then return nil, err end
  local method, unknown = found:method(path)
  if method then return method end
  return nil, explain(plugin, path, unknown):wrap("call " .. path)
end

---@param plugin gantry.Plugin
---@return table<string, string[]>? services, gantry.Error? err
function calls.services(plugin)
  local found, err = reflection_of(plugin)
  if not found then return nil, err end
  local services, failure = found:services()
  if services then return services end
  return nil, explain(plugin, "reflection", failure)
end

-- What the plugin's description of its messages can be blamed for, not a message.
local OF_DESCRIPTION = { DESCRIPTOR_INVALID = true, TYPE_UNKNOWN = true }

---An error of encoding or decoding, told with the method where the message alone does not say it.
---@param err gantry.Error
---@param path string
---@return gantry.Error
local function of_description(err, path)
  return OF_DESCRIPTION[err.code] and err:wrap("call " .. path) or err
end

---The reader of a method's answers.
---@param method gantry.MethodType
---@return fun(bytes: string): any?, gantry.Error?
local function reader(method)
  return function(bytes)
    local message, err = method.output:decode(bytes, method.name .. ".reply")
    if err then return nil, of_description(err, method.path) end
    return message
  end
end

---@class gantry.Prepared a call that can be made
---@field path string "/package.Service/Method"
---@field bytes string
---@field method gantry.MethodType? nil for one with bytes

---@param plugin gantry.Plugin
---@param path string
---@param request any
---@return gantry.Prepared? prepared, gantry.Error? err
local function prepare(plugin, path, request)
  local connection, unable = connection_of(plugin)
  if not connection then return nil, unable end
  if type(request) == "string" then
    return { path = path:sub(1, 1) == "/" and path or "/" .. path, bytes = request }
  end
  local method, err = calls.method(plugin, path)
  if not method then return nil, err end
  if request == nil then request = {} end
  local bytes, misfit = method.input:encode(request, method.name .. ".request")
  if not bytes then return nil, of_description(misfit, method.path) end
  return { path = method.path, bytes = bytes, method = method }
end

---Counts a call that failed, and explains why.
---@param plugin gantry.Plugin
---@param path string
---@param err gantry.Error
---@return gantry.Error
local function failed(plugin, path, err)
  plugin.calls_failed = plugin.calls_failed + 1
  return explain(plugin, path, err)
end

---@param options gantry.CallOptions?
---@param timeout number?
---@return gantry.CallOptions
local function with_timeout(options, timeout)
  options = options or {}
  return { timeout = options.timeout or timeout, limit = options.limit }
end

---@param plugin gantry.Plugin
---@param path string
---@param request any
---@param options gantry.CallOptions?
---@return any? reply, gantry.Error? err
function calls.call(plugin, path, request, options)
  local prepared, err = prepare(plugin, path, request)
  if not prepared then return nil, err end
  local method = prepared.method
  if method and method.server_streaming then
    return nil, errors.new("METHOD_STREAMS", ("call %s: it answers with any number of messages; use plugin:stream")
      :format(method.path))
  end
  plugin.calls_made = plugin.calls_made + 1
  local reply, failure = plugin.connection:unary(prepared.path, prepared.bytes, with_timeout(options, CALL_TIMEOUT))
  if not reply then return nil, failed(plugin, prepared.path, failure) end
  if not method then return reply end
  return reader(method)(reply)
end

---@param plugin gantry.Plugin
---@param path string
---@param request any
---@param options gantry.CallOptions?
---@return gantry.Stream, nil, nil, gantry.Stream
function calls.stream(plugin, path, request, options)
  local prepared, err = prepare(plugin, path, request)
  if not prepared then
    return stream.open(function() return nil, err end)
  end
  local method = prepared.method
  plugin.calls_made = plugin.calls_made + 1
  return plugin.connection:stream(prepared.path, prepared.bytes, with_timeout(options), {
    convert = method and reader(method),
    explain = function(failure) return failed(plugin, prepared.path, failure) end,
  })
end

-- ---- plugin.rpc ----

-- Keys that no service or method has.
local PLUGIN <const>, NAME <const> = {}, {}

local Service = {}

---A method: a function of the request, which answers as plugin:call does, or plugin:stream where it streams.
---@param service table
---@param name string
function Service.__index(service, name)
  if type(name) ~= "string" then return nil end
  local plugin, path = rawget(service, PLUGIN), rawget(service, NAME) .. "/" .. name
  return function(_, request, options)
    if type(request) ~= "string" then
      local method, err = plugin:method(path)
      if not method then return nil, err end
      if method.server_streaming then return plugin:stream(path, request, options) end
    end
    return plugin:call(path, request, options)
  end
end

local Services = {}

function Services.__index(services, name)
  if type(name) ~= "string" then return nil end
  local service = setmetatable({ [PLUGIN] = rawget(services, PLUGIN), [NAME] = name }, Service)
  rawset(services, name, service)
  return service
end

---`plugin.rpc.Service:Method { … }`. Names are looked up when the call is made.
---@param plugin gantry.Plugin
---@return table
function calls.proxy(plugin)
  return setmetatable({ [PLUGIN] = plugin }, Services)
end

return calls
