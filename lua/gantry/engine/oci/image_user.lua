-- SPDX-License-Identifier: Apache-2.0
--
--- engine/oci/image_user.lua: who a container's process is, as policy or image name it: numbers by the image's own
--- /etc/passwd and /etc/group, read as the image's processes would find them.

local core = require "gantry.core"
local errors = require "gantry.base.errors"

local image_user = {}

-- The most of these files that is read: a hundred thousand users.
local LONGEST <const> = 8 * 1024 * 1024
local MOST_ID <const> = (1 << 31) - 1
local ENOENT <const>, ENOTDIR <const> = 2, 20

---@class gantry.ImageUser
---@field uid integer inside
---@field gid integer inside
---@field groups integer[] supplementary ones that the image's /etc/group has its user in
---@field home string

---@param text string?
---@return integer? id of a number as users and groups have it
local function number(text)
  local id = text and text:find "^%d+$" and math.tointeger(tonumber(text))
  return id and id <= MOST_ID and id or nil
end

---The lines of /etc/passwd or /etc/group.
---@param text string
---@return fun(): string[]? fields
local function entries(text)
  local next_line = text:gmatch "[^\n]+"
  return function()
    local line = next_line()
    if not line then return nil end
    local fields = {}
    for field in (line .. ":"):gmatch "([^:]*):" do fields[#fields + 1] = field end
    return fields
  end
end

---@param passwd string
---@param named string a name, or a number
---@return { name: string, uid: integer, gid: integer, home: string? }?
local function find_user(passwd, named)
  local wanted = number(named)
  for fields in entries(passwd) do
    local uid, gid = number(fields[3]), number(fields[4])
    if uid and gid and (fields[1] == named or uid == wanted) then
      return { name = fields[1], uid = uid, gid = gid, home = fields[6] ~= "" and fields[6] or nil }
    end
  end
end

---@param group string text of /etc/group
---@param named string
---@return integer?
local function find_group(group, named)
  for fields in entries(group) do
    if fields[1] == named then return number(fields[3]) end
  end
end

---@param group string text of /etc/group
---@param name string
---@return integer[]
local function groups_of(group, name)
  local found = {}
  for fields in entries(group) do
    local gid = number(fields[3])
    if gid and ("," .. (fields[4] or "") .. ","):find("," .. name .. ",", 1, true) then found[#found + 1] = gid end
  end
  return found
end

---@param what string
---@param named string
---@param file string
---@return nil, gantry.Error
local function unknown(what, named, file)
  return nil, errors.new("USER_UNKNOWN", ("user: %s '%s' is not in the image's %s; name it by its number in the "
    .. "policy's user"):format(what, named, file))
end

---Who is meant, by the texts of the image's files. A name that is all digits is a number where no user has that name,
---as engines take it.
---@param named string? such as "app", "app:staff", "1000" or "1000:1000"; root where nil or empty
---@param passwd string of /etc/passwd
---@param group string of /etc/group
---@return gantry.ImageUser? user, gantry.Error? err USER_UNKNOWN
function image_user.find(named, passwd, group)
  local user_name, group_name = (named or ""):match "^([^:]*):?(.*)$"
  if user_name == "" then user_name = "0" end
  local entry = find_user(passwd, user_name)
  local uid = entry and entry.uid or number(user_name) or user_name == "root" and 0
  if not uid then return unknown("user", user_name, "/etc/passwd") end
  local found = { uid = uid, gid = entry and entry.gid or 0, groups = {}, home = entry and entry.home
    or (uid == 0 and "/root" or "/") }
  if group_name == "" then
    found.groups = entry and groups_of(group, entry.name) or {}
    return found
  end
  local gid = find_group(group, group_name) or number(group_name) or group_name == "root" and 0
  if not gid then return unknown("group", group_name, "/etc/group") end
  found.gid = gid
  return found
end

---@param root string
---@param path string
---@return string? text empty where the image has none, gantry.Error? err
local function read(root, path)
  local text, err = core.files.read_in_root(root, path, LONGEST)
  if text then return text end
  if err.os_error == ENOENT or err.os_error == ENOTDIR then return "" end
  return nil, err
end

---Who is meant, in an unpacked image.
---@param named string? as for `find`
---@param root string the image's root file system
---@return gantry.ImageUser? user, gantry.Error? err
function image_user.resolve(named, root)
  local passwd, err = read(root, "/etc/passwd")
  if not passwd then return nil, err end
  local group
  group, err = read(root, "/etc/group")
  if not group then return nil, err end
  return image_user.find(named, passwd, group)
end

return image_user
