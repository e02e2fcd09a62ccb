-- SPDX-License-Identifier: Apache-2.0
--
--- cli/wrapping.lua: a file of a host's whose place another one takes, and which is kept beside it, the same file under
--- another name. At every instant the one or the other is in its place: who is killed half-way has done no harm, and
--- the next run goes on from there.

local core = require "gantry.core"
local errors = require "gantry.base.errors"
local files = core.files

local wrapping = {}

local GROUP_OR_OTHER_WRITE <const>, PERMISSIONS <const> = tonumber("022", 8), tonumber("777", 8)
local PRIVATE <const> = tonumber("600", 8)
local EXECUTE <const>, SECOND_LONGEST <const> = tonumber("111", 8), 255

---@param path string
---@param ending string
---@return string of a file beside it, which no host takes for a plugin
local function beside(path, ending)
  local folder, name = path:match "^(.*/)([^/]*)$"
  return ("%s.%s.%s"):format(folder, name, ending)
end

---Where what stood in a file's place is kept.
---@param path string absolute
---@return string
function wrapping.kept(path)
  return beside(path, "wrapped")
end

---The path of what a kept file belongs to.
---@param name string of a file
---@return string? name
function wrapping.kept_for(name)
  return name:match "^%.(.+)%.wrapped$"
end

---@param path string
---@return boolean
function wrapping.is_kept(path)
  local status = core.system.stat(wrapping.kept(path))
  return status ~= nil and status.type == "file"
end

---Whether what is kept is the very file that is in its place: a run was killed before the last step.
---@param path string
---@return boolean
function wrapping.is_half_way(path)
  local one <close> = files.open(path)
  local other <close> = files.open(wrapping.kept(path))
  return one ~= nil and other ~= nil and one:stamp() == other:stamp()
end

---Nobody else wraps or unwraps in this file's folder meanwhile.
---@param path string
---@return userdata? lock to be closed, gantry.Error? err
function wrapping.lock(path)
  local folder = path:match "^(.*)/"
  local lock, err = files.lock(folder == "" and "/" or folder)
  if lock or err.code ~= "LOCK_BUSY" then return lock, err end
  return nil, errors.new("LOCK_BUSY", ("another gantry is at work in %s; try again when it is done"):format(folder),
    { cause = err })
end

---@param path string
---@param err gantry.Error
---@return nil, gantry.Error
local function failed(path, err)
  local folder = path:match "^(.*)/"
  return nil, errors.new("WRITE_FAILED", ("%s; see whether %s may be written to, or work on a copy of it"):format(
    err.message, folder == "" and "/" or folder), { cause = err, os_error = err.os_error })
end

---Whose a file is to be that takes another's place: a policy must be readable, and nobody but its owner's to write.
---@param status { mode: integer, uid: integer, gid: integer } of that other one
---@return { mode: integer, user: integer, group: integer }
local function owner_of(status)
  local mode = status.mode & PERMISSIONS & ~GROUP_OR_OTHER_WRITE
  return { mode = mode | (mode & EXECUTE) << 2, user = status.uid, group = status.gid }
end

---@param path string
---@param text string
---@param status table of the file whose owner and mode it gets
---@return string? new path of what is ready to take the place, gantry.Error? err
local function prepare(path, text, status)
  local new = beside(path, "wrapping")
  wrapping.clean(path)
  local made, err = files.create(new, text, PRIVATE)
  if made then made, err = files.give(new, owner_of(status)) end
  if made then return new end
  os.remove(new)
  return failed(path, err)
end

---Puts other content in a file's place, which is there already in somebody's stead.
---@param path string
---@param text string
---@param status table
---@return boolean? ok, gantry.Error? err
function wrapping.put(path, text, status)
  local new, err = prepare(path, text, status)
  if not new then return nil, err end
  local moved, unmoved = files.rename(new, path)
  if moved then return true end
  os.remove(new)
  return failed(path, unmoved)
end

---Keeps a file beside its place, and puts a text there. Needs the lock.
---@param path string absolute, without links
---@param text string
---@param status table the file's
---@return boolean? ok, gantry.Error? err
function wrapping.swap(path, text, status)
  local new, err = prepare(path, text, status)
  if not new then return nil, err end
  local second = beside(path, "second")
  local ok, failure = files.link(path, second)
  if ok then ok, failure = files.rename(second, wrapping.kept(path)) end
  if ok then ok, failure = files.rename(new, path) end
  if ok then return true end
  wrapping.clean(path)
  return failed(path, failure)
end

---Takes a file out of its place, and keeps it. Needs the lock.
---@param path string
---@return boolean? ok, gantry.Error? err
function wrapping.set_aside(path)
  local ok, err = files.rename(path, wrapping.kept(path))
  if ok then return true end
  return failed(path, err)
end

---Removes what a run that was killed had made ready. Needs the lock.
---@param path string
function wrapping.clean(path)
  os.remove(beside(path, "wrapping"))
  os.remove(beside(path, "second"))
end

---Puts what is kept back in its place, as it was. Needs the lock.
---@param path string
---@return boolean? ok, gantry.Error? err
function wrapping.restore(path)
  local ok, err = files.rename(wrapping.kept(path), path)
  if ok then return true end
  return failed(path, err)
end

---Whether a name leaves room for those beside it.
---@param path string
---@return boolean
function wrapping.has_room(path)
  return #(beside(path, "wrapping"):match "[^/]*$") <= SECOND_LONGEST
end

return wrapping
