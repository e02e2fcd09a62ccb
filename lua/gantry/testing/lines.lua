-- SPDX-License-Identifier: Apache-2.0
--
--- testing/lines.lua: the lines of a file that hold something to run, also in functions that nobody calls. Lua tells of
--- a function's lines only when it has the function, so that its own dump of the whole chunk is read.

local lines = {}

-- Of Lua 5.4's dump: what stands before the main function; kinds of constants by how many bytes they take.
local HEADER <const> = 4 + 1 + 1 + 6 + 3 + 8 + 8 + 1
local BYTES_OF <const> = { [0x00] = 0, [0x01] = 0, [0x11] = 0, [0x03] = 8, [0x13] = 8 }
local NO_DELTA <const> = -128
-- Operations: a call whose results are returned; returns.
local TAIL_CALL <const>, RETURNS <const> = 69, { [70] = true, [71] = true, [72] = true }

---@class gantry.DumpReader
local Reader = {}
Reader.__index = Reader

---@return integer
function Reader:byte()
  self.at = self.at + 1
  return self.bytes:byte(self.at - 1)
end

---A number in groups of seven bits, the last of which is marked.
---@return integer
function Reader:number()
  local result = 0
  repeat
    local byte = self:byte()
    result = result << 7 | byte & 0x7f
  until byte & 0x80 ~= 0
  return result
end

---@param size integer
---@param count integer
function Reader:skip(size, count)
  self.at = self.at + size * count
end

function Reader:text()
  local size = self:number()
  if size > 0 then self.at = self.at + size - 1 end
end

function Reader:constants()
  for _ = 1, self:number() do
    local bytes = BYTES_OF[self:byte()]
    if bytes then self.at = self.at + bytes else self:text() end
  end
end

---@return integer[] operations
function Reader:code()
  local list = {}
  for i = 1, self:number() do
    list[i] = string.unpack("<I4", self.bytes, self.at) & 0x7f
    self:skip(4, 1)
  end
  return list
end

---Whether an instruction is the return that Lua puts after one that has returned already.
---@param code integer[]
---@param i integer
---@return boolean
local function never_reached(code, i)
  if not RETURNS[code[i]] or i == 1 then return false end
  return code[i - 1] == TAIL_CALL or i == #code and RETURNS[code[i - 1]] or false
end

---@param first integer the line where the function begins
---@param variadic boolean its first instruction belongs to no line
---@param code integer[]
function Reader:line_numbers(first, variadic, code)
  local deltas, absolute = {}, {}
  for i = 1, self:number() do deltas[i] = string.unpack("b", self.bytes, self.at + i - 1) end
  self.at = self.at + #deltas
  for _ = 1, self:number() do
    local instruction = self:number()
    absolute[instruction + 1] = self:number()
  end
  local line = first
  for i, delta in ipairs(deltas) do
    line = delta == NO_DELTA and absolute[i] or line + delta
    if (i > 1 or not variadic) and not never_reached(code, i) then self.found[line] = true end
  end
end

function Reader:function_body()
  self:text()
  local first, _ = self:number(), self:number()
  self:byte()
  local variadic = self:byte() ~= 0
  self:byte()
  local code = self:code()
  self:constants()
  self:skip(3, self:number())
  for _ = 1, self:number() do self:function_body() end
  self:line_numbers(first, variadic, code)
  for _ = 1, self:number() do
    self:text()
    self:number()
    self:number()
  end
  for _ = 1, self:number() do self:text() end
end

---@param text string of a file
---@return table<integer, true> lines; empty where the text is no Lua
function lines.of(text)
  local code = text:gsub("^\xEF\xBB\xBF", ""):gsub("^#[^\n]*", "")
  local chunk = load(code, "=text", "t")
  local reader = setmetatable({ bytes = chunk and string.dump(chunk), at = HEADER + 1, found = {} }, Reader)
  if chunk then reader:function_body() end
  return reader.found
end

return lines
