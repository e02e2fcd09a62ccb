-- SPDX-License-Identifier: Apache-2.0
--
--- policy/evaluator.lua: a supervisor's hold on the process that evaluates its policies. It is started with the first
--- request, and again when it has ended; it gets one request at a time, in the order of asking, and is killed when an
--- answer takes too long, is too large, or is none. Nothing that it says is believed before it was looked at.

local core = require "gantry.core"
local data = require "gantry.policy.data"
local errors = require "gantry.base.errors"
local program = require "gantry.policy.program"
local task = require "gantry.task"

local evaluator = {}

-- Of what comes until a request is answered: the texts of the files that were read, and the answer.
local MOST_BYTES <const> = 32 * 1024 * 1024
-- A process whose policies keep more than that is not asked again: a new one loads them anew.
local MOST_KILOBYTES <const> = 128 * 1024

---@class gantry.Evaluator
---@field turn gantry.Queue holds one token: whoever has it may ask
---@field child table? the present process, what has come of an answer, and the ids of the policies that it has
---@field forgotten table<integer, true> policies that nobody has any more
local Evaluator = {}
Evaluator.__index = Evaluator

---@param options { command: string[]?, seconds: number?, print: (fun(path: string, text: string))? }? seconds: instead
--- of those that a request names, for tests; print takes what a policy prints
---@return gantry.Evaluator
function evaluator.new(options)
  local turn = task.queue()
  turn:put(true)
  options = options or {}
  options.print = options.print or function() end
  return setmetatable({ turn = turn, options = options, forgotten = {}, last_id = 0 }, Evaluator)
end

---@param child table
---@param answer any
---@param err gantry.Error?
local function settle(child, answer, err)
  if child.answered then child.answered:set(answer, err) end
end

---Ends the process.
---@param err gantry.Error? why, for whoever waits for an answer
function Evaluator:drop(err)
  local child = self.child
  if not child then return end
  self.child = nil
  child.process:close()
  settle(child, nil, err)
end

---@param child table
---@param message any
---@return boolean? fits
function Evaluator:take_message(child, message)
  if type(message) ~= "table" or not child.answered then return nil end
  if message.done then
    settle(child, message)
    return true
  end
  if type(message.path) ~= "string" then return nil end
  if type(message.print) == "string" then
    self.options.print(message.path, message.print)
    return true
  end
  if type(message.seen) ~= "table" then return nil end
  child.on_read(message.path, message.seen)
  return true
end

---@param child table
---@param bytes string
function Evaluator:receive(child, bytes)
  if self.child ~= child then return end
  child.count, child.total = child.count + #bytes, child.total + #bytes
  child.pieces[#child.pieces + 1] = bytes
  if child.total > MOST_BYTES or not child.answered then
    return self:drop(errors.new("POLICY_ANSWER", "the process of the policies said more than it may"))
  end
  if child.count < child.wanted then return end
  local text = table.concat(child.pieces)
  local at = 1
  child.wanted = 4
  while #text - at + 1 >= child.wanted do
    local length = string.unpack("<I4", text, at)
    child.wanted = 4 + length
    if #text - at + 1 < child.wanted then break end
    if not self:take_message(child, (data.decode(text:sub(at + 4, at + 3 + length)))) then
      return self:drop(errors.new("POLICY_ANSWER", "the process of the policies answered what is no answer"))
    end
    at, child.wanted = at + child.wanted, 4
  end
  child.pieces, child.count = { text:sub(at) }, #text - at + 1
end

---@param exit { code: integer?, signal: integer? }
---@return gantry.Error
local function ended(exit)
  local how = exit.signal and "signal " .. exit.signal or "exit code " .. tostring(exit.code)
  return errors.new("POLICY_PROCESS_ENDED", ("the process of the policies ended with %s"):format(how))
end

---@return table? child, gantry.Error? err
function Evaluator:start()
  local child = { pieces = {}, count = 0, total = 0, wanted = 4, fresh = true, loaded = {} }
  local options = program.options(self.options.command)
  options.on_output = function(_, bytes) self:receive(child, bytes) end
  options.on_exit = function(exit)
    if self.child ~= child then return end
    self.child = nil
    settle(child, nil, ended(exit))
  end
  local process, err = core.process.spawn(task.loop(), options)
  if not process then return nil, err end
  child.process = process
  self.child, self.forgotten = child, {}
  return child
end

---@param child table
---@param request table
---@param seconds number
---@param on_read fun(path: string, seen: gantry.SeenFile)?
---@return table? answer, gantry.Error? err
function Evaluator:exchange(child, request, seconds, on_read)
  request.forget = {}
  for id in pairs(self.forgotten) do request.forget[#request.forget + 1] = id end
  self.forgotten = {}
  local bytes, reason = data.encode(request)
  if not bytes then return nil, errors.new("POLICY_REQUEST", "the policy cannot be asked: " .. reason) end
  child.answered, child.on_read, child.total = task.event(), on_read or function() end, 0
  local settled = false
  -- Whoever is cancelled while it waits leaves no answer behind for the next one.
  local _ <close> = setmetatable({}, { __close = function()
    child.answered = nil
    if not settled then self:drop() end
  end })
  local written, err = child.process:write(string.pack("<s4", bytes))
  if not written then return nil, errors.new("POLICY_PROCESS_ENDED", err.message) end
  local answer, failure = task.deadline(seconds, function() return child.answered:wait() end)
  settled = answer ~= nil
  if errors.is(failure, "DEADLINE_EXCEEDED") then
    failure = errors.new("POLICY_TIMEOUT", ("the policy took more than %g s and was ended"):format(seconds))
  end
  return answer, failure
end

---@param prepare fun(child: table): table?, gantry.Error?
---@return table? answer, gantry.Error? err
function Evaluator:attempt(prepare)
  local child, err = self.child, nil
  if not child then child, err = self:start() end
  if not child then return nil, err end
  local fresh = child.fresh
  child.fresh = false
  local answer, failure = prepare(child)
  -- Its end may be the doing of whoever was asked before.
  if errors.is(failure, "POLICY_PROCESS_ENDED") and not fresh then return self:attempt(prepare) end
  if answer and (math.type(answer.kilobytes) == nil or answer.kilobytes > MOST_KILOBYTES) then self:drop() end
  return answer, failure
end

---Runs a conversation with the process, alone. Waits for its turn.
---@param prepare fun(child: table): table?, gantry.Error? asks, by exchange
---@return table? answer, gantry.Error? err
function Evaluator:converse(prepare)
  if self.closed then return nil, errors.new("POLICY_PROCESS_ENDED", "the supervisor is ending") end
  self.turn:take()
  local _ <close> = setmetatable({}, { __close = function() self.turn:put(true) end })
  return self:attempt(prepare)
end

---@return integer id of a policy, never used again
function Evaluator:new_id()
  self.last_id = self.last_id + 1
  return self.last_id
end

---Nobody has this policy any more.
---@param id integer
function Evaluator:forget(id)
  if self.child then self.forgotten[id] = true end
end

---Ends the process for good.
function Evaluator:close()
  self.closed = true
  self:drop(errors.new("POLICY_PROCESS_ENDED", "the supervisor is ending"))
end

return evaluator
