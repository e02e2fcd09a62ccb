-- SPDX-License-Identifier: Apache-2.0
--
--- order_of_rooms.lua: what a list of rooms, lowest first, allows: a file uses files of its own room and of lower ones,
--- never in a circle, and nobody uses a face. What is held against it are edges between files, of whatever language.

local order_of_rooms = {}

---@class Room
---@field name string of its folder
---@field purpose string what it is for
---@field flat string[]? modules outside of a folder that belong to it: what users may require by name
---@field flat_only boolean? it has no folder
---@field face boolean? a face: nobody uses it, least of all another face

---@class Edge
---@field from string the file that uses
---@field to string the file that is used; one that is in no room may be a folder, as where a name is put together
---@field where string "path:line", for people

---@class House
---@field rooms Room[] lowest first
---@field folder string which the rooms' folders lie in
---@field files string[]
---@field edges Edge[]
---@field place_of fun(file: string): integer? the place of its room in the list

---@param house House
---@param fail fun(...)
local function check_edge(house, edge, used, fail)
  local own, other = house.place_of(edge.from), house.place_of(edge.to)
  if not own then return end
  if not other then return fail("%s: %s stands in no room", edge.where, edge.to) end
  used[own] = used[own] or {}
  used[own][other] = true
  local room, its = house.rooms[other], house.rooms[own]
  if other > own then
    fail("%s: %s is of room '%s', above its own, '%s'", edge.where, edge.to, room.name, its.name)
  elseif other ~= own and room.face then
    fail("%s: %s is of a face, '%s', which nobody uses", edge.where, edge.to, room.name)
  end
end

---Follows edges from one file and says each circle once.
---@param file string
---@param graph table<string, string[]>
---@param state table<string, "open"|"done">
---@param trail string[]
---@param fail fun(...)
local function find_circles(file, graph, state, trail, fail)
  state[file], trail[#trail + 1] = "open", file
  for _, other in ipairs(graph[file] or {}) do
    if state[other] == "open" then
      local first = 1
      while trail[first] ~= other do first = first + 1 end
      fail("a circle of files: %s -> %s", table.concat(trail, " -> ", first), other)
    elseif not state[other] then
      find_circles(other, graph, state, trail, fail)
    end
  end
  trail[#trail], state[file] = nil, "done"
end

---@param house House
---@param fail fun(...)
local function check_circles(house, fail)
  local graph, state = {}, {}
  for _, edge in ipairs(house.edges) do
    graph[edge.from] = graph[edge.from] or {}
    table.insert(graph[edge.from], edge.to)
  end
  table.sort(house.files)
  for _, file in ipairs(house.files) do
    if not state[file] then find_circles(file, graph, state, {}, fail) end
  end
end

---@param path string
---@param text string that must stand there
---@param fail fun(...)
local function check_says(path, text, fail)
  local file <close> = io.open(path)
  if not file then return fail("%s: missing; it begins with '%s'", path, text) end
  if not file:read("a"):find(text, 1, true) then fail("%s: does not say '%s'", path, text) end
end

---@param rooms Room[]
---@param uses table<integer, boolean>? places
---@return string
local function uses_line(rooms, uses, own)
  local names = {}
  for lower = 1, own - 1 do
    if uses and uses[lower] then names[#names + 1] = rooms[lower].name end
  end
  return ("Uses: %s."):format(#names > 0 and table.concat(names, ", ") or "no other room")
end

---CONTRIBUTING.md shows the list, and each folder's README.md says what its room is for and what it uses.
---@param house House
---@param used table<integer, table<integer, boolean>> by place, the places that its files use
---@param fail fun(...)
local function check_documents(house, used, fail)
  local lines = {}
  for place, room in ipairs(house.rooms) do
    local names = room.flat and ", `" .. table.concat(room.flat, "`, `") .. "`" or ""
    lines[place] = ("| %s%s | %s |"):format(room.name, names, room.purpose)
    if not (room.flat and room.flat_only) then
      local says = ("# %s\n\n%s.  \n%s\n"):format(room.name, room.purpose:gsub("^%l", string.upper),
        uses_line(house.rooms, used[place], place))
      check_says(("%s/%s/README.md"):format(house.folder, room.name), says, fail)
    end
  end
  check_says("CONTRIBUTING.md", table.concat(lines, "\n"), fail)
end

---Calls `fail` for all that the list forbids or that is said otherwise elsewhere.
---@param house House
---@param fail fun(...)
function order_of_rooms.check(house, fail)
  local used, lived_in = {}, {}
  for _, file in ipairs(house.files) do
    local place = house.place_of(file)
    if place then lived_in[place] = true else fail("%s: stands in no room", file) end
  end
  for place, room in ipairs(house.rooms) do
    if not lived_in[place] then fail("nobody lives in room '%s'", room.name) end
  end
  for _, edge in ipairs(house.edges) do check_edge(house, edge, used, fail) end
  check_circles(house, fail)
  check_documents(house, used, fail)
end

return order_of_rooms
