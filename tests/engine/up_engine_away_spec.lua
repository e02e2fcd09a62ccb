-- SPDX-License-Identifier: Apache-2.0
--
--- An engine that goes away under `gantry up`, for a moment and for more than a minute: what runs is left alone, what
--- ended meanwhile is decided on, what was asked for meanwhile happens, and the supervisor answers all the time.

local support = require "engine.support"
local supervision = require "engine.supervision"
local task = require "gantry.task"

-- Seconds; longer than a minute's patience with the engine.
local LONG <const> = 65
-- Makes gRPC say on the container's standard error, which only the engine carries, that a client spoke nonsense.
local TELLS <const> = "env = { GRPC_GO_LOG_SEVERITY_LEVEL = 'info' },"

describe("gantry up, while the engine is away,", function()
  local place

  before_each(function() place = supervision.place() end)
  after_each(function() task.run(place.close, place) end)

  local function test(name, fn)
    it(name, function() task.run(fn) end)
  end

  ---@return table command
  local function start_up()
    place:engine_comes()
    return place:up(nil, { "--engine", "unix://" .. place:engine_socket() })
  end

  ---Takes the engine away, and sees that the supervisor knows.
  local function engine_goes()
    place:engine_goes()
    assert.are.equal(5, place:run("reload").code)
  end

  test("waits for one that comes late, and asks its service manager for time", function()
    place:policy "kv"
    local told = place.root .. "/notify"
    local manager = support.command({ "-c", [[
import socket, sys
notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notify.bind(sys.argv[1])
print("listens", flush=True)
while True:
    print(notify.recv(4096).decode(), flush=True)
]], told }, { executable = "/usr/bin/python3" })
    manager:await("stdout", "listens")
    local up = place:start_up(nil, { "--engine", "unix://" .. place:engine_socket() }, nil,
      { "NOTIFY_SOCKET=" .. told })
    up:await("stderr", "waits for an engine: no engine answers")
    manager:await("stdout", "STATUS=waits for an engine: .-\nEXTEND_TIMEOUT_USEC=%d+\n.-EXTEND")
    up:kill "HUP"
    assert.is_nil(manager.stdout:find "READY=1")
    place:engine_comes()
    manager:await("stdout", "READY=1")
    place:await_state("kv", "ready")
    assert.are.equal(0, place:run("down").code)
    assert.are.equal(0, up:wait().code)
    manager:kill "TERM"
    manager:wait()
  end)

  test("ends at a signal while it waits for one", function()
    local up = place:start_up(nil, { "--engine", "unix://" .. place:engine_socket() })
    up:await("stderr", "waits for an engine")
    up:kill "TERM"
    assert.are.same({ code = 0 }, { code = up:wait().code })
  end)

  -- Adopting failed with the engine, and the plugin was taken for unhealthy: the living one was removed for a new one.
  test("adopts what runs once it is back, if it went in the middle of that", function()
    place:policy "kv"
    local up = start_up()
    local before = place:await_state("kv", "ready")
    up:kill "KILL"
    up:wait()
    for _, request in ipairs { "/json", "/attach" } do
      place:engine_goes()
      place:engine_comes(before.container .. request, "die")
      up = place:up(nil, { "--engine", "unix://" .. place:engine_socket() })
      place:await_why("kv", "the engine is away")
      place:engine_goes()
      place:engine_comes()
      local after = place:await_state("kv", "ready")
      assert.are.same({ before.container, 1, 0 }, { after.container, after.generation, after.restarts })
      up:kill "KILL"
      up:wait()
    end
  end)

  ---Has a plugin that tells say a word, and waits until it is in its log.
  local function hear(name, word)
    support.command({ "-s", "--max-time", "20", "--unix-socket", ("%s/%s.sock"):format(place.runtime_dir, name),
      "http://x/" .. word }, { executable = "/usr/bin/curl" }):wait()
    support.eventually(name .. " says " .. word, function()
      return place:run("logs", name).stdout:find("GET /" .. word, 1, true)
    end)
  end

  test("keeps a plugin and sees its end afterwards", function()
    place:policy("kv", "restart = 'never'")
    local up = start_up()
    local before = place:await_state("kv", "ready")
    engine_goes()
    assert.are.equal("ready", place:plugin("kv").state)
    up:kill "HUP"
    up:await("stderr", "\ngantry: warning: the policies cannot be read again: ")
    place:engine_comes()
    place:await_why("kv", "the engine is back")
    assert(support.engine():kill(before.container, "KILL"))
    local exit = place:await_state("kv", "ended").last_exit
    assert.are.same({ "signal", "KILL", 137 }, { exit.cause, exit.signal, exit.code })
  end)

  test("for more than a minute", function()
    place:policy("living", TELLS)
    place:policy "dying"
    place:policy "gone"
    local up = start_up()
    local before = {}
    for _, name in ipairs { "living", "dying", "gone" } do before[name] = place:await_state(name, "ready") end
    hear("living", "before")

    engine_goes()
    local engine = support.engine()
    assert(engine:kill(before.dying.container, "KILL"))
    assert(engine:remove(before.gone.container))
    place:policy "added"
    task.sleep(LONG)
    assert.is_nil(up.exit, up.stderr)
    local during = place:plugin "living"
    assert.are.same({ "ready", 1, before.living.container }, { during.state, during.generation, during.container })
    assert.is_true(during.uptime >= LONG)

    place:engine_comes()
    place:await_why("living", "the engine is back, its output is attached again")
    for _, name in ipairs { "dying", "gone" } do
      support.eventually(name .. " is there again", function()
        local one = place:plugin(name)
        return one.state == "ready" and one.container ~= before[name].container
      end)
    end
    place:await_state("added", "ready")
    hear("living", "after")

    local living, dying, gone = place:plugin "living", place:plugin "dying", place:plugin "gone"
    assert.are.same({ "ready", 1, 0, before.living.container },
      { living.state, living.generation, living.restarts, living.container })
    assert.are.same({ 2, 1, "signal", "KILL", 137 },
      { dying.generation, dying.restarts, dying.last_exit.cause, dying.last_exit.signal, dying.last_exit.code })
    assert.are.same({ 2, 1, "lost" }, { gone.generation, gone.restarts, gone.last_exit.cause })
    assert.is_nil(gone.last_exit.code)
    place:await_containers(4)
    assert.are.equal("stopped added, dying, gone, living\n", place:run("down").stdout)
    assert.are.equal(0, up:wait().code)
    assert.are.same({}, place:containers())
  end)
end)
