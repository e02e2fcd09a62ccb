-- SPDX-License-Identifier: Apache-2.0
--
--- supervisor/order.lua: who waits for whom.

local order = {}

---@param name string
---@param after_of table<string, string[]>
---@param path string[]
---@param state table<string, "open"|"done">
---@param found table<string, string>
local function visit(name, after_of, path, state, found)
  if state[name] == "done" or not after_of[name] then return end
  if state[name] == "open" then
    local from = #path
    while path[from] ~= name do from = from - 1 end
    local circle = table.concat(path, " -> ", from) .. " -> " .. name
    for i = from, #path do found[path[i]] = circle end
    return
  end
  state[name] = "open"
  path[#path + 1] = name
  for _, one in ipairs(after_of[name]) do visit(one, after_of, path, state, found) end
  path[#path] = nil
  state[name] = "done"
end

---Plugins that wait for each other in a circle, each with the circle as text.
---@param after_of table<string, string[]> by name: whom it waits for
---@return table<string, string>
function order.cycles(after_of)
  local names, state, found = {}, {}, {}
  for name in pairs(after_of) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do visit(name, after_of, {}, state, found) end
  return found
end

---@param circle string of order.cycles
---@return string
function order.describe(circle)
  return ("dependency cycle: %s; take one `after` out"):format(circle)
end

return order
