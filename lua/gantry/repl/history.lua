-- SPDX-License-Identifier: Apache-2.0
--
--- repl/history.lua: what was typed in earlier sessions. One entry a line, with the newlines within one escaped.
--- Several sessions may add at the same time.

local core = require "gantry.core"

local history = {}

-- The file is cut to KEPT entries when it has more than LONGEST.
local KEPT <const>, LONGEST <const> = 1000, 2000

---@class gantry.History
---@field path string
---@field last string? the latest entry
local History = {}
History.__index = History

---$XDG_STATE_HOME/gantry/history, else ~/.local/state/gantry/history.
---@param environment table<string, string>
---@return string? path nil without a home
function history.path(environment)
  local state = environment.XDG_STATE_HOME
  if (state or "") ~= "" then return state .. "/gantry/history" end
  if (environment.HOME or "") == "" then return nil end
  return environment.HOME .. "/.local/state/gantry/history"
end

local ESCAPED, PLAIN = { ["\n"] = "\\n", ["\\"] = "\\\\" }, { n = "\n", ["\\"] = "\\" }

local function encode(text) return (text:gsub("[\n\\]", ESCAPED)) end
local function decode(line) return (line:gsub("\\(.)", PLAIN)) end

---Opens the file, which is made where it is missing. Where that fails, the session does without.
---@param path string?
---@return gantry.History history
---@return string[] entries the latest last
function history.open(path)
  local self, lines = setmetatable({ path = path }, History), {}
  if not path then return self, lines end
  local file = io.open(path, "r")
  if file then
    for line in file:lines() do lines[#lines + 1] = line end
    file:close()
  end
  if not file or #lines > LONGEST then
    lines = table.move(lines, math.max(1, #lines - KEPT + 1), #lines, 1, {})
    local made = core.files.make_directory(path:match("^(.*)/"), tonumber("700", 8))
    local content = #lines > 0 and table.concat(lines, "\n") .. "\n" or ""
    if not made or not core.files.replace(path, content, tonumber("600", 8)) then self.path = nil end
  end
  for index, line in ipairs(lines) do lines[index] = decode(line) end
  self.last = lines[#lines]
  return self, lines
end

---Adds an entry, unless it is the one before, or begins with a blank.
---@param text string
---@return boolean added
function History:add(text)
  if text == self.last or text:find("^%s") or text == "" then return false end
  self.last = text
  local file = self.path and io.open(self.path, "a")
  if file then
    file:write(encode(text), "\n")
    file:close()
  end
  return true
end

return history
