-- SPDX-License-Identifier: Apache-2.0
--
--- base/later.lua: modules that not every verb uses. The executable loads them with their first use, from what was
--- compiled with it. A program that has gantry in it has all of it from its `require` on: it may go to another folder,
--- root or user afterwards, and its files may be replaced.

---@param name string of a module that is a table
---@return table module
return function(name)
  if not package.loaded["gantry.executable"] then return require(name) end
  local access = {}
  function access.__index(_, key)
    access.__index = require(name)
    return access.__index[key]
  end
  return setmetatable({}, access)
end
