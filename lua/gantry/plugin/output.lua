-- SPDX-License-Identifier: Apache-2.0
--
--- plugin/output.lua: a plugin's output on its way: the frames of the attached stream taken apart, the first line of
--- standard output kept for the handshake, the rest handed on, and the last of it kept for a diagnosis.

local core = require "gantry.core"

local output = {}

local STDOUT <const>, STDERR <const>, ENGINE <const> = 1, 2, 3
-- go-plugin's own limit for the handshake's line (Go's bufio.Scanner).
local HANDSHAKE_LIMIT <const> = 64 * 1024
local TAIL_BYTES <const> = 16 * 1024
local ENGINE_ERROR_BYTES <const> = 4 * 1024

---@class gantry.Output
---@field handshake_line string? the first line of standard output
---@field handshake_overlong boolean? it did not end within the limit
---@field engine_error string? what the engine itself said in the stream
---@field bytes integer that came, without the handshake's line
local Output = {}
Output.__index = Output

---@param handlers { on_handshake: fun()?, on_output: fun(stream: "stdout"|"stderr", bytes: string)? } without
--- `on_handshake` all that comes is output
---@return gantry.Output
function output.new(handlers)
  local self = setmetatable({ handlers = handlers, tail = {}, bytes = 0 }, Output)
  if not handlers.on_handshake then self.handshake_line = "" end
  self:reset()
  return self
end

---Forgets half a frame: a stream that is attached anew begins with a whole one.
function Output:reset()
  self.frames = core.stdcopy.new()
end

---Keeps the last of one stream: whole chunks, so that a flood costs no copies.
local function keep(tail, bytes)
  if #bytes > TAIL_BYTES then bytes = bytes:sub(-TAIL_BYTES) end
  tail[#tail + 1] = bytes
  tail.size = (tail.size or 0) + #bytes
  while tail.size - #tail[1] >= TAIL_BYTES do tail.size = tail.size - #table.remove(tail, 1) end
end

---@param stream "stdout"|"stderr"
---@param bytes string
function Output:emit(stream, bytes)
  if bytes == "" then return end
  self.bytes = self.bytes + #bytes
  self.tail[stream] = self.tail[stream] or {}
  keep(self.tail[stream], bytes)
  if self.handlers.on_output then self.handlers.on_output(stream, bytes) end
end

---Collects the first line of standard output; what follows it in the same chunk is output.
function Output:take_handshake(bytes)
  local held = (self.held or "") .. bytes
  local ends = held:find("\n", 1, true)
  if not ends and #held <= HANDSHAKE_LIMIT then
    self.held = held
    return
  end
  self.held = nil
  self.handshake_overlong = not ends or ends > HANDSHAKE_LIMIT + 1
  self.handshake_line = held:sub(1, math.min(ends and ends - 1 or #held, HANDSHAKE_LIMIT))
  self.handlers.on_handshake()
  if ends and ends < #held then self:emit("stdout", held:sub(ends + 1)) end
end

---Takes bytes of the attached stream, in any chunks.
---@param bytes string
---@return boolean? ok, gantry.Error? err
function Output:feed(bytes)
  local pieces, err = self.frames:feed(bytes)
  if not pieces then return nil, err end
  for i = 1, #pieces, 2 do
    local stream, payload = pieces[i], pieces[i + 1]
    if stream == ENGINE then
      self.engine_error = ((self.engine_error or "") .. payload:sub(1, ENGINE_ERROR_BYTES)):sub(1, ENGINE_ERROR_BYTES)
    elseif stream == STDERR then
      self:emit("stderr", payload)
    elseif self.handshake_line then
      self:emit("stdout", payload)
    else
      self:take_handshake(payload)
    end
  end
  return true
end

---Takes what the plugin printed over gRPC's stream of standard output.
---@param stream 1|2
---@param bytes string
function Output:from_stdio(stream, bytes)
  self:emit(stream == STDOUT and "stdout" or "stderr", bytes)
end

---The last lines, standard error's after standard output's.
---@param count integer
---@return { stream: string, line: string }[]
function Output:last_lines(count)
  local lines = {}
  local function add(stream, text)
    local own = {}
    for line in (text or ""):gmatch("[^\r\n]+") do own[#own + 1] = { stream = stream, line = line } end
    table.move(own, math.max(1, #own - count + 1), #own, #lines + 1, lines)
  end
  add("stdout", self.held)
  add("stdout", table.concat(self.tail.stdout or {}))
  add("stderr", table.concat(self.tail.stderr or {}))
  return lines
end

return output
