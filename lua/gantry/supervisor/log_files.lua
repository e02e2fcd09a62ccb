-- SPDX-License-Identifier: Apache-2.0
--
--- supervisor/log_files.lua: the plugins' output in files, one a plugin, rotated when they are long: NAME.log,
--- NAME.log.1, and so on. A file that cannot be written loses its lines, and says so once.

local core = require "gantry.core"

local log_files = {}

local LONGEST <const>, KEPT <const> = 10 * 1024 * 1024, 3
local LONGEST_LINE <const> = 64 * 1024

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

---@param name string
---@return table file handle and size; handle is nil where it cannot be opened
function LogFiles:file(name)
  local file = self.files[name]
  if file then return file end
  local handle, reason = io.open(path_of(self, name), "ab")
  file = { handle = handle, size = handle and handle:seek "end" or 0, lines = {} }
  self.files[name] = file
  if not handle then self.on_failure(("the output of '%s' goes to no file: %s"):format(name, reason)) end
  return file
end

---@param name string
---@param file table
function LogFiles:rotate(name, file)
  file.handle:close()
  local path = path_of(self, name)
  for i = self.kept - 1, 1, -1 do os.rename(("%s.%d"):format(path, i), ("%s.%d"):format(path, i + 1)) end
  os.rename(path, path .. ".1")
  self.files[name].handle = io.open(path, "ab")
  file.size = 0
end

---@param name string the plugin's
---@param stream "stdout"|"stderr"
---@param bytes string in any chunks
function LogFiles:feed(name, stream, bytes)
  local file = self:file(name)
  if not file.handle then return end
  local lines = file.lines[stream]
  if not lines then
    lines = core.lines.new(LONGEST_LINE)
    file.lines[stream] = lines
  end
  local out, head = {}, os.date("!%Y-%m-%dT%H:%M:%SZ ") .. stream .. " "
  lines:feed(bytes, function(line) out[#out + 1] = head .. line .. "\n" end)
  if #out == 0 then return end
  local text = table.concat(out)
  if file.size > 0 and file.size + #text > self.longest then self:rotate(name, file) end
  if not file.handle then return end
  local ok, reason = file.handle:write(text)
  ok = ok and file.handle:flush()
  file.size = file.size + #text
  if not ok and not file.told then
    file.told = true
    self.on_failure(("the output of '%s' cannot be written: %s"):format(name, reason or "the disk is full"))
  end
end

function LogFiles:close()
  for _, file in pairs(self.files) do
    if file.handle then file.handle:close() end
  end
  self.files = {}
end

return log_files
