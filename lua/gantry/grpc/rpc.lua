-- SPDX-License-Identifier: Apache-2.0
--
--- grpc/rpc.lua: a gRPC connection to one plugin: calls with encoded messages, and the services that go-plugin itself
--- puts on a plugin's first connection (health, shutdown, the stream of its standard output).

local c_module = require "gantry.base.c_module"
local core = require "gantry.core"
local errors = require "gantry.base.errors"
local streams = require "gantry.grpc.stream"
local task = require "gantry.task"
local wire = require "gantry.protobuf.wire"

local rpc = {}

-- Names of gRPC's status codes by number (grpc's statuscodes.md).
local STATUS = {
  [0] = "OK", "CANCELLED_BY_PLUGIN", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
  "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
  "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
}
local CANCELLED <const>, DEADLINE_EXCEEDED <const> = 1, 4
local UNIMPLEMENTED <const>, INTERNAL <const>, UNAVAILABLE <const> = 12, 13, 14
-- Seconds by which a plugin's clock for a deadline may be ahead of ours.
local DEADLINE_SLACK <const> = 0.1
local SERVING <const> = 1

-- Output that has not been read must never stall other calls: the stream has a window of its own.
local STDIO_WINDOW <const> = 256 * 1024

---@class gantry.Rpc
---@field closed gantry.Error? why there is no connection any more
---@field under_way table<table, fun(err: gantry.Error?)> the ends of calls, for when this side closes the connection
local Rpc = {}
Rpc.__index = Rpc

---Connects and waits until calls can be made.
---@param options { socket: string?, host: string?, port: integer?, tls: table?, timeout: number,
--- on_closed: fun(err: gantry.Error)?, on_made: fun(rpc: gantry.Rpc)? } a socket's path, or a numeric host and a port;
--- what is called in on_made goes out with the first bytes, where the peer lets it
---@return gantry.Rpc?, gantry.Error?
function rpc.connect(options)
  local grpc, missing = c_module.load "grpc"
  if not grpc then return nil, missing end
  local self = setmetatable({ under_way = {} }, Rpc)
  local ready = task.event()
  local connection, err = grpc.connect(task.loop(), {
    socket = options.socket, host = options.host, port = options.port, tls = options.tls,
    connect_timeout = options.timeout,
    on_ready = function() ready:set(true) end,
    on_closed = function(failure)
      self.closed = failure
      if not ready:set(nil, failure) and options.on_closed then options.on_closed(failure) end
    end,
  })
  if not connection then return nil, err end
  self.connection = connection

  local connected, failure
  local _ <close> = setmetatable({}, { __close = function()
    if not connected then self:close() end
  end })
  if options.on_made then options.on_made(self) end
  connected, failure = ready:wait()
  if not connected then return nil, failure end
  return self
end

---@param path string
---@param status integer
---@param message string
---@return gantry.Error
local function status_error(path, status, message)
  local name = STATUS[status] or "UNKNOWN"
  local printable = message:gsub("%c", function(byte) return ("\\x%02x"):format(byte:byte()) end)
  return errors.new(name, ("call %s: %s: %s"):format(path, name, printable), { status = status })
end

---@class gantry.CallOptions
---@field timeout number? seconds until the end of the call; none where nil
---@field limit integer? most bytes of a message of the answer

---A call's status. A plugin that sees the deadline before we do ends the call with CANCELLED: nobody else has.
---@param status integer
---@param message string
---@param deadline number? by the loop's clock
---@return integer status
---@return string message
local function true_status(status, message, deadline)
  if status == CANCELLED and deadline and core.loop.clock() > deadline - DEADLINE_SLACK then
    return DEADLINE_EXCEEDED, "the deadline has passed"
  end
  return status, message
end

---@class gantry.RpcCall a call under way
local Call = {}
Call.__index = Call

---Sends one request. Told of the end is also a call whose connection this side closes.
---@param path string "/package.Service/Method"
---@param request string
---@param options gantry.CallOptions
---@param handlers gantry.StreamHandlers
---@return gantry.RpcCall? call, gantry.Error? err
function Rpc:begin(path, request, options, handlers)
  if self.shut then return nil, status_error(path, UNAVAILABLE, self.closed.message) end
  local token = {}
  local timeout = options.timeout ~= math.huge and options.timeout or nil
  local deadline = timeout and core.loop.clock() + timeout
  local call, err = self.connection:call {
    path = path, timeout = timeout, limit = options.limit,
    on_message = handlers.on_message,
    on_end = function(status, message)
      self.under_way[token] = nil
      status, message = true_status(status, message, deadline)
      handlers.on_end(status ~= 0 and status_error(path, status, message) or nil)
    end,
  }
  if not call then return nil, err end
  self.under_way[token] = function() handlers.on_end(status_error(path, UNAVAILABLE, self.closed.message)) end
  call:send(request)
  call:finish()
  return setmetatable({ rpc = self, token = token, call = call }, Call)
