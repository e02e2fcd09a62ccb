-- SPDX-License-Identifier: Apache-2.0
--
--- place/sockets_in_tmp.lua: of which images it is known that their plugin puts its sockets where TMPDIR says: one
--- empty file an image and program in the state directory, so that only its first launch is made twice.

local core = require "gantry.core"
local state_dir = require "gantry.place.state_dir"

local sockets_in_tmp = {}

-- Bytes of a program's path that tell it from another one of the same image.
local LONGEST_PROGRAM <const> = 80

---@param plugin gantry.Plugin with its image
---@return string? path nil where the engine gives the image no proper id
local function path_of(plugin)
  local id = tostring(plugin.image.id):gsub("^sha256:", "")
  if #id ~= 64 or id:find "%X" then return nil end
  local program = plugin.config.entrypoint and plugin.config.entrypoint[1] or ""
  return ("%s/sockets_in_tmp/%s%s"):format(state_dir.path(plugin.options.environment), id,
    program:gsub("[^%w]", "-"):sub(-LONGEST_PROGRAM))
end

---@param plugin gantry.Plugin
---@return boolean
function sockets_in_tmp.known(plugin)
  local path = path_of(plugin)
  return path ~= nil and core.system.stat(path) ~= nil
end

---A state directory that cannot be written stops no launch: the next one is made twice as well.
---@param plugin gantry.Plugin
function sockets_in_tmp.remember(plugin)
  local path = path_of(plugin)
  if path then state_dir.write(path, "\n") end
end

return sockets_in_tmp
