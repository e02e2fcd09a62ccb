-- SPDX-License-Identifier: Apache-2.0
--
--- grpc/stream.lua: the messages of a streaming call, read one by one. The call is paused while the reader is behind,
--- and cancelled when the stream is closed or collected.  for message in plugin:stream("grpc.health.v1.Health/Watch",
--- {}) do … end   -- a failure raises its error object  local stream <close> =
--- plugin:stream("grpc.health.v1.Health/Watch", {}) local message, err = stream:next()                     -- nil at
--- the end; nil and err where it failed

local waiters = require "gantry.task.waiters"

local stream = {}

-- Bytes that wait for the reader at which the call is paused, and from which it goes on. A message counts for what it
-- costs to keep, whatever it holds: empty ones too are held back.
local HIGH <const>, LOW <const> = 256 * 1024, 64 * 1024
local MESSAGE_COST <const> = 64

---@class gantry.StreamState what the call's callbacks hold: not the stream itself, so that it can be collected
---@field queue string[]
---@field first integer
---@field last integer
---@field held integer bytes in the queue, and the cost of its messages
---@field paused boolean
---@field ended boolean
---@field err gantry.Error? why it ended, nil for success
---@field call { pause: fun(self), resume: fun(self), cancel: fun(self) }?
---@field waiting gantry.Waiters
---@field convert (fun(bytes: string): any, gantry.Error?)?
---@field explain (fun(err: gantry.Error): gantry.Error)?

---@class gantry.Stream
---@field state gantry.StreamState? nil once closed
local Stream = {}
Stream.__index = Stream

---@class gantry.StreamHandlers
---@field on_message fun(bytes: string)
---@field on_end fun(err: gantry.Error?)

---@param state gantry.StreamState
---@return gantry.StreamHandlers
local function handlers(state)
  return {
    on_message = function(bytes)
      local last, held, waiting = state.last + 1, state.held + #bytes + MESSAGE_COST, state.waiting
      state.queue[last], state.last, state.held = bytes, last, held
      if held > HIGH and not state.paused and state.call then
        state.paused = true
        state.call:pause()
      end
      if waiting.count > 0 then waiting:wake() end
    end,
    on_end = function(err)
      if state.ended then return end
      state.ended, state.err = true, err
      state.waiting:wake_all()
    end,
  }
end

---Begins a call and returns its messages, in the four values that a generic `for` takes. It never fails here: what goes
---wrong is told by the first `next`.
---@param start fun(handlers: gantry.StreamHandlers): table? call, gantry.Error? err
---@param options table? convert(bytes) makes of a message what the reader gets, or nil, err; explain(err) makes of the
---call's error the one that the reader gets; both may wait
---@return gantry.Stream stream
---@return nil
---@return nil
---@return gantry.Stream stream to be closed
function stream.open(start, options)
  options = options or {}
  local state = {
    queue = {}, first = 1, last = 0, held = 0, paused = false, ended = false, waiting = waiters.new(),
    convert = options.convert, explain = options.explain,
  }
  local self = setmetatable({ state = state }, Stream)
  local call, err = start(handlers(state))
  state.call = call
  if not call then state.ended, state.err = true, err end
  return self, nil, nil, self
end

---@param state gantry.StreamState
---@return string? bytes
local function take(state)
  while state.first > state.last and not state.ended do state.waiting:wait() end
  local first, queue = state.first, state.queue
  if first > state.last then return nil end
  local bytes = queue[first]
  local held = state.held - #bytes - MESSAGE_COST
  queue[first], state.first, state.held = nil, first + 1, held
  if state.paused and held < LOW and not state.ended then
    state.paused = false
    state.call:resume()
  end
  return bytes
end

---The next message; waits for it.
---@return any? message nil at the end
---@return gantry.Error? err why the call failed
function Stream:next()
  local state = self.state
  if not state then error("stream closed", 2) end
  local bytes = take(state)
  if self.state == nil then error("stream closed", 2) end -- by another task, meanwhile
  if bytes then
    if not state.convert then return bytes end
    return state.convert(bytes)
  end
  if state.err and state.explain then state.err, state.explain = state.explain(state.err), nil end
  return nil, state.err
end

---For generic `for`.
function Stream:__call()
  local message, err = self:next()
  if err then error(err, 0) end
  return message
end

---Cancels the call unless it has ended. Closing twice is allowed.
function Stream:close()
  local state = self.state
  self.state = nil
  if not state then return end
  if not state.ended then
    state.ended = true
    state.call:cancel()
  end
  state.waiting:wake_all()
end

Stream.__close = Stream.close
Stream.__gc = Stream.close

return stream
