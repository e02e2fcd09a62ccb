-- SPDX-License-Identifier: Apache-2.0
--
--- order.lua: fails where a file of lua/gantry stands in no room or uses a room above its own, where files use each
--- other in a circle, where somebody uses a face, and where CONTRIBUTING.md or a folder's README.md says other than
--- what rooms.lua and the files themselves do.
---
--- Usage: lua5.4 tests/static/order.lua FILE... (all of lua/gantry, from the top of the repository)

package.path = "tests/static/?.lua;" .. package.path
local rooms = require "rooms"

local failures = 0

local function fail(...)
  print(string.format(...))
  failures = failures + 1
end

---@param path string
---@return string
local function read(path)
  local file <close> = assert(io.open(path))
  return file:read("a")
end

-- Of rooms: their places in the list, by folder and by flat module.
local place_of_folder, place_of_flat = {}, {}
for place, room in ipairs(rooms) do
  place_of_folder[room.name] = place
  for _, module in ipairs(room.flat or {}) do place_of_flat[module] = place end
end

---@param path string
---@return string
local function module_of(path) return (path:gsub("^lua/", ""):gsub("%.lua$", ""):gsub("/init$", ""):gsub("/", ".")) end

---@param module string
---@return integer? place in the list of rooms
local function place_of(module)
  module = module:gsub("%.$", ".any")
  local folder = module:match("^gantry%.([%w_]+)")
  local inside = folder and (module:find("^gantry%.[%w_]+%.") or io.open(("lua/gantry/%s/init.lua"):format(folder)))
  return place_of_flat[module] or inside and place_of_folder[folder] or nil
end

---Blanks comments, so that what they name is no use.
---@param text string
---@return string
local function without_comments(text)
  local function blank(comment) return (comment:gsub("[^\n]", " ")) end
  return (text:gsub("%-%-%[(=*)%[.-%]%1%]", blank):gsub("%-%-[^\n]*", blank))
end

-- Written in C, below all rooms.
local C_MODULES <const> = { core = true, face = true }

---The modules of gantry that a file names to `require`, or to `later`, which requires them when they are used. A name
---that is put together when it runs (`require("gantry.cli." .. verb)`) counts as its folder.
---@param path string
---@return Edge[]
local function edges_of(path)
  local text, found = without_comments(read(path)), {}
  for at, word, module in text:gmatch "%f[%w_]()(%a+)%s*%(?%s*[\"'](gantry[%w_.]*)[\"']" do
    local _, line = text:sub(1, at):gsub("\n", "")
    if (word == "require" or word == "later") and not C_MODULES[module:match("^gantry%.?([%w_]*)")] then
      found[#found + 1] = { from = module_of(path), to = module, where = ("%s:%d"):format(path, line + 1) }
    end
  end
  return found
end

local house = { rooms = rooms, folder = "lua/gantry", files = {}, edges = {}, place_of = place_of }
local exists = {}
for _, path in ipairs(arg) do
  table.insert(house.files, module_of(path))
  exists[module_of(path)] = true
  for _, edge in ipairs(edges_of(path)) do table.insert(house.edges, edge) end
end
for _, edge in ipairs(house.edges) do
  if not exists[edge.to] and edge.to:sub(-1) ~= "." then fail("%s: %s does not exist", edge.where, edge.to) end
end
require("order_of_rooms").check(house, fail)
os.exit(failures == 0)
