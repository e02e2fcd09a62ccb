-- SPDX-License-Identifier: Apache-2.0
--
--- base/sha256.lua: SHA-256 (FIPS 180-4) of short texts, where loading a library for it would cost more than it saves.

local WORD <const> = 0xffffffff
local BLOCK <const> = 64

-- The first 32 bits behind the point: of the square roots of the first 8 primes, of the cube roots of the first 64.
local START <const> = {
  0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
}
local ROUND <const> = {
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
  0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
  0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
  0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
  0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
  0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
  0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
  0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
}

-- A word that stands twice in 64 bits has each of its rotations in the lower half of a shift.
local TWICE <const> = 1 << 32 | 1

---@param block string of 64 bytes
---@return integer[] schedule
local function schedule_of(block)
  local words = { (">" .. ("I4"):rep(16)):unpack(block) }
  for i = 17, BLOCK do
    local early, late = words[i - 15], words[i - 2]
    local early_twice, late_twice = early * TWICE, late * TWICE
    local small = early_twice >> 7 ~ early_twice >> 18 ~ early >> 3
    local large = late_twice >> 17 ~ late_twice >> 19 ~ late >> 10
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
    local a_twice, e_twice = a * TWICE, e * TWICE
    local choice, majority = e & f ~ ~e & g, a & b ~ a & c ~ b & c
    local first = h + (e_twice >> 6 ~ e_twice >> 11 ~ e_twice >> 25) + choice + ROUND[i] + words[i]
    local second = (a_twice >> 2 ~ a_twice >> 13 ~ a_twice >> 22) + majority
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
