-- SPDX-License-Identifier: Apache-2.0
--
--- supervisor/log_files.lua: the plugins' output in files, one a plugin, rotated when they are long: NAME.log,
--- NAME.log.1, and so on. A file that cannot be written is told of once and tried again with each piece of output; it
--- says itself, where they are missing, how many bytes were lost.

local core = require "gantry.core"

local log_files = {}

local LONGEST <const>, KEPT <const> = 10 * 1024 * 1024, 3

---@class gantry.LogFiles
local LogFiles = {}
LogFiles.__index = LogFiles

---@param directory string made where it is missing
---@param options { longest: integer?, kept: integer?, on_failure: fun(text: string)? }?
---@return gantry.LogFiles?, gantry.Error?
function log_files.open(directory, options)
  options = options or {}
  local made, err = core.files.make_directory(directory, tonumber("750", 8))
  if not made then return nil, err end
  return setmetatable({ directory = directory, files = {}, longest = options.longest or LONGEST,
    kept = options.kept or KEPT, on_failure = options.on_failure or function() end }, LogFiles)
end

---@param self gantry.LogFiles
---@param name string
---@return string
local function path_of(self, name)
  return self.directory .. "/" .. name .. ".log"
end

---@class gantry.LogFile
---@field handle file*? nil where it cannot be opened
---@field size integer
---@field lost integer bytes since the last that were written
---@field cut boolean? the last line in it has no end

---@param name string
---@return gantry.LogFile
function LogFiles:file(name)
  local file = self.files[name]
  if not file then
    file = { size = 0, lost = 0 }
    self.files[name] = file
  end
  return file
end

---Says once, until it goes well again, that a file takes nothing.
---@param name string
---@param file gantry.LogFile
---@param text string what is lost
---@param reason string?
function LogFiles:lose(name, file, text, reason)
  if file.lost == 0 then
    self.on_failure(("the output of '%s' cannot be written to %s: %s"):format(name, path_of(self, name),
      reason or "the disk is full"))
  end
  file.lost = file.lost + #text
end

---@param name string
---@param file gantry.LogFile
---@return boolean? ok, string? reason
function LogFiles:open(name, file)
  if file.handle then return true end
  local handle, reason = io.open(path_of(self, name), "ab")
  if not handle then return nil, reason end
  file.handle, file.size = handle, handle:seek "end" or 0
  return true
end

---@param name string
---@param file gantry.LogFile
---@return boolean? ok, string? reason
function LogFiles:rotate(name, file)
  file.handle:close()
  file.handle, file.cut = nil, nil
  local path = path_of(self, name)
  for i = self.kept - 1, 1, -1 do os.rename(("%s.%d"):format(path, i), ("%s.%d"):format(path, i + 1)) end
  os.rename(path, path .. ".1")
  return self:open(name, file)
end

---@param stream string
---@return string
local function head_of(stream)
  return os.date("!%Y-%m-%dT%H:%M:%SZ ") .. stream .. " "
end

---@param name string the plugin's
---@param stream "stdout"|"stderr"
---@param lines string[]
function LogFiles:add(name, stream, lines)
  local head = head_of(stream)
  self:write(name, self:file(name), head .. table.concat(lines, "\n" .. head) .. "\n")
end

---What stands where bytes were lost.
---@param file gantry.LogFile
---@return string
local function gap(file)
  if file.lost == 0 then return "" end
  return ("%s%sgantry: %d bytes were lost here\n"):format(file.cut and "\n" or "", head_of "stderr", file.lost)
end

---@param name string
---@param file gantry.LogFile
---@param text string whole lines
function LogFiles:write(name, file, text)
  local ok, reason = self:open(name, file)
  if ok and file.size > 0 and file.size + #text > self.longest then ok, reason = self:rotate(name, file) end
  if not ok then return self:lose(name, file, text, reason) end
  local written = gap(file) .. text
  ok, reason = file.handle:write(written)
  if ok then ok, reason = file.handle:flush() end
  if ok then
    file.size, file.lost, file.cut = file.size + #written, 0, nil
    return
  end
  file.cut = true
  self:lose(name, file, text, reason)
  file.handle:close()
  file.handle = nil
end

function LogFiles:close()
  for _, file in pairs(self.files) do
    if file.handle then file.handle:close() end
  end
  self.files = {}
end

return log_files
