-- SPDX-License-Identifier: Apache-2.0
--
--- `gantry top` in a terminal, driven by keys, with plugins on a real engine.

local supervision = require "engine.supervision"
local support = require "engine.support"
local task = require "gantry.task"
local terminal = require "engine.terminal"

local HOSTILE <const> = "<b>\u{202e}gnp.exe"
local RESTARTS <const> = "memory = '64MiB', restart = require('gantry.restart').always(),"

describe("gantry top", function()
  local place, screen

  before_each(function() place = supervision.place() end)

  after_each(function()
    if screen then screen:close() end
    screen = nil
    task.run(place.close, place)
  end)

  ---@param options { arguments: string?, columns: integer?, rows: integer?, command: string? }?
  ---@param environment table<string, string>?
  local function open(options, environment)
    options = options or {}
    local all = { GANTRY_RUNTIME_DIR = place.runtime_dir, GANTRY_STATE_DIR = place.root .. "/state", LC_ALL = "C.UTF-8",
      TERM = "screen", PS1 = "ready> " }
    for name, value in pairs(environment or {}) do all[name] = value end
    screen = terminal.open(options.command or support.executable .. " top " .. (options.arguments or ""), all,
      options.columns or 80, options.rows or 24)
  end

  ---@param name string
  ---@param lines string?
  local function ready(name, lines)
    place:policy(name, lines or RESTARTS)
    place:up()
    place:await_state(name, "ready")
  end

  ---The row of a plugin in the table.
  local function row(name)
    return ("\n" .. screen:screen()):match("\n(" .. name:gsub("%-", "%%-") .. " [^\n]*)")
  end

  local function is_restored()
    assert.are.equal("0 1", screen:ask "#{alternate_on} #{cursor_flag}")
    local modes = screen:modes()
    for _, mode in ipairs { " icanon", " echo ", " isig", " ixon" } do
      assert.is_truthy(modes:find(mode, 1, true), modes)
    end
  end

  local function test(name, fn)
    it(name, function() task.run(fn) end)
  end

  test("shows a plugin, its end and the next generation as they come, and does what it is told", function()
    ready "kv"
    place:policy("other", RESTARTS)
    place:run "reload"
    place:await_state("other", "ready")
    open()
    screen:shows "2 plugins: 2 ready"
    screen:shows "kv: ready, generation 1"
    screen:shows "serving"
    assert.matches("^kv +ready +[%d.]+%a+ +[%d.]+%% .*%d+[%d.]*MiB/64MiB .* 0$", row "kv")
    support.eventually("there are graphs", function() return screen:screen():find "▁" end)
    screen:shows "ready     grpc"

    assert(support.engine():kill(place:plugin("kv").container, "KILL"))
    screen:shows "killed by SIGKILL"
    screen:shows "kv: ready, generation 2"

    screen:press "r"
    screen:shows "Restart kv? Its connections end. y/n"
    screen:press "n"
    screen:shows "not asked to restart"
    screen:press("r", "y")
    screen:shows "restart kv: ready"
    screen:shows "kv: ready, generation 3"
    screen:press "x"
    screen:shows "Stop kv? It stays down until somebody starts it. y/n"
    screen:press "y"
    screen:shows "stop kv: stopped"
    support.eventually("the row says it", function() return row("kv"):find "^kv +stopped" end)
    assert.are.equal("ready", place:plugin("other").state)
    screen:press "s"
    screen:shows "start kv: ready"

    screen:press("Down", "l")
    screen:shows "output of other"
    screen:press "w"
    screen:shows "why of other"
    screen:shows "start     generation 1"
    screen:press("q", "/")
    screen:type "OTH"
    screen:press "Enter"
    screen:shows "filter: OTH (1)"
    assert.is_nil(row "kv")
    screen:press("Escape", "?")
    screen:shows "Ctrl-Z             back to the shell"
    screen:press("q", "q")
    screen:shows("exit code 0", true)
    is_restored()
  end)

  test("follows the size of the terminal, down to 20x5", function()
    ready "kv"
    open { columns = 130, rows = 40 }
    screen:shows "kv: ready"
    assert.matches("LAST EXIT", screen:screen())
    screen:resize(20, 5)
    support.eventually("it is drawn anew", function()
      return screen:screen():find "^1 plugin: 1 ready\nNAME STATE +CPU\nkv   ready +[%d.]+%%\n\nq quit  %? help$"
    end)
    screen:press "l"
    screen:shows "output of kv"
    screen:press("q", "x")
    screen:shows "Stop kv? It stays d…"
    screen:press "n"
    screen:resize(80, 24)
    screen:shows "kv: ready, generation 1 ─"
    screen:press "C-c"
    screen:shows "exit code 0"
    is_restored()
  end)

  test("scrolls through more plugins than there are rows, and sorts them", function()
    -- Nothing of these is started: each waits for one that is not there.
    for i = 1, 120 do place:policy(("plugin-%03d"):format(i), "after = { 'none' },") end
    place:up()
    open { arguments = "--sort name" }
    screen:shows "120 plugins: 120 waiting"
    screen:shows "1/120"
    screen:press "End"
    screen:shows "120/120"
    assert.is_truthy(row "plugin-120")
    assert.is_nil(row "plugin-001")
    screen:shows "plugin-120: waiting"
    screen:press "Home"
    screen:shows "plugin-001: waiting"
    screen:type ">"
    screen:shows "sorted by state"
    screen:press "/"
    screen:type "7"
    screen:shows "filter: 7"
    screen:press("Enter", "q")
    screen:shows("exit code 0", true)
  end)

  test("shows what plugins and policies write as text, whatever that is", function()
    ready("kv", ("args = { '-print-stderr', %q }, restart = function() return 'fail', { reason = %q } end,")
      :format(HOSTILE .. "\27[2J\27]0;title\7", HOSTILE .. "\27[31m\u{9b}7m"))
    open { columns = 120 }
    screen:shows "<b>\\u{202e}gnp.exe\\x1b[2J\\x1b]0;title\\x07"
    assert(support.engine():kill(place:plugin("kv").container, "KILL"))
    screen:shows "<b>\\u{202e}gnp.exe\\x1b[31m\\xc2\\x9b7m"
    assert.are_not.equal("title", screen:ask "#{pane_title}")
    screen:press "q"
    screen:shows("exit code 0", true)
  end)

  for _, kind in ipairs { "xterm", "linux" } do
    test("is drawn on a terminal of kind " .. kind, function()
      ready "kv"
      open(nil, { TERM = kind })
      screen:shows "kv: ready, generation 1"
      assert.is_truthy(row("kv"))
      screen:press("Down", "Up", "q")
      screen:shows "exit code 0"
      is_restored()
    end)
  end

  test("has color but where it must not", function()
    ready "kv"
    open()
    screen:shows "kv: ready"
    assert.matches("\27%[3[0-7]m", screen:screen(true))
    screen:close()
    open(nil, { NO_COLOR = "1" })
    screen:shows "kv: ready"
    local text = screen:screen(true)
    assert.matches("[;%[]7m", text)
    assert.is_nil(text:find "\27%[3[0-7]" or text:find "\27%[9[0-7]")
  end)

  for _, case in ipairs { { "TERM", 0 }, { "HUP", 0 }, { "KILL", 137 }, { "SEGV", 139 } } do
    test(("leaves the terminal as it was after SIG%s"):format(case[1]), function()
      ready "kv"
      open()
      screen:shows "kv: ready"
      assert(os.execute(("kill -%s %d"):format(case[1], terminal.child(screen:pid()))))
      screen:shows(("exit code %d"):format(case[2]), true)
      is_restored()
      assert.are.equal("ready", place:plugin("kv").state)
    end)
  end

  test("ends where what the shell has started is told to", function()
    ready "kv"
    for _, signal in ipairs { "TERM", "INT", "HUP" } do
      open()
      screen:shows "kv: ready"
      assert(os.execute(("kill -%s %d"):format(signal, screen:pid())))
      screen:shows("exit code 0", true)
      is_restored()
      screen:close()
    end
    screen = nil
  end)

  test("says that gantry up is gone, and goes on when it is back", function()
    ready "kv"
    open()
    screen:shows "kv: ready"
    place.ups[1]:kill "TERM"
    place.ups[1]:wait()
    screen:shows "no gantry up is running"
    place:up()
    screen:shows "1 plugin: 1 ready"
    screen:press "r"
    screen:press "y"
    screen:shows "restart kv: ready"
    screen:press "q"
    screen:shows("exit code 0", true)
  end)

  test("says what it needs", function()
    local none = place:run "top"
    assert.are.equal(1, none.code)
    assert.are.equal("gantry: top: standard input and output must be a terminal; `gantry ps --watch` needs no screen\n",
      none.stderr)
    local function refused(kind, code, reason)
      open({ columns = 200 }, { TERM = kind })
      local text = screen:shows(("exit code %d"):format(code), true)
      assert.is_truthy(text:find(reason, 1, true), text)
      screen:close()
    end
    refused("screen", 7, "gantry: no gantry up is running")
    refused("dumb", 1, "gantry: top: TERM is dumb")
    place:up()
    refused("nosuch", 1, "gantry: top: TERM is 'nosuch', a terminal that is not known here")
    screen = nil
  end)
end)
