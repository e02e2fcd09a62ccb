-- SPDX-License-Identifier: Apache-2.0
--
--- base/base64.lua: bytes as JSON carries them. Written in the standard alphabet with padding; read in that or the
--- one for URLs, with padding or without.

local base64 = {}

local ALPHABET <const> = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

local LETTER, VALUE = {}, {}
for value = 0, 63 do
  local letter = ALPHABET:sub(value + 1, value + 1)
  LETTER[value], VALUE[letter:byte()] = letter, value
end
VALUE[("-"):byte()], VALUE[("_"):byte()] = 62, 63

---@param bytes string
---@return string
function base64.encode(bytes)
  local out = {}
  for at = 1, #bytes - 2, 3 do
    local group = string.unpack(">I3", bytes, at)
    out[#out + 1] = LETTER[group >> 18] .. LETTER[group >> 12 & 63] .. LETTER[group >> 6 & 63] .. LETTER[group & 63]
  end
  local rest = #bytes % 3
  if rest == 1 then
    local group = bytes:byte(-1) << 4
    out[#out + 1] = LETTER[group >> 6] .. LETTER[group & 63] .. "=="
  elseif rest == 2 then
    local group = string.unpack(">I2", bytes, #bytes - 1) << 2
    out[#out + 1] = LETTER[group >> 12] .. LETTER[group >> 6 & 63] .. LETTER[group & 63] .. "="
  end
  return table.concat(out)
end

---@param text string
---@return string? bytes nil where the text is not base64
function base64.decode(text)
  local body = text:match("^([%w+/_-]*)=?=?$")
  if not body or #body % 4 == 1 or #body < #text and #text % 4 ~= 0 then return nil end
  local out = {}
  for at = 1, #body, 4 do
    local a, b, c, d = body:byte(at, at + 3)
    local group = VALUE[a] << 18 | VALUE[b] << 12 | (c and VALUE[c] or 0) << 6 | (d and VALUE[d] or 0)
    local bytes = string.pack(">I3", group)
    out[#out + 1] = d and bytes or bytes:sub(1, c and 2 or 1)
  end
  return table.concat(out)
end

return base64
