-- SPDX-License-Identifier: Apache-2.0
--
--- `gantry repl`: at a terminal, key by key; from a file; as one chunk of the command line; and killed.

local core = require "gantry.core"
local support = require "engine.support"
local task = require "gantry.task"
local terminal = require "engine.terminal"

local function policy(root, name, lines)
  return support.write(root .. "/" .. name .. ".lua", support.policy_text(lines or ""))
end

describe("gantry repl at a terminal", function()
  local root, screen, kv

  before_each(function()
    root = support.temporary()
    kv = policy(root, "kv")
    screen = terminal.open(support.executable .. " repl", { GANTRY_RUNTIME_DIR = root .. "/run", NO_COLOR = "1",
      XDG_STATE_HOME = root .. "/state", INPUTRC = "/dev/null", HOME = root })
    assert(os.execute("mkdir -m 700 " .. root .. "/run"))
    screen:shows("help() for help\n>", true)
  end)

  after_each(function()
    screen:close()
    -- What a terminal that is closed left to be stopped, or a guardian to be taken away.
    task.deadline(60, function()
      while #support.containers(root) > 0 or #support.entries(root .. "/run") > 0 do task.sleep(0.05) end
    end)
    assert.are.same({}, support.containers(root))
    assert.are.same({}, support.entries(root .. "/run"))
    support.remove(root)
  end)

  ---Launches, and waits until nothing more of the plugin's log comes.
  local function launch(name)
    screen:enter(("%s = launch %q"):format(name, kv))
    screen:enter(("%s.state, 'of %s'"):format(name, name))
    local shown = screen:shows(('"ready"\n"of %s"'):format(name))
    local _, logged = shown:gsub("plugin address:", "")
    if logged == 0 then screen:shows "plugin address:" end
  end

  local function leave()
    screen:press "C-d"
    screen:shows("exit code 0", true)
  end

  it("says which engine and which Lua, shows values, and leaves with Ctrl-D", function()
    local top = screen:screen()
    assert.is_truthy(top:find("^gantry [%d.]+ · %a+ [%d.]+[%a ,]* %([^)]*runc.*%) · Lua 5%.4%.%d+ · help%(%)"), top)
    screen:enter "1 + 1, { list = { 1, 2 }, text = 'a\\nb' }"
    screen:shows('2\n{ list = { 1, 2 }, text = "a\\nb" }\n>', true)
    screen:enter "x = 41"
    screen:enter "x + 1"
    screen:shows("\n42\n>", true)
    screen:enter "_"
    screen:shows("> _\n42\n>", true)
    leave()
  end)

  it("launches, calls, tells of a death, and stops what is left", function()
    launch "p"
    screen:enter "p"
    screen:shows("plugin kv  ready  ")
    screen:enter 'p.rpc.KV:Put { key = "greeting", value = "hello" }'
    screen:enter 'p.rpc.KV:Get { key = "greeting" }'
    screen:shows('{ value = "hello" }\n>', true)
    screen:enter 'p:call("KV/Gett", {})'
    screen:shows("did you mean 'Get'?")
    screen:enter 'p:kill "KILL"; p:wait().cause'
    screen:shows '"signal"'
    screen:shows "kv: ended (killed by SIGKILL"
    launch "q"
    screen:press "C-d"
    screen:shows "stopping kv"
    screen:shows("exit code 0", true)
  end)

  it("prints what happens meanwhile above the line that is typed", function()
    screen:enter 'task.spawn(function() task.sleep(1) print("from a task") error("and its error") end)'
    screen:shows("task (running)\n>", true)
    screen:type "1 + "
    local shown = screen:shows "from a task\nrepl:1: and its error\n> 1 +"
    assert.is_nil(shown:find("1 +%s*from a task"))
    screen:enter "41"
    screen:shows("> 1 + 41\n42\n>", true)
    leave()
  end)

  it("takes several lines as one chunk, and gives them back from its history, also in the next session", function()
    screen:enter "for number = 1, 2 do"
    screen:shows(">>", true)
    screen:enter "print('number', number)"
    screen:enter "end"
    screen:shows("2\n>", true)
    screen:enter "'second'"
    screen:shows('"second"\n>', true)
    leave()
    screen:close()

    screen = terminal.open(support.executable .. " repl", { GANTRY_RUNTIME_DIR = root .. "/run", NO_COLOR = "1",
      XDG_STATE_HOME = root .. "/state", INPUTRC = "/dev/null", HOME = root })
    screen:shows("help() for help\n>", true)
    screen:press "Up"
    screen:shows("> 'second'", true)
    screen:press "Up"
    screen:shows("> for number = 1, 2 do\nprint('number', number)\nend", true)
    screen:press "Enter"
    screen:shows("2\n>", true)
    leave()
    local mode = assert(io.popen("stat -c %a " .. root .. "/state/gantry/history")):read("l")
    assert.are.equal("600", mode)
  end)

  for _, word in ipairs { "exit", "quit()" } do
    it(("is left by %s, which stops what was launched, and suggests names"):format(word), function()
      launch "p"
      screen:enter "lanch"
      screen:shows("nil\ndid you mean 'launch'?\n>", true)
      screen:enter "p:cal()"
      screen:shows("did you mean 'call'?\n>", true)
      screen:enter(word)
      screen:shows "stopping kv"
      screen:shows("exit code 0", true)
    end)
  end

  it("completes globals, fields, methods, services, messages, fields of policies, files", function()
    screen:type "simu"
    screen:press "Tab"
    screen:shows("> simulate", true)
    screen:press "C-u"
    screen:type(("p = launch %q"):format(kv):sub(1, -6))
    screen:press "Tab"
    screen:type '"'
    screen:press "Enter"
    screen:enter "p.state"
    screen:shows '"ready"'
    screen:shows "plugin address:"
    screen:type "p:serv"
    screen:press "Tab"
    screen:shows("> p:services", true)
    screen:press "C-u"
    screen:type "p.rpc.K"
    screen:press "Tab"
    screen:shows("> p.rpc.KV", true)
    screen:type ":"
    screen:press "Tab"
    screen:shows("Get  Put\n> p.rpc.KV:", true)
    screen:type "P"
    screen:press "Tab"
    screen:type "{ v"
    screen:press "Tab"
    screen:shows("> p.rpc.KV:Put{ value =", true)
    screen:press "C-u"
    screen:type 'p:call("proto.KV/P'
    screen:press "Tab"
    screen:shows('> p:call("proto.KV/Put', true)
    screen:press "C-u"
    screen:type "plan { pids"
    screen:press "Tab"
    screen:shows("> plan { pids_limit =", true)
    screen:press "C-u"
    leave()
  end)

  it("drops the line at Ctrl-C, and ends what runs or waits", function()
    screen:type "half a line"
    screen:shows("> half a line", true) -- what is not read yet is dropped by the terminal itself
    screen:press "C-c"
    screen:shows("> half a line^C\n>", true)
    screen:enter "print 'it waits' task.sleep(600)"
    screen:shows("\nit waits", true)
    screen:press "C-c"
    screen:shows("interrupted\n>", true)
    screen:enter "print 'it loops' while true do end"
    screen:shows("\nit loops", true)
    screen:press "C-c"
    screen:shows("interrupted\n>", true)
    screen:enter "'still here'"
    screen:shows('"still here"\n>', true)
    leave()
  end)

  it("shows errors as one line", function()
    screen:enter "nothing.here"
    screen:shows("> nothing.here\nrepl:1: attempt to index a nil value (global 'nothing')\n>", true)
    screen:enter "x ="
    screen:shows(">>", true)
    screen:press "C-c"
    screen:enter "= )"
    screen:shows "unexpected symbol near ')'"
    screen:enter "launch { image = 'no-such-image-here', memmory = 1 }"
    screen:shows "unknown field 'memmory'; did you mean 'memory'?"
    screen:enter "error({ made = 'by hand' })"
    screen:shows('error: { made = "by hand" }\n>', true)
    leave()
  end)

  it("helps from doc comments and the schema", function()
    screen:enter "help(launch)"
    screen:shows "launch(policy, options)\n  Launches a plugin of this session"
    screen:enter 'help "memory"'
    screen:shows 'Limit of memory; none where left out.\n  memory = "256MiB"'
    screen:enter 'help "memmory"'
    screen:shows "there is 'memory'"
    leave()
  end)

  it("takes its plugins along when it is killed, in whatever moment", function()
    launch "p"
    assert.are.equal(1, #support.containers(root))
    assert(os.execute("kill -9 " .. screen:pid()))
    screen:shows("exit code 137", true)
    task.deadline(60, function()
      while #support.containers(root) > 0 or #support.entries(root .. "/run") > 0 do task.sleep(0.05) end
    end)
    assert.are.same({}, support.containers(root))
  end)

  it("stops its plugins when the terminal is closed", function()
    launch "p"
    screen:close() -- after_each sees them go
  end)
end)

describe("gantry repl without a terminal", function()
  local root, kv

  before_each(function()
    root = support.temporary()
    kv = policy(root, "kv")
  end)

  after_each(function()
    assert.are.same({}, support.containers(root))
    support.remove(root)
  end)

  local function run(...)
    return support.run({ ... }, { runtime_dir = root })
  end

  it("runs a chunk of the command line", function()
    local done = run("-e", ("p = launch %q; print(p:services()['proto.KV']); return p.state"):format(kv))
    assert.are.equal('{ "Put", "Get" }\n"ready"\n', done.stdout)
    assert.are.equal(0, done.code)
    assert.is_truthy(done.stderr:find("kv: ended (exit code 0", 1, true), done.stderr)
  end)

  it("launches the policies it is given as globals", function()
    local done = run("repl", kv, "-e", "kv.state, plugins().kv == kv")
    assert.are.equal('"ready"\ntrue\n', done.stdout, done.stderr)
  end)

  it("runs standard input as one chunk, and stops at the first error, with the code of its kind", function()
    local script = support.write(root .. "/script.lua",
      "local a = 20\nprint(a + 1)\nlaunch 'nowhere.lua'\nprint 'no'\n")
    local pipe = assert(io.popen(("GANTRY_RUNTIME_DIR=%s %s repl < %s 2>&1"):format(root, support.executable, script)))
    local output = pipe:read("a")
    local _, _, code = pipe:close()
    assert.are.equal("21\ngantry: nowhere.lua: no such file; name the path of a policy\n", output)
    assert.are.equal(3, code)
  end)

  it("ends where a chunk says exit or quit, with what came before", function()
    for _, text in ipairs { "print(1) exit() print(2)", "print(1); quit", "print(1) pcall(exit)" } do
      local done = run("-e", text)
      assert.are.same({ "1\n", "", 0 }, { done.stdout, done.stderr, done.code }, text)
    end
    assert.are.equal("5\n", run("-e", "exit = 5; exit").stdout)
  end)

  it("suggests the name that was meant", function()
    for text, hint in pairs { ["lanch 'x'"] = "(global 'lanch'); did you mean 'launch'?",
      ["gantry.verion()"] = "(field 'verion'); did you mean 'version'?", ["task.spwn()"] = "did you mean 'spawn'?",
      ["local t = {} t.x.y = 1"] = "(field 'x')\n", ["gantry:plans()"] = "(method 'plans'); did you mean 'plan'?" } do
      local done = run("-e", text)
      assert.is_truthy(done.stderr:find(hint, 1, true), done.stderr)
    end
  end)

  it("names the line of an error and ends with 1", function()
    local done = run("-e", "local x\nx.y = 1")
    assert.are.equal("gantry: -e:2: attempt to index a nil value (local 'x')\n", done.stderr)
    assert.are.equal(1, done.code)
  end)

  for name, code in pairs { INT = 130, TERM = 143 } do
    it("stops its plugins at SIG" .. name, function()
      task.run(function()
        local command = support.command({ "-e", ("p = launch %q; print 'ready'; io.stdout:flush(); p:wait()")
          :format(kv) }, { runtime_dir = root })
        command:await("stdout", "ready")
        command:kill(name)
        assert.are.equal(code, command:wait().code)
      end)
    end)
  end

  it("takes its plugins along when it is killed", function()
    task.run(function()
      local command = support.command({ "-e", ("p = launch %q; print 'ready'; io.stdout:flush(); p:wait()")
        :format(kv) }, { runtime_dir = root })
      command:await("stdout", "ready")
      command:kill "KILL"
      command:wait()
      task.deadline(60, function()
        while #support.containers(root) > 0 or core.system.stat(root .. "/kv") do task.sleep(0.05) end
      end)
      assert.are.same({}, support.containers(root))
    end)
  end)
end)
