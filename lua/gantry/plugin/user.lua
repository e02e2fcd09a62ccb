-- SPDX-License-Identifier: Apache-2.0
--
--- plugin/user.lua: who the plugin's process is inside its container.

local errors = require "gantry.base.errors"

local user = {}

---As the policy or the image names it.
---@param plugin gantry.Plugin
---@return string
function user.named(plugin)
  local named = plugin.config.user or plugin.image and plugin.image.user or ""
  return named:match("^[^:]*")
end

---@param named string
---@return boolean
function user.is_root(named)
  return named == "" or named == "0" or named == "root"
end

---@param text string of /etc/passwd
---@param name string
---@return integer?
local function find(text, name)
  for line in text:gmatch "[^\n]+" do
    local found, number = line:match "^([^:]*):[^:]*:(%d+):"
    if found == name then return math.tointeger(tonumber(number)) end
  end
end

---Its number, which only the image knows of a name. Needs the container.
---@param plugin gantry.Plugin
---@return integer? uid, gantry.Error? err USER_UNKNOWN
function user.number(plugin)
  local named = user.named(plugin)
  if user.is_root(named) then return 0 end
  if named:find "^%d+$" then return math.tointeger(tonumber(named)) end
  local text, err = plugin.engine:read_file(plugin.container, "/etc/passwd")
  local uid = text and find(text, named)
  if uid then return uid end
  return nil, errors.new("USER_UNKNOWN", ("credentials: whose they are to be cannot be known: user '%s' is not in the "
    .. "image's /etc/passwd; name it by its number in the policy's user"):format(named), { cause = err })
end

return user
