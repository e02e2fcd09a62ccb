-- SPDX-License-Identifier: Apache-2.0
--
--- policy/file.lua: reads a policy's text, where the file is one that only the user or root can have written: what it
--- says is done with the user's rights.

local core = require "gantry.core"
local errors = require "gantry.base.errors"
local words = require "gantry.base.words"
local files, system = core.files, core.system

local file = {}

local EACCES <const> = 13
local MISSING <const> = { [2] = true, [20] = true, [40] = true } -- ENOENT, ENOTDIR, ELOOP
local LARGEST <const> = 1024 * 1024
local GROUP_WRITE <const>, OTHER_WRITE <const> = 16, 2 -- 0020, 0002

---@param code string
---@param path string
---@param text string what is wrong, and the remedy
---@return nil, gantry.Error
local function refuse(code, path, text, fields)
  fields = fields or {}
  fields.file = path
  return nil, errors.new(code, path .. ": " .. text, fields)
end

---@param path string
---@param err gantry.Error
local function not_there(path, err)
  local target = MISSING[err.os_error] and system.link_target(path)
  if target then
    return refuse("POLICY_NOT_FOUND", path, ("is a link to %s, which is not there; put that back, or remove the link")
      :format(words.show(target)), { cause = err })
  elseif MISSING[err.os_error] then
    local running = path:find "^[%w_-]+$" and (", or call a plugin that runs: gantry call %s METHOD"):format(path) or ""
    return refuse("POLICY_NOT_FOUND", path, "no such file; name the path of a policy" .. running, { cause = err })
  end
  return refuse("POLICY_UNREADABLE", path, "cannot be read: " .. err.message, { cause = err })
end

---@param path string
---@param status { mode: integer, uid: integer }
local function check_writers(path, status)
  local user = system.euid()
  if status.uid ~= user and status.uid ~= 0 then
    return refuse("POLICY_UNSAFE", path, ("belongs to user %d, who is neither you nor root, and could change it; "
      .. "chown it, or copy it"):format(status.uid))
  end
  if status.mode & (GROUP_WRITE | OTHER_WRITE) ~= 0 then
    local who = status.mode & OTHER_WRITE ~= 0 and "everybody" or "its group"
    return refuse("POLICY_UNSAFE", path, ("%s may write to it; run: chmod go-w %s"):format(who, path))
  end
  return true
end

---@param path string
---@param err gantry.Error
local function not_read(path, err)
  if err.os_error ~= EACCES then return not_there(path, err) end
  return refuse("POLICY_UNREADABLE", path, ("cannot be read; run: chmod u+r %s"):format(path), { cause = err })
end

---What a file is at this moment, without reading it: equal stamps mean that it was not changed.
---@param path string
---@return string
function file.stamp(path)
  local status = system.stat(path)
  if not status then return "none" end
  return ("%s %d %.6f %o %d"):format(status.type, status.size, status.mtime, status.mode, status.uid)
end

---Reads the text of a policy, or of a module for policies: what is looked at is what was opened.
---@param path string
---@return string? text
---@return gantry.Error? err POLICY_NOT_FOUND, POLICY_NOT_A_FILE, POLICY_BINARY, POLICY_UNSAFE,
--- POLICY_UNREADABLE, POLICY_TOO_LARGE
function file.read(path)
  local text, status = files.read(path, LARGEST + 1)
  if not text then return not_read(path, status) end
  if status.type ~= "file" then
    local what = status.type == "directory" and "a directory" or "no regular file"
    return refuse("POLICY_NOT_A_FILE", path, ("is %s; a policy is one Lua file"):format(what))
  end
  if text:find "^\127ELF" then
    return refuse("POLICY_BINARY", path, ("is a program, and a policy is a Lua file that names it; "
      .. "`gantry init %s` writes one"):format(path))
  end
  local safe, unsafe = check_writers(path, status)
  if not safe then return nil, unsafe end
  if #text > LARGEST then return refuse("POLICY_TOO_LARGE", path, "is larger than 1 MiB") end
  return text
end

return file