end

---Stops the call at the peer. No handler is called from here on.
function Call:cancel()
  self.rpc.under_way[self.token] = nil
  self.call:cancel()
end

function Call:pause()
  if self.rpc.under_way[self.token] then self.call:pause() end
end

function Call:resume()
  if self.rpc.under_way[self.token] then self.call:resume() end
end

---One request, one answer, both encoded.
---@param path string "/package.Service/Method"
---@param request string
---@param options gantry.CallOptions?
---@return string? reply, gantry.Error?
function Rpc:unary(path, request, options)
  local ended, reply = task.event(), nil
  local call, err = self:begin(path, request, options or {}, {
    on_message = function(bytes) reply = bytes end,
    on_end = function(failure) ended:set(failure) end,
  })
  if not call then return nil, err end
  local _ <close> = setmetatable({}, { __close = function()
    if not ended:is_set() then call:cancel() end
  end })
  local failure = ended:wait()
  if failure then return nil, failure end
  if not reply then return nil, status_error(path, INTERNAL, "the plugin answered without a message") end
  return reply
end

---One request, any number of answers, all encoded. The values are those that a generic `for` takes: the first is the
---stream (see gantry.grpc.stream), for those who would rather have errors returned than raised.
---@param path string "/package.Service/Method"
---@param request string
---@param options gantry.CallOptions?
---@param conversion table? `options` of gantry.grpc.stream.open
---@return gantry.Stream stream, nil, nil, gantry.Stream
function Rpc:stream(path, request, options, conversion)
  return streams.open(function(handlers) return self:begin(path, request, options or {}, handlers) end, conversion)
end

---Asks the plugin's health service. A plugin without one counts as healthy: not every language has it.
---@param timeout number seconds
---@return boolean? healthy, gantry.Error? err
function Rpc:health(timeout)
  local reply, err = self:unary("/grpc.health.v1.Health/Check", wire.bytes_field(1, "plugin"), { timeout = timeout })
  if not reply then
    if err.status == UNIMPLEMENTED then return true end
    return nil, err
  end
  local fields, broken = wire.fields(reply)
  if not fields then return nil, broken end
  if fields[1] == SERVING then return true end
  return nil, errors.new("UNHEALTHY", ("the plugin answers its health check with %s instead of SERVING")
    :format(({ [2] = "NOT_SERVING", [3] = "SERVICE_UNKNOWN" })[fields[1]] or "UNKNOWN"))
end

---Asks the plugin to end. It ends inside the call, so a connection lost meanwhile is the success it looks like.
---@param timeout number seconds
---@return boolean? asked, gantry.Error? err
function Rpc:shutdown(timeout)
  local reply, err = self:unary("/plugin.GRPCController/Shutdown", "", { timeout = timeout })
  if reply or self.closed then return true end
  return nil, err
end

---Reads what the plugin prints once it serves. To be called once: the plugin's prints block while nobody reads.
---@param on_output fun(stream: 1|2, bytes: string)
---@return table call :pause(), :resume(), :cancel()
function Rpc:stdio(on_output)
  local call = self.connection:call {
    path = "/plugin.GRPCStdio/StreamStdio", window = STDIO_WINDOW,
    on_message = function(bytes)
      local fields = wire.fields(bytes)
      local stream = fields and fields[1]
      local output = fields and fields[2] or ""
      if (stream == 1 or stream == 2) and type(output) == "string" then on_output(stream, output) end
    end,
    on_end = function() end,
  }
  call:send("")
  call:finish()
  return call
end

---Closes the connection: calls under way end, UNAVAILABLE. Closing twice is allowed.
function Rpc:close()
  self.shut = true
  self.closed = self.closed or errors.new("CONNECTION_CLOSED", "the connection to the plugin was closed")
  self.connection:close()
  local under_way = self.under_way
  self.under_way = {}
  for _, tell in next, under_way do tell() end
end

return rpc
