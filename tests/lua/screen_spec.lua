-- SPDX-License-Identifier: Apache-2.0
--
--- core.screen at a real terminal, with nothing of gantry on it: what it shows, which keys come, and that the terminal
--- is as it was however its process ends.

local core = require "gantry.core"
local task = require "gantry.task"
local terminal = require "engine.terminal"

-- Shows each key and the size, until q.
local SCRIPT <const> = [[
local screens = require "gantry.core.screen"
assert(screens.guard())
local screen <close>, err = screens.open(arg[1] ~= "plain")
if not screen then
  print(err.code .. ": " .. err.message)
  os.exit(3)
end
assert(select(2, screens.open(true)).code == "SCREEN_BUSY")
local loop = require("gantry.core").loop.new()
local leaving, count, last = false, 0, "none"
local function draw()
  local rows, columns = screen:size()
  screen:erase()
  screen:put(0, 0, columns, "reverse", ("%d rows, %d columns"):format(rows, columns))
  screen:put(1, 0, columns, "error", ("key %d: %s"):format(count, last))
  screen:put(2, 0, 12, "accent", "grün 日本日本日本")
  screen:put(3, 0, 30, "plain", "a\27[2Jb\u{9b}31m\xff\r\n\0c")
  screen:put(4, columns - 3, 1000, "plain", "cut off")
  screen:put(-1, 0, 5, "plain", "above")
  screen:put(5, -1, 5, "plain", "before")
  screen:put(rows, 0, 5, "plain", "below")
  screen:put(rows - 1, 0, columns, "good", "the last row of " .. rows .. ", " .. screen:width "日x")
  screen:show(false)
end
local signals = require("gantry.core").signals.open(loop, { "WINCH", "TSTP" }, function(name)
  if name == "TSTP" then screen:suspend() end
  draw()
end)
local watch
watch = loop:watch(0, "r", function()
  local key, ended
  repeat
    key, ended = screen:key()
    if key then count, last = count + 1, key end
    if key == "q" or ended then leaving = true end
    if key == "!" then error "a fault" end
  until not key
  draw()
end)
draw()
while not leaving do loop:step() end
screen:close()
print("left after " .. last)
]]

-- A terminal from which nobody reads: keys are typed, and what they draw waits for it.
local STUCK <const> = [[
import os, pty, signal, sys, time
pid, fd = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
os.read(fd, 1)
os.set_blocking(fd, False)
until = time.monotonic() + 5
while time.monotonic() < until:
    try:
        os.write(fd, b"x" * 64)
    except BlockingIOError:
        pass
    time.sleep(0.002)
began = time.monotonic()
os.kill(pid, signal.SIGTERM)
status = os.waitpid(pid, 0)[1]
print(os.waitstatus_to_exitcode(status), time.monotonic() - began < 30)
]]

