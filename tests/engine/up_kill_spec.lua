-- SPDX-License-Identifier: Apache-2.0
--
--- The death of `gantry up` at every step: no plugin is lost, none is there twice, and nothing is made up.

local support = require "engine.support"
local supervision = require "engine.supervision"
local task = require "gantry.task"

describe("after kill -9 of gantry up", function()
  local place

  before_each(function() place = supervision.place() end)
  after_each(function() task.run(place.close, place) end)

  local function test(name, fn)
    it(name, function() task.run(fn) end)
  end

  ---One live generation, on the engine as in what the supervisor says.
  local function check_one()
    local one = place:await_state("kv", "ready")
    local containers = place:await_containers(1)
    assert.are.equal(one.container, containers[1].id)
    return one
  end

  local function kill(up)
    up:kill "KILL"
    assert.are.equal(9, up:wait().signal)
  end

  -- From the decision to start to the state that says it is ready.
  local LAUNCH <const> = { "begin", "find_image", "check_runtime", "open_directory", "remove_leftovers", "create",
    "attach", "start", "await_handshake", "connect", "publish", "keep", "look_again", "ready", "saved" }

  ---@param ... string steps before a launch
  ---@return string[]
  local function before_launch(...)
    local steps = { ... }
    return table.move(LAUNCH, 1, #LAUNCH, #steps + 1, steps)
  end

  it("walks all steps of a launch", function()
    local walked = {}
    for _, step in ipairs(LAUNCH) do walked[step] = true end
    local text = support.read(support.source .. "/lua/gantry/plugin/launch.lua")
    for step in text:match("\nlocal STEPS.-\n}\n"):gmatch '{ "([%l_]+)", ' do
      assert.is_true(walked[step], step .. " is not walked")
    end
  end)

  for _, step in ipairs(LAUNCH) do
    test("at the step " .. step .. " of a launch", function()
      place:policy "kv"
      local dying = support.command({ "up", place.policies }, place:options("kv:" .. step))
      assert.are.equal(9, dying:wait().signal, dying.stderr)
      place:up()
      local one = check_one()
      assert.are.equal(0, one.restarts)
      if step == "saved" then assert.are.equal(1, one.generation) end
    end)
  end

  ---Has a plugin run under a supervisor that will die at a step of its next restart.
  ---@return support.Command dying, table one
  local function run_until(step)
    place:policy "kv"
    local up = place:up()
    place:await_state("kv", "ready")
    kill(up)
    local dying = place:up("kv:" .. step)
    return dying, check_one()
  end

  for _, step in ipairs(before_launch("stopping", "ended", "decided")) do
    test("at the step " .. step .. " of a restart by hand", function()
      local dying = run_until(step)
      place:run("restart", "kv")
      assert.are.equal(9, dying:wait().signal, dying.stderr)
      place:up()
      local one = check_one()
      assert.are.equal(0, one.restarts)
    end)
  end

  for _, step in ipairs(before_launch("ended", "decided")) do
    test("at the step " .. step .. " of a restart after a crash", function()
      local dying, before = run_until(step)
      assert(support.engine():kill(before.container, "KILL"))
      assert.are.equal(9, dying:wait().signal, dying.stderr)
      place:up()
      local one = check_one()
      assert.are.equal(1, one.restarts)
      assert.are.same({ "signal", "KILL", 1 }, { one.last_exit.cause, one.last_exit.signal, one.last_exit.generation })
      local why = place:run("why", "kv").stdout
      assert.are.equal(1, select(2, why:gsub("exit      killed by SIGKILL", "")), why)
    end)
  end

  test("a running plugin is taken over, also with AutoMTLS, and still does its work", function()
    place:policy("kv", "auto_mtls = true, health = { period = '200ms' }")
    local up = place:up()
    local before = place:await_state("kv", "ready")
    kill(up)
    assert.are.equal(1, #place:containers())
    place:up()
    local after = check_one()
    assert.are.equal(before.container, after.container)
    assert.are.same({ 1, 0 }, { after.generation, after.restarts })
    assert.matches("adopt     generation 1, container " .. before.container:sub(1, 12), place:run("why", "kv").stdout)
    assert.matches("start     generation 1\n", place:run("why", "kv").stdout)
    assert.are.equal("kv: stopped: asked for\n", place:run("stop", "kv").stdout)
    assert.matches("exit      exit code 0, ", place:run("why", "kv").stdout) -- by Shutdown, over the connection
    assert.are.same({}, place:containers())
  end)

  test("a plugin that was stopped by hand stays stopped, and a crash counter goes on", function()
    place:policy "kv"
    place:policy("crash", "args = { '-exit-after', '100ms', '-exit-code', '5' }, restart = function(exit, history)\n"
      .. "history.state.seen = (history.state.seen or 0) + 1\n"
      .. "return 'restart', { after = '300ms', reason = 'seen ' .. history.state.seen } end")
    local up = place:up()
    place:await_state("kv", "ready")
    place:run("stop", "kv")
    place:await_why("crash", "seen 3")
    local count = place:plugin("crash").restarts
    kill(up)
    place:up()
    assert.are.equal("stopped", place:await_state("kv", "stopped").state)
    place:await_why("crash", "seen 5")
    assert.is_true(place:plugin("crash").restarts >= count)
    assert.is_nil(place:run("why", "crash").stdout:find("seen 1'.*seen 1'"))
  end)

  test("an end that nobody watched is known by its code, or said to be unknown", function()
    place:policy("kv", "restart = 'never', init = false") -- an init does not hand a SIGSEGV on
    place:policy("gone", "restart = 'never'")
    local up = place:up()
    local kv, gone = place:await_state("kv", "ready"), place:await_state("gone", "ready")
    kill(up)
    local engine = support.engine()
    assert(engine:kill(kv.container, "SEGV"))
    assert(engine:wait(kv.container))
    assert(engine:remove(gone.container))
    place:up()
    kv, gone = place:await_state("kv", "ended"), place:await_state("gone", "ended")
    assert.are.equal("lost", gone.last_exit.cause)
    assert.is_nil(gone.last_exit.code)
    assert.is_truthy(kv.last_exit.code == 2 or kv.last_exit.code == 139, kv.last_exit.code) -- Go's runtime catches it
    assert.are.same({}, place:containers())
  end)

  test("state files that are broken, foreign or gone are set aside, and the plugin is adopted all the same", function()
    place:policy("kv", "auto_mtls = true")
    for _, content in ipairs { "{ \"version\": 1, \"na", "[]", "{\"version\":99}", false } do
      local up = place:up()
      local before = place:await_state("kv", "ready")
      kill(up)
      local path = place.root .. "/state/up/kv.json"
      if content then support.write(path, content) else os.remove(path) end
      up = place:up()
      local after = check_one()
      assert.are.equal(before.container, after.container)
      place:run("down")
      up:wait()
    end
    local aside = 0 -- of three, each once
    for _, entry in ipairs(support.entries(place.root .. "/state/up")) do
      if entry:find "^kv%.json%.bad%-" then aside = aside + 1 end
    end
    assert.are.equal(3, aside)
  end)

  test("what no policy speaks of any more is removed; what a broken policy may mean is not", function()
    place:policy "kv"
    place:policy "old"
    local up = place:up()
    place:await_state("kv", "ready")
    local old = place:await_state("old", "ready")
    kill(up)
    os.remove(place.policies .. "/kv.lua")
    support.write(place.policies .. "/old.lua", "return {")
    up = place:up()
    up:await("stderr", "plugin 'kv', which has no policy any more")
    up:await("stderr", "plugin 'old' is left as it is until its policy can be read")
    place:await_containers(1)
    place:policy "old"
    assert.are.equal(old.container, place:await_state("old", "ready").container)
  end)

  test("a state directory that cannot be written stops nothing", function()
    place:policy "kv"
    -- Root may write anywhere: a folder where the new file goes stops it as well.
    assert(os.execute("mkdir -p " .. place.root .. "/state/up/kv.json.new"))
    local up = place:up()
    up:await("stderr", "the state cannot be kept")
    local before = check_one()
    kill(up)
    place:up()
    assert.are.equal(before.container, check_one().container)
  end)

  for _, name in ipairs { "TERM", "INT" } do
    test("or SIG" .. name .. ", plugins run on", function()
      place:policy "kv"
      local up = place:up()
      local before = place:await_state("kv", "ready")
      up:kill(name)
      assert.are.equal(0, up:wait().code)
      place:up()
      assert.are.equal(before.container, check_one().container)
    end)
  end
end)
