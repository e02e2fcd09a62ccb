-- SPDX-License-Identifier: Apache-2.0
--
--- order_c.lua: fails where a C file stands in no room or uses a room above its own, where files use each other in a
--- circle, and where CONTRIBUTING.md or a folder's README.md says other than what rooms_c.lua and the files themselves
--- do. A file uses what it includes, and what its object takes from another's.
---
--- Usage: lua5.4 tests/static/order_c.lua BUILD FILE... (all of src, from the top of the repository)

package.path = "tests/static/?.lua;" .. package.path
local c_source = require "c_source"
local cjson = require "cjson"
local rooms = require "rooms_c"

local failures = 0

local function fail(...)
  print(string.format(...))
  failures = failures + 1
end

local place_of_folder, place_of_flat = {}, {}
for place, room in ipairs(rooms) do
  place_of_folder[room.name] = place
  for _, name in ipairs(room.flat or {}) do place_of_flat["src/" .. name] = place end
end

---@param path string
---@return integer? place in the list of rooms
local function place_of(path) return place_of_flat[path] or place_of_folder[path:match("^src/(.+)/[^/]+$")] end

---@param build string
---@return table<string, string> source by the path of its object
local function objects_of(build)
  local file <close> = assert(io.open(build .. "/compile_commands.json"))
  local sources = {}
  for _, entry in ipairs(cjson.decode(file:read("a"))) do
    local source = entry.file:match("/(src/[^/].*)$")
    if source then sources[build .. "/" .. entry.command:match(" %-o (%S+)")] = source end
  end
  return sources
end

---@param sources table<string, string> by object
---@return table<string, string> defined source by symbol
---@return { symbol: string, source: string }[] taken
local function symbols_of(sources)
  local objects, defined, taken = {}, {}, {}
  for object in pairs(sources) do objects[#objects + 1] = ("'%s'"):format(object) end
  local listing <close> = assert(io.popen("nm -A -g " .. table.concat(objects, " ")))
  for line in listing:lines() do
    local object, kind, symbol = line:match("^(.-):%s*%x*%s+(%a) ([%w_]+)")
    if kind == "U" then
      taken[#taken + 1] = { symbol = symbol, source = sources[object] }
    elseif kind then
      defined[symbol] = sources[object]
    end
  end
  return defined, taken
end

local build = table.remove(arg, 1)
local house = { rooms = rooms, folder = "src", files = {}, edges = {}, place_of = place_of }
local exists, compiled = {}, {}
for _, path in ipairs(arg) do
  table.insert(house.files, path)
  exists[path] = true
  for _, include in ipairs(c_source.read(path).includes) do
    local to, where = "src/" .. include.path, ("%s:%d"):format(path, include.line)
    table.insert(house.edges, { from = path, to = to, where = where })
  end
end
for _, edge in ipairs(house.edges) do
  if not exists[edge.to] then fail("%s: %s does not exist; an include is a path from src", edge.where, edge.to) end
end

local sources = objects_of(build)
local defined, taken = symbols_of(sources)
for _, source in pairs(sources) do compiled[source] = true end
for path in pairs(exists) do
  if path:find("%.c$") and not compiled[path] then fail("%s: is no part of the build", path) end
end
for _, use in ipairs(taken) do
  local from = defined[use.symbol]
  if from and from ~= use.source then
    table.insert(house.edges, { from = use.source, to = from, where = ("%s: %s"):format(use.source, use.symbol) })
  end
end
require("order_of_rooms").check(house, fail)
os.exit(failures == 0)
