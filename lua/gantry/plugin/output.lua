-- SPDX-License-Identifier: Apache-2.0
--
--- plugin/output.lua: a plugin's output on its way: the first line of
--- standard output kept for the handshake, the rest handed on, and the last of it kept for a diagnosis.

local output = {}

-- Of gRPC's stream of standard output.
local STDOUT <const> = 1
-- go-plugin's own limit for the handshake's line (Go's bufio.Scanner).
local HANDSHAKE_LIMIT <const> = 64 * 1024
local TAIL_BYTES <const> = 16 * 1024
local ENGINE_ERROR_BYTES <const> = 4 * 1024

---@class gantry.Output
---@field handshake_line string? the first line of standard output
---@field handshake_overlong boolean? it did not end within the limit
---@field engine_error string? what the engine itself said in the stream
---@field bytes integer that came, without the handshake's line
---@field came { stream: integer, gate: integer } bytes of standard output, by each way
local Output = {}
Output.__index = Output

---@param handlers { on_handshake: fun()?, on_output: fun(stream: "stdout"|"stderr", bytes: string)? } without
--- `on_handshake` all that comes is output
---@return gantry.Output
function output.new(handlers)
  local self = setmetatable({ handlers = handlers, tail = {}, bytes = 0, came = { stream = 0, gate = 0 } }, Output)
  if not handlers.on_handshake then self.handshake_line = "" end
  return self
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

---Of what came by one way, what the other has not brought yet.
---@param way "stream"|"gate"
---@param bytes string of standard output
---@return string
function Output:new_of(way, bytes)
  local came = self.came
  local known = math.max(came.stream, came.gate) - came[way]
  came[way] = came[way] + #bytes
  return known > 0 and bytes:sub(known + 1) or bytes
end

---@param bytes string of standard output
function Output:take_stdout(bytes)
  if bytes == "" then return end
  if self.handshake_line then return self:emit("stdout", bytes) end
  self:take_handshake(bytes)
end

---Takes output of the attached stream, in any chunks.
---@param stream "stdout"|"stderr"|"engine"
---@param bytes string
function Output:feed(stream, bytes)
  if stream == "engine" then
    self.engine_error = ((self.engine_error or "") .. bytes:sub(1, ENGINE_ERROR_BYTES)):sub(1, ENGINE_ERROR_BYTES)
  elseif stream == "stderr" then
    self:emit(stream, bytes)
  else
    self:take_stdout(self:new_of("stream", bytes))
  end
end

---Takes the beginning of standard output from the plugin's gate, which the stream brings as well, sooner or later.
---@param bytes string
function Output:from_gate(bytes)
  self:take_stdout(self:new_of("gate", bytes))
end

---Another stream begins, which brings nothing of what was there before it.
function Output:begin_stream()
  self.came.stream = math.max(self.came.stream, self.came.gate)
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
