-- SPDX-License-Identifier: Apache-2.0
--
--- plugin/secret_file.lua: files whose content is nobody's business: whether they can be used, and what is wrong with
--- them, in words that hold nothing of it.

local core = require "gantry.core"
local errors = require "gantry.base.errors"

local secret_file = {}

local ENOENT <const>, ENOTDIR <const>, EACCES <const>, ELOOP <const> = 2, 20, 13, 40
local LARGEST <const> = 1024 * 1024
local GROUP_WRITE <const>, OTHER_WRITE <const> = 16, 2 -- 0020, 0002

---@param code string
---@param field string
---@param path string
---@param text string
---@return nil, gantry.Error
local function refuse(code, field, path, text, cause)
  return nil, errors.new(code, ("%s: %s %s"):format(field, path, text), { field = field, file = path, cause = cause })
end

---@param path string
---@param field string
---@param err gantry.Error
---@return nil, gantry.Error
local function unreadable(path, field, err)
  local number = err.os_error
  if number == ENOENT or number == ENOTDIR or number == ELOOP then
    return refuse("SECRET_MISSING", field, path, "does not exist; make it, or correct the policy", err)
  elseif number == EACCES then
    return refuse("SECRET_UNREADABLE", field, path, ("cannot be read by user %d, who runs gantry; chown it, or run "
      .. "gantry as its owner"):format(core.system.euid()), err)
  end
  return refuse("SECRET_UNREADABLE", field, path, "cannot be read: " .. err.message, err)
end

---@param path string
---@param field string
---@param status table of what was opened
---@return boolean? ok, gantry.Error? err
local function judge(path, field, status)
  if status.type ~= "file" then
    local what = status.type == "directory" and "a directory" or "no regular file"
    return refuse("SECRET_NOT_A_FILE", field, path, ("is %s; name one file"):format(what))
  end
  if status.mode & (GROUP_WRITE | OTHER_WRITE) ~= 0 then
    local who = status.mode & OTHER_WRITE ~= 0 and "everybody" or "its group"
    return refuse("SECRET_UNSAFE", field, path, ("may be written to by %s; run: chmod go-w %s"):format(who, path))
  end
  if status.size > LARGEST then
    return refuse("SECRET_TOO_LARGE", field, path, "is larger than 1 MiB; mount it (mounts) instead")
  end
  return true
end

---@param path string
---@param field string the policy's, for messages
---@return boolean? ok
---@return gantry.Error? err SECRET_MISSING, SECRET_UNREADABLE, SECRET_NOT_A_FILE, SECRET_UNSAFE, SECRET_TOO_LARGE
function secret_file.check(path, field)
  local text, status = core.files.read(path, 0)
  if not text then return unreadable(path, field, status) end
  return judge(path, field, status)
end

---@param path string
---@param field string
---@return string? text, gantry.Error? err as of check
function secret_file.read(path, field)
  local text, status = core.files.read(path, LARGEST + 1)
  if not text then return unreadable(path, field, status) end
  local ok, err = judge(path, field, status)
  if not ok then return nil, err end
  return text
end

---Copies one, without reading it here.
---@param path string
---@param to string
---@param access { mode: integer, user: integer?, group: integer? }
---@param field string
---@return boolean? ok, gantry.Error? err as of check, and WRITE_FAILED
function secret_file.copy(path, to, access, field)
  local status, err = core.files.copy(path, to, { limit = LARGEST + 1, mode = access.mode, user = access.user,
    group = access.group })
  if not status then
    if err.code == "READ_FAILED" then return unreadable(path, field, err) end
    return nil, err:wrap(field)
  end
  -- What was copied is what was looked at: whoever changed it since the check is told of.
  local copied = core.system.stat(to)
  if copied and copied.size > status.size then status.size = copied.size end
  local ok, wrong = judge(path, field, status)
  if not ok then
    os.remove(to)
    return nil, wrong
  end
  return true
end

return secret_file
