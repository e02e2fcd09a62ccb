-- SPDX-License-Identifier: Apache-2.0
--
--- policy/readonly.lua: a table that can be read and not written: what a policy gets of the launcher's data. Indexing,
--- pairs, ipairs, # and readonly.next work as on the table itself, which is copied: later changes do not show.

local readonly = {}

---@type table<table, table> what is behind a copy; for next, which no metamethod serves
local content_of = setmetatable({}, { __mode = "k" })
---@type table<table, fun()> of copies with a field that is not known yet: whoever goes through all looks at it
local missing_of = setmetatable({}, { __mode = "k" })

---@param name string
---@return fun(self: table, key: any)
local function refuser(name)
  return function(_, key) error(("%s is read-only: '%s' cannot be set"):format(name, tostring(key)), 2) end
end

---@param value any data without cycles
---@param name string for the message
---@param missing fun()? called, and meant to raise, where a field is looked at that is not known yet
---@param missing_key any its key
---@return any
function readonly.copy(value, name, missing, missing_key)
  if type(value) ~= "table" then return value end
  local content = {}
  for key, one in pairs(value) do content[key] = readonly.copy(one, name) end
  local view = setmetatable({}, {
    __index = missing and function(_, key)
      if key == missing_key then missing() end
      return content[key]
    end or content,
    __newindex = refuser(name),
    __pairs = function(self) return readonly.next, self, nil end,
    __len = function() return #content end,
    __metatable = false,
  })
  content_of[view], missing_of[view] = content, missing
  return view
end

---Lua's next, for read-only copies as well.
---@param value table
---@param key any
---@return any key, any value
function readonly.next(value, key)
  if missing_of[value] then missing_of[value]() end
  return next(content_of[value] or value, key)
end

return readonly
