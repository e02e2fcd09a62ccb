-- SPDX-License-Identifier: Apache-2.0
--
--- engine/binary_image.lua: an image that holds one program and nothing else, as the archive that engines load. The
--- same program gives the same image on every machine, byte for byte: no name of a file and no time is in it. Pure.

local sha256 = require "gantry.base.sha256"

local binary_image = {}

-- Where the program is inside, and its image's name, which no registry has.
binary_image.PROGRAM = "/plugin"
local REPOSITORY <const> = "localhost/gantry-binary"

-- The label that says what an image of this kind is: its value is the program's SHA-256.
binary_image.LABEL = "gantry.binary"

---The largest file that a header of this archive can tell of.
binary_image.LARGEST = (1 << 33) - 1

local BLOCK <const> = 512
local END <const> = ("\0"):rep(2 * BLOCK)
local FILE_MODE <const>, PROGRAM_MODE <const> = tonumber("644", 8), tonumber("755", 8)

---@param size integer
---@return string bytes that fill the last block of a file
local function padding(size)
  return ("\0"):rep(-size % BLOCK)
end

---@param name string
---@param size integer
---@param mode integer
---@return string header of a regular file of root's, in the ustar format
local function header(name, size, mode)
  local function numbers(sum)
    return ("%s%07o\0%07o\0%07o\0%011o\0%011o\0%s0"):format(name .. ("\0"):rep(100 - #name), mode, 0, 0, size, 0, sum)
  end
  local rest = ("\0"):rep(100) .. "ustar\00000"
  local text = numbers((" "):rep(8)) .. rest
  local sum = 0
  for at = 1, #text do sum = sum + text:byte(at) end
  text = numbers(("%06o\0 "):format(sum)) .. rest
  return text .. padding(#text)
end

---@param name string
---@param content string
---@return string
local function entry(name, content)
  return header(name, #content, FILE_MODE) .. content .. padding(#content)
end

---What stands before and behind the program's bytes in the image's only layer.
---@param size integer the program's
---@return string before, string after
function binary_image.layer(size)
  return header(binary_image.PROGRAM:sub(2), size, PROGRAM_MODE), padding(size) .. END
end

---@param digest string the program's SHA-256
---@return string reference
function binary_image.reference(digest)
  return REPOSITORY .. ":" .. digest
end

---@param binary { architecture: string, sha256: string, layer: string } layer: SHA-256 of the whole layer
---@return string json the image's description, whose SHA-256 is its id
local function description(binary)
  return ([[{"architecture":"%s","config":{"Entrypoint":["%s"],"Labels":{"%s":"%s"}},]]
    .. [["created":"1970-01-01T00:00:00Z","os":"linux","rootfs":{"diff_ids":["sha256:%s"],"type":"layers"}}]]):format(
    binary.architecture, binary_image.PROGRAM, binary_image.LABEL, binary.sha256, binary.layer)
end

---The image's id, as engines reckon it that name images by their description.
---@param binary { architecture: string, sha256: string, layer: string }
---@return string id
function binary_image.id(binary)
  return "sha256:" .. sha256(description(binary))
end

---The archive that the engine is to load, but for the program's own bytes.
---@param binary { architecture: string, sha256: string, layer: string, size: integer }
---@return string before, string after
function binary_image.archive(binary)
  local config = description(binary)
  local config_name, layer_name = sha256(config) .. ".json", binary.layer .. ".tar"
  local manifest = ([[[{"Config":"%s","Layers":["%s"],"RepoTags":["%s"]}]%s]]):format(config_name, layer_name,
    binary_image.reference(binary.sha256), "\n")
  local before, after = binary_image.layer(binary.size)
  return entry("manifest.json", manifest) .. entry(config_name, config)
    .. header(layer_name, #before + binary.size + #after, FILE_MODE) .. before, after .. END
end

---@param image gantry.EngineImage
---@param binary { layer: string }
---@return boolean whether it holds this program and nothing else
function binary_image.holds(image, binary)
  local layers = image.layers or {}
  return #layers == 1 and layers[1] == "sha256:" .. binary.layer
end

return binary_image