describe("a screen", function()
  local folder, screen

  before_each(function()
    folder = ("%s/gantry-test-%s"):format(os.getenv "TMPDIR" or "/tmp", core.system.random(6))
    assert(core.files.make_directory(folder))
    assert(core.files.replace(folder .. "/screen.lua", SCRIPT))
  end)

  after_each(function()
    if screen then screen:close() end
    screen = nil
    assert(os.execute("rm -r " .. folder))
  end)

  ---@param arguments string?
  ---@param environment table<string, string>?
  ---@param command string?
  local function open(arguments, environment, command)
    local all = { LUA_CPATH = os.getenv "LUA_CPATH", LUA_PATH = os.getenv "LUA_PATH", LC_ALL = "C.UTF-8",
      TERM = "screen", LD_PRELOAD = os.getenv "LD_PRELOAD" or "", ASAN_OPTIONS = "detect_leaks=0" }
    for name, value in pairs(environment or {}) do all[name] = value end
    screen = terminal.open(command or ("lua5.4 %s/screen.lua %s"):format(folder, arguments or "colored"), all, 40, 10)
  end

  ---The terminal is as the shell needs it: its own screen, a cursor, and lines that are echoed.
  local function is_restored()
    assert.are.equal("0 1", screen:ask "#{alternate_on} #{cursor_flag}")
    local modes = screen:modes()
    for _, mode in ipairs { " icanon", " echo ", " isig", " ixon", " icrnl", " onlcr" } do
      assert.is_truthy(modes:find(mode, 1, true), modes)
    end
  end

  it("shows cells, whatever is put there, and gives the terminal back", function()
    open()
    local text = screen:shows "the last row of 10, 3"
    assert.are.equal("10 rows, 40 columns", text:match "^[^\n]*")
    assert.matches("\ngrün 日本日…\na%?%[2Jb%?31m%?%?%?%?c\n +cu…\n\n", text)
    assert.is_nil(text:find "above")
    assert.is_nil(text:find "before")
    assert.is_nil(text:find "below")
    assert.are.equal("1 0", screen:ask "#{alternate_on} #{cursor_flag}")
    screen:press "q"
    screen:shows("left after q\nexit code 0", true)
    is_restored()
  end)

  it("names keys", function()
    open()
    screen:shows "key 0: none"
    local count = 0
    for _, key in ipairs { { "Up", "up" }, { "Down", "down" }, { "PageUp", "page_up" }, { "PageDown", "page_down" },
      { "Home", "home" }, { "End", "end" }, { "BSpace", "backspace" }, { "Enter", "enter" }, { "Escape", "escape" },
      { "Tab", "tab" }, { "C-l", "ctrl-l" }, { "C-s", "ctrl-s" }, { "x", "x" }, { "ü", "ü" }, { "€", "€" },
      { "F1", "f1" }, { "Delete", "delete" } } do
      count = count + 1
      screen:press(key[1])
      screen:shows(("key %d: %s\n"):format(count, key[2]))
    end
  end)

  it("follows the size of the terminal", function()
    open()
    screen:shows "10 rows, 40 columns"
    for _, size in ipairs { { 70, 20 }, { 20, 5 }, { 1, 1 }, { 80, 24 } } do
      screen:resize(size[1], size[2])
      if size[1] > 1 then screen:shows(("%d rows, %d"):format(size[2], size[1])) end
    end
    screen:shows "the last row of 24"
    screen:press "q"
    screen:shows("exit code 0", true)
    is_restored()
  end)

  for _, kind in ipairs { "xterm", "screen", "linux", "vt100", "xterm-256color", "tmux" } do
    it("is drawn on a terminal of kind " .. kind, function()
      open("colored", { TERM = kind })
      screen:shows "the last row of 10"
      screen:press("Up", "q")
      screen:shows "exit code 0"
      is_restored()
    end)
  end

  it("says of which terminals it knows nothing", function()
    for kind, reason in pairs { nosuch = "'nosuch', a terminal that is not known here; install ncurses-term",
      dumb = "'dumb', a terminal that no screen can be drawn on", unknown = "'unknown', a terminal",
      [""] = "TERM is not set" } do
      open("colored", { TERM = kind })
      local text = screen:shows("exit code 3", true):gsub("%s", "")
      assert.is_truthy(text:find(reason:gsub(" ", ""), 1, true), text)
      is_restored()
      screen:close()
    end
    screen = nil
  end)

  it("has color where it may, and else what stands out without", function()
    open()
    screen:shows "key 0"
    assert.matches("\27%[31m[^k]*key", screen:screen(true))
    screen:close()
    open "plain"
    screen:shows "key 0"
    local text = screen:screen(true)
    assert.matches("1m[^k]*key", text)
    assert.is_nil(text:find "\27%[3[0-7]", text)
  end)

  it("shows ASCII where the locale has no more, and UTF-8 where it is named but not installed", function()
    open("colored", { LC_ALL = "C" })
    screen:shows "gr?n ??????\n"
    screen:close()
    open("colored", { LC_ALL = "xx_YY.UTF-8" })
    screen:shows "grün 日本日…"
  end)

  for _, case in ipairs { { "KILL", 137 }, { "ABRT", 134 }, { "QUIT", 131 }, { "TERM", 143 }, { "HUP", 129 } } do
    it(("leaves the terminal as it was when it dies of SIG%s"):format(case[1]), function()
      open()
      screen:shows "the last row of 10"
      assert(os.execute(("kill -%s %d"):format(case[1], terminal.child(screen:pid()))))
      screen:shows(("exit code %d"):format(case[2]), true)
      is_restored()
    end)
  end

  it("leaves the terminal as it was after a fault", function()
    open()
    screen:shows "the last row of 10"
    screen:press "!"
    local text = screen:shows("exit code 1", true)
    assert.matches("stack traceback", text)
    is_restored()
  end)

  it("ends where its guard is killed", function()
    open()
    screen:shows "the last row of 10"
    local guard = screen:pid()
    local child = terminal.child(guard)
    assert(os.execute("kill -9 " .. guard))
    local ended = task.deadline(30, function()
      while os.execute(("kill -0 %d 2>/dev/null"):format(child)) do task.sleep(0.02) end
      return true
    end)
    assert.is_true(ended)
  end)

  it("ends when it is told to though the terminal takes nothing", function()
    assert(core.files.replace(folder .. "/stuck.py", STUCK))
    local pipe <close> = assert(io.popen(("TERM=screen timeout 100 python3 %s/stuck.py lua5.4 %s/screen.lua colored")
      :format(folder, folder)))
    assert.matches("^%-%d+ True\n$", pipe:read "a") -- killed, by whom depends on what it waits for
  end)

  it("goes to the background with Ctrl-Z and comes back with fg", function()
    open(nil, { PS1 = "ready> " }, "bash --norc --noprofile -i")
    screen:shows("ready>", true)
    screen:enter(("lua5.4 %s/screen.lua colored"):format(folder))
    screen:shows "the last row of 10"
    for _ = 1, 2 do
      screen:press "C-z"
      screen:shows "Stopped"
      assert.are.equal("0 1", screen:ask "#{alternate_on} #{cursor_flag}")
      screen:enter "clear; bg; echo $((40 + 2))"
      screen:shows "42"
      screen:enter "fg"
      screen:shows "the last row of 10"
    end
    screen:press "q"
    screen:shows "left after q"
    assert.are.equal("0 1", screen:ask "#{alternate_on} #{cursor_flag}")
  end)
end)
