-- SPDX-License-Identifier: Apache-2.0
--
--- base/link_path.lua: where a path leads through symbolic links, and these links: where one is changed, it leads
--- elsewhere.

local system = require("gantry.core").system

local MOST_LINKS <const> = 40 -- as Linux has it

---The parts of a path in the order in which they come, behind those that are left.
---@param path string
---@param rest string[] the next one last
local function push_parts(path, rest)
  local parts = {}
  for part in path:gmatch "[^/]+" do parts[#parts + 1] = part end
  for i = #parts, 1, -1 do rest[#rest + 1] = parts[i] end
end

---@param path string absolute
---@return string target without links, as far as it is there
---@return string[] links on the way, each by the path without links of its folder
return function(path)
  local rest, target, links = {}, "", {}
  push_parts(path, rest)
  while #rest > 0 do
    local part = table.remove(rest)
    local candidate = target .. "/" .. part
    local link = #links < MOST_LINKS and part ~= ".." and system.link_target(candidate)
    if link then
      links[#links + 1] = candidate
      if link:sub(1, 1) == "/" then target = "" end
      push_parts(link, rest)
    elseif part == ".." then
      target = target:match "^(.*)/[^/]*$" or ""
    elseif part ~= "." then
      target = candidate
    end
  end
  return target == "" and "/" or target, links
end
