-- SPDX-License-Identifier: Apache-2.0
--
--- terminal.lua: a program in a terminal of tmux's, driven key by key. The server is the test's own.

local core = require "gantry.core"
local task = require "gantry.task"

local terminal = {}

-- Seconds until the screen must show what is waited for.
local TIMEOUT <const> = 60

---@class support.Terminal
---@field server string name of tmux's server
local Terminal = {}
Terminal.__index = Terminal

local function quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

---@param command string
---@return string output
local function run(command)
  local pipe = assert(io.popen(command .. " 2>&1"))
  local output = pipe:read("a")
  local ok = pipe:close()
  assert(ok, command .. "\n" .. output)
  return output
end

---Starts a program in a terminal. When it has ended, the screen shows `exit code N`.
---@param command string for the shell
---@param environment table<string, string>
---@param columns integer? 100 where left out
---@param rows integer? 50 where left out
---@return support.Terminal
function terminal.open(command, environment, columns, rows)
  local self = setmetatable({ server = "gantry-" .. core.system.random(6) }, Terminal)
  local assignments = {}
  for name, value in pairs(environment) do assignments[#assignments + 1] = name .. "=" .. quote(value) end
  -- The shell is kept by `sleep`, so that the screen can still be read.
  run(("tmux -u -L %s -f /dev/null new-session -d -x %d -y %d %s"):format(self.server, columns or 100, rows or 50,
    quote(("env %s %s; echo exit code $?; sleep 600"):format(table.concat(assignments, " "), command))))
  return self
end

---@param ... string names of keys as tmux has them: "Enter", "Tab", "C-c"
function Terminal:press(...)
  for _, key in ipairs { ... } do run(("tmux -L %s send-keys %s"):format(self.server, key)) end
end

---@param text string
function Terminal:type(text)
  run(("tmux -L %s send-keys -l -- %s"):format(self.server, quote(text)))
end

---Types a line and presses Enter.
function Terminal:enter(text)
  self:type(text)
  self:press "Enter"
end

---@param escapes boolean? with the sequences that color it
---@return string
function Terminal:screen(escapes)
  return (run(("tmux -L %s capture-pane -p%s"):format(self.server, escapes and "e" or "")):gsub("%s+$", ""))
end

---Waits until the screen shows a plain text, at its very end where `at_end` is set.
---@param text string
---@param at_end boolean?
---@return string screen
function Terminal:shows(text, at_end)
  local until_when = core.loop.clock() + TIMEOUT
  while true do
    local screen = self:screen()
    if at_end and screen:sub(-#text) == text or not at_end and screen:find(text, 1, true) then return screen end
    if core.loop.clock() > until_when then
      error(("the screen does not show %q%s:\n%s"):format(text, at_end and " at its end" or "", screen), 2)
    end
    task.sleep(0.02)
  end
end

---@param columns integer
---@param rows integer
function Terminal:resize(columns, rows)
  run(("tmux -L %s resize-window -x %d -y %d"):format(self.server, columns, rows))
end

---@param format string of tmux's: "#{alternate_on}"
---@return string
function Terminal:ask(format)
  return (run(("tmux -L %s display-message -p %s"):format(self.server, quote(format))):gsub("%s+$", ""))
end

---@return string modes as `stty -a` has them
function Terminal:modes()
  return (run(("stty -a -F %s"):format(self:ask "#{pane_tty}")):gsub("%s+", " "))
end

---The first child of a process: by the kernel's word, since pgrep never ends where a sanitizer is loaded first.
---@param pid integer|string
---@return integer pid
function terminal.child(pid)
  local file <close> = assert(io.open(("/proc/%s/task/%s/children"):format(pid, pid)))
  return (assert(file:read "n", "it has no child"))
end

---@return integer pid of the program
function Terminal:pid()
  return terminal.child(self:ask "#{pane_pid}")
end

function Terminal:close()
  os.execute(("tmux -L %s kill-server 2>/dev/null"):format(self.server))
end

return terminal
