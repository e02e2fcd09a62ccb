-- SPDX-License-Identifier: Apache-2.0
--
--- base/sha256.lua: SHA-256 (FIPS 180-4) of short texts, where loading a library for it would cost more than it saves.

local WORD <const> = 0xffffffff
local BLOCK <const> = 64

---The first 32 bits behind the point of a root.
---@param root number
---@return integer
local function fraction(root)
  return math.floor((root % 1) * 2 ^ 32)
end

-- From the square roots of the first 8 primes, and the cube roots of the first 64.
local START <const>, ROUND <const> = {}, {}
do
  local candidate = 2
  while #ROUND < BLOCK do
    local prime = true
    for divisor = 2, math.floor(candidate ^ 0.5) do prime = prime and candidate % divisor ~= 0 end
    if prime then
      ROUND[#ROUND + 1] = fraction(candidate ^ (1 / 3))
      if #START < 8 then START[#START + 1] = fraction(candidate ^ 0.5) end
    end
    candidate = candidate + 1
  end
end

---@param word integer
---@param count integer
---@return integer
local function rotate(word, count)
  return (word >> count | word << (32 - count)) & WORD
end

---@param block string of 64 bytes
---@return integer[] schedule
local function schedule_of(block)
  local words = { (">" .. ("I4"):rep(16)):unpack(block) }
  for i = 17, BLOCK do
    local early, late = words[i - 15], words[i - 2]
    local small = rotate(early, 7) ~ rotate(early, 18) ~ early >> 3
    local large = rotate(late, 17) ~ rotate(late, 19) ~ late >> 10
    words[i] = words[i - 16] + small + words[i - 7] + large & WORD
  end
  return words
end

---@param state integer[] changed
---@param block string
local function take(state, block)
  local words = schedule_of(block)
  local a, b, c, d, e, f, g, h = table.unpack(state)
  for i = 1, BLOCK do
    local choice, majority = e & f ~ ~e & g, a & b ~ a & c ~ b & c
    local first = h + (rotate(e, 6) ~ rotate(e, 11) ~ rotate(e, 25)) + choice + ROUND[i] + words[i]
    local second = (rotate(a, 2) ~ rotate(a, 13) ~ rotate(a, 22)) + majority
    a, b, c, d, e, f, g, h = first + second & WORD, a, b, c, d + first & WORD, e, f, g
  end
  for i, word in ipairs { a, b, c, d, e, f, g, h } do state[i] = state[i] + word & WORD end
end

---@param text string
---@return string digest 64 hexadecimal digits
return function(text)
  local padded = text .. "\x80" .. ("\0"):rep((-#text - 9) % BLOCK) .. (">I8"):pack(#text * 8)
  local state = { table.unpack(START) }
  for at = 1, #padded, BLOCK do take(state, padded:sub(at, at + BLOCK - 1)) end
  return (("%08x"):rep(8):format(table.unpack(state)))
end
