-- SPDX-License-Identifier: Apache-2.0
--
--- `gantry up` and the verbs that speak to it: what is started, restarted, stopped, and what is said of it.

local json = require "gantry.json"
local support = require "engine.support"
local supervision = require "engine.supervision"
local task = require "gantry.task"

describe("gantry up", function()
  local place

  before_each(function() place = supervision.place() end)
  after_each(function() task.run(place.close, place) end)

  ---Runs a test in a task: what it starts is stopped with it.
  local function test(name, fn)
    it(name, function() task.run(fn) end)
  end

  test("starts, lists, stops, starts, restarts and ends", function()
    place:policy "kv"
    local up = place:up()
    local first = place:await_state("kv", "ready")
    assert.are.same({ 1, 0, "gantry-test-kv:latest" }, { first.generation, first.restarts, first.image })
    assert.are.equal(place.runtime_dir .. "/kv.sock", first.address.string)
    assert.matches("\nkv +ready +%S+ +%d+%.%d%% +%d%S+B +%d+ +0 +gantry%-test%-kv:%S+ +%-\n", place:run("ps").stdout)

    assert.are.equal("kv: stopped: asked for\n", place:run("stop", "kv").stdout)
    assert.are.same({}, place:containers())
    assert.matches("^kv: ready, unix:", place:run("start", "kv").stdout)
    assert.are.equal(0, place:run("restart", "kv").code)
    assert.are.equal(3, place:plugin("kv").generation)
    assert.are.equal(0, place:plugin("kv").restarts)
    place:await_containers(1)

    assert.matches("serving", place:run("logs", "kv").stdout)
    local why = place:run("why", "kv").stdout
    assert.matches("%d%d:%d%d:%d%d  start     generation 1\n", why)
    assert.matches("decision  restart at once: asked for\n", why)

    assert.are.equal("stopped kv\n", place:run("down").stdout)
    assert.are.equal(0, up:wait().code)
    assert.are.same({}, place:containers())
    local none = place:run("ps")
    assert.are.equal(7, none.code)
    assert.matches("no gantry up is running", none.stderr)
  end)

  test("restarts a plugin that crashes, by its policy, and tells why", function()
    place:policy("kv", [[
  name = "kv", args = { "-exit-after", "200ms", "-exit-code", "7" },
  restart = function(exit, history)
    if history.restarts >= 2 then return "fail", { reason = "three times is enough" } end
    return "restart", { after = "150ms", env = { TRY = tostring(history.restarts) }, reason = "once more" }
  end, ]])
    place:up()
    local failed = place:await_state("kv", "failed")
    assert.are.same({ 3, 2 }, { failed.generation, failed.restarts })
    assert.are.same({ "exit", 7 }, { failed.last_exit.cause, failed.last_exit.code })
    local why = place:run("why", "kv").stdout
    assert.matches("exit      exit code 7, up %S+, generation 1\n", why)
    assert.matches("decision  restart after 150ms: policy kv.lua:6 'once more'\n", why)
    assert.matches("start     generation 2, env changed\n", why)
    assert.matches("decision  failed, stay down: policy kv.lua:5 'three times is enough' %(2 restarts in 10m%)\n", why)
    assert.are.same({}, place:containers())
    assert.matches("three times is enough", place:run("ps").stdout)
  end)

  test("does not believe a policy that misbehaves, and serves the others meanwhile", function()
    place:policy("bad", "restart = function() while true do end end, args = { '-exit-after', '200ms' }")
    place:policy "good"
    place:up()
    place:await_state("good", "ready")
    local why = place:await_why("bad", "ran more than")
    assert.matches("restart after [%d.]+ms: .*bad.lua:3: the policy ran more than %d+ instructions; the default holds",
      why)
  end)

  test("tells a real OOM from somebody's kill", function()
    place:policy("victim", "restart = 'never'")
    place:up()
    local victim = place:await_state("victim", "ready")
    assert(support.engine():kill(victim.container, "KILL"))
    victim = place:await_state("victim", "ended")
    assert.are.same({ "signal", "KILL", 137 }, { victim.last_exit.cause, victim.last_exit.signal,
      victim.last_exit.code })
    local hungry, name
    for attempt = 1, 4 do -- a busy engine loses the news of some of them for good
      name = "hungry" .. attempt
      place:policy(name, "memory = '32MiB', args = { '-allocate', '268435456', '-allocate-after', '300ms' },"
        .. " restart = 'never'")
      hungry = place:await_state(name, "ended")
      if hungry.last_exit.cause == "oom" then break end
    end
    assert.are.same({ "oom", 33554432 }, { hungry.last_exit.cause, hungry.last_exit.limit })
    assert.matches("exit      out of memory: engine says OOMKilled, limit 32MiB, up ", place:run("why",
      name).stdout)
  end)

  test("restarts what is unhealthy, and starts in order", function()
    place:policy("db", "args = { '-slow-handshake', '500ms' }")
    place:policy("web", "after = { 'db' }")
    place:policy("lost", "after = { 'nobody' }")
    place:policy("ring1", "after = { 'ring2' }")
    place:policy("ring2", "after = { 'ring1' }")
    local up = place:up()
    place:await_state("web", "ready")
    local order = up.stderr
    assert.is_true(order:find("db: ready", 1, true) < order:find("web: start", 1, true))
    assert.are.equal("waits for nobody (no such policy)", place:plugin("lost").detail)
    assert.matches("dependency cycle: ring1 %-> ring2 %-> ring1", place:await_state("ring1", "failed").detail)
    assert.are.equal("stopped db, lost, ring1, ring2, web\n", place:run("down").stdout)
    up:wait()
    order = up.stderr
    assert.is_true(order:find("web: exit", 1, true) < order:find("db: exit", 1, true), order)
  end)

  test("follows the policies' files", function()
    place:policy "kv"
    local up = place:up()
    local before = place:await_state("kv", "ready")

    place:policy("kv", "memmory = 5,")
    up:await("stderr", "kv: policy: [^\n]*unknown field 'memmory'[^\n]*; the last good one stays in force\n")
    assert.are.equal(before.container, place:plugin("kv").container)

    place:policy("kv", "restart = 'never', health = {}")
    up:await("stderr", "its policy changed, the plugin need not be started anew")
    assert.are.equal(before.container, place:plugin("kv").container)

    place:policy("kv", "restart = 'never', memory = '64MiB'")
    support.eventually("generation 2", function()
      local one = place:plugin "kv"
      return one.generation == 2 and one.state == "ready"
    end)
    assert.are.equal(67108864, place:plugin("kv").memory)

    place:policy("other", "name = 'kv', memory = '128MiB'")
    up:await("stderr", "there is a plugin 'kv' already")
    place:policy "more"
    place:await_state("more", "ready")
    os.remove(place.policies .. "/more.lua")
    support.eventually("more is gone", function() return place:plugin "more" == nil end)
    place:await_containers(1)
  end)

  -- The first file by its name got the plugin's name, so that one added later took a running plugin over.
  test("has one policy of two with one name in force, and keeps to it", function()
    place:policy("b", "name = 'kv', memory = '64MiB'")
    place:policy("c", "name = 'kv', memory = '96MiB'")
    local up = place:up()
    up:await("stderr", "/c.lua: there is a plugin 'kv' already, from [^\n]*/b.lua; give one of them another name\n")
    local before = place:await_state("kv", "ready")
    assert.are.equal(67108864, before.memory)

    place:policy("a", "name = 'kv', memory = '128MiB'")
    up:await("stderr", "/a.lua: there is a plugin 'kv' already, from [^\n]*/b.lua")
    assert.are.same({ before.container, before.policy }, { place:plugin("kv").container, place:plugin("kv").policy })

    os.remove(place.policies .. "/b.lua")
    support.eventually("another has the name", function()
      local one = place:plugin "kv"
      return one and one.state == "ready" and one.memory == 134217728
    end)
    assert.are.equal(2, place:plugin("kv").generation)
    assert.matches("/c.lua: there is a plugin 'kv' already, from [^\n]*/a.lua",
      table.concat(place:ask("reload").findings, "\n"))
    place:await_containers(1)
  end)

  test("forgets a plugin whose policy goes while it is in backoff", function()
    place:policy("kv", "args = { '-exit-now', '3' }, restart = function() return 'restart', { after = '1h' } end")
    place:up()
    local waiting = place:await_state("kv", "backoff")
    assert.is_true(waiting.next_start > 3000)
    assert.are.equal(3, waiting.last_exit.code)
    os.remove(place.policies .. "/kv.lua")
    support.eventually("kv is gone", function() return #place:ask("ps").plugins == 0 end)
    assert.are.same({ ".control", "lock" }, support.entries(place.root .. "/state/up"))
  end)

  test("runs the command of on_exit", function()
    local out = place.root .. "/told"
    place:policy("kv",
      ("args = { '-exit-after', '200ms', '-exit-code', '7' }, restart = 'never', on_exit = { '/bin/sh', "
      .. "'-c', 'echo $GANTRY_NAME $GANTRY_CAUSE $GANTRY_EXIT_CODE $GANTRY_ACTION > %s' }"):format(out))
    place:up()
    place:await_state("kv", "ended")
    support.eventually("the command has run", function()
      local file = io.open(out)
      local text = file and file:read "a"
      if file then file:close() end
      return text == "kv exit 7 stop\n"
    end)
  end)

  test("streams logs and events", function()
    place:policy("kv", "args = { '-print-stderr', 'tick', '-print-every', '100ms' }")
    place:up()
    place:await_state("kv", "ready")
    local logs = support.command({ "logs", "-f", "kv" }, place:options())
    logs:await("stdout", "tick\n.*tick\n.*tick\n")
    local events = support.command({ "events", "--json" }, place:options())
    support.eventually("an event came", function()
      place:run("restart", "kv")
      return events.stdout:find "\n"
    end)
    local event = assert(json.decode(events.stdout:match "^[^\n]+"))
    assert.are.equal("kv", event.plugin)
    for _, command in ipairs { logs, events } do
      command:kill "TERM"
      command:wait()
    end
  end)

  test("speaks to a service manager, and takes its socket", function()
    place:policy "kv"
    local told, control = place.root .. "/notify", place.root .. "/handed.sock"
    -- Who starts services: listens for messages, and hands a listening socket over as descriptor 3.
    local manager = support.write(place.root .. "/manager.py", [[
import os, socket, sys, time
told, control, *command = sys.argv[1:]
notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notify.bind(told)
listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
listening.bind(control)
listening.listen(8)
child = os.fork()
if child == 0:
    os.dup2(listening.fileno(), 3)
    os.set_inheritable(3, True)
    os.environ.update(NOTIFY_SOCKET=told, WATCHDOG_USEC="400000", LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
    os.execv(command[0], command)
seen = ""
while not ("READY=1" in seen and seen.count("WATCHDOG=1") > 2 and "STATUS=1 ready" in seen):
    seen += notify.recv(4096).decode() + "\n"
print("all was told", flush=True)
os.waitpid(child, 0)
]])
    local options = place:options()
    options.executable = "/usr/bin/python3"
    local up = support.command({ manager, told, control, support.executable, "up", place.policies }, options)
    up:await("stdout", "all was told")
    local listed = place:run("ps", "--control", control)
    assert.matches("kv +ready", listed.stdout, listed.stderr)
    assert.are.equal("stopped kv\n", place:run("down", "--control", control).stdout)
    assert.are.equal(0, up:wait().code)
  end)

  test("writes the output to files too", function()
    place:policy("kv", "args = { '-print-stderr', 'tick', '-print-every', '100ms' }")
    local up = support.command({ "up", "--log-dir", place.root .. "/logs", "--log-format", "json", place.policies },
      place:options())
    place.ups[1] = up
    up:await("stderr", '"message":"tick"')
    support.eventually("the file has the line", function()
      local file = io.open(place.root .. "/logs/kv.log")
      local text = file and file:read "a"
      if file then file:close() end
      return text and text:find "stderr tick\n"
    end)
    for line in up.stderr:gmatch "([^\n]*)\n" do assert(json.decode(line), line) end
  end)

  test("rests while nothing happens", function()
    for i = 1, 3 do place:policy("kv" .. i, "auto_mtls = true,") end
    local up = place:up()
    for i = 1, 3 do place:await_state("kv" .. i, "ready") end
    local path = ("/proc/%d/status"):format(up.process:pid())
    local function wake_ups() return tonumber(support.read(path):match "\nvoluntary_ctxt_switches:%s+(%d+)") end
    -- What the last questions and starts left to do ends by itself.
    support.eventually("it is not woken for five seconds", function()
      local before = wake_ups()
      task.sleep(5)
      return wake_ups() == before
    end)
  end)

  test("is refused twice, and tells of what it does not know", function()
    place:policy "kv"
    place:up()
    local second = place:run("up", place.policies)
    assert.are.equal(7, second.code)
    assert.matches("another gantry up holds the state directory", second.stderr)
    local unknown = place:run("stop", "kw")
    assert.are.equal(1, unknown.code)
    assert.matches("no plugin 'kw' is supervised; did you mean 'kv'%?", unknown.stderr)
    local missing = place:run("up", place.root .. "/none")
    assert.matches("none", missing.stderr)
    assert.are_not.equal(0, missing.code)
  end)
end)
