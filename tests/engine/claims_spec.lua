-- SPDX-License-Identifier: Apache-2.0
--
--- No verb takes away a plugin that it was not asked about: not what a `gantry up` that is gone left running, not what
--- `debug` keeps, and not what another launch of the same policy has.

local json = require "gantry.json"
local support = require "engine.support"
local supervision = require "engine.supervision"
local task = require "gantry.task"

describe("What is not this launch's", function()
  local place

  before_each(function()
    place = supervision.place()
    place:policy "kv"
  end)

  after_each(function() task.run(place.close, place) end)

  ---A supervisor's plugin that holds a value, whose supervisor was killed.
  local function leave_orphan(...)
    local up = place:up(nil, { ... })
    place:await_state("kv", "ready")
    local put = place:run("call", "kv", "KV/Put", '{"key": "greeting", "value": "aGVsbG8="}')
    assert.are.equal(0, put.code, put.stderr)
    up:kill "KILL"
    up:wait()
  end

  local function assert_untouched()
    local got = place:run("call", "kv", "KV/Get", '{"key": "greeting"}')
    assert.are.equal(0, got.code, got.stderr)
    assert.are.equal("aGVsbG8=", json.decode(got.stdout).value)
  end

  local function assert_refused(result)
    assert.are.equal(7, result.code, result.stdout .. result.stderr)
    for _, words in ipairs { "plugin 'kv' is already running", "a gantry up that is gone left it", "gantry call kv",
      "gantry up " .. place.policies, "gantry down --orphans", "--name" } do
      assert.is_truthy(result.stderr:find(words, 1, true), words .. " in " .. result.stderr)
    end
    assert_untouched()
  end

  local function policy() return place.policies .. "/kv.lua" end

  for _, at in ipairs { "the usual place", "a place of its own" } do
    it("is left running while its supervisor is gone, whose state is in " .. at, function()
      task.run(function()
        leave_orphan(table.unpack(at == "a place of its own" and { "--state", place.root .. "/elsewhere" } or {}))
        assert_refused(place:run("run", policy()))
        assert_refused(place:run("call", "--name", "kv", policy(), "KV/Get"))
        assert_refused(place:run("-e", ("launch(%q)"):format(policy())))
        assert.are.equal(0, place:run("gc", "--all").code)
        assert_untouched()
        assert.are.equal(0, place:run("call", policy(), "KV/Put", '{"key": "other", "value": "YQ=="}').code)
        assert_untouched()
      end)
    end)
  end

  it("is left running by the guardian of a REPL whose launch was refused", function()
    task.run(function()
      leave_orphan()
      local options = place:options()
      options.input = "pipe"
      local guardian = support.command({ "repl-guardian" }, options)
      guardian.process:write(json.line { guard = { root = place.runtime_dir, name = "kv",
        engine = support.engine().endpoint.name } })
      guardian.process:close_input()
      assert.are.equal(0, guardian:wait().code)
      assert_untouched()
    end)
  end)

  it("is taken over again by the next supervisor, though others were tried meanwhile", function()
    task.run(function()
      leave_orphan()
      assert_refused(place:run("run", policy()))
      place:up()
      place:await_state("kv", "ready")
      assert_untouched()
      local refused = place:run("run", policy())
      assert.are.equal(7, refused.code)
      assert.matches("a gantry up keeps it; .*gantry stop kv", refused.stderr)
      assert_untouched()
    end)
  end)

  it("is ended by gantry down --orphans, and started again by the next supervisor", function()
    task.run(function()
      leave_orphan()
      local down = place:run "down"
      assert.are.equal(7, down.code)
      assert.matches("gantry down %-%-orphans", down.stderr)
      local ended = place:run("down", "--orphans")
      assert.are.same({ 0, "stopped kv\n", "" }, { ended.code, ended.stdout, ended.stderr })
      assert.are.same({}, place:containers())
      assert.are.same({}, place:records())
      assert.are.same({ stopped = {} }, place:ask("down", "--orphans"))
      place:up()
      place:await_state("kv", "ready")
      local why = place:run("why", "kv").stdout
      assert.matches("stopped by gantry down %-%-orphans", why)
      assert.is_nil(why:find("lost", 1, true), why)
    end)
  end)

  it("is taken away by gantry down --orphans where it has ended since", function()
    task.run(function()
      leave_orphan()
      local engine, id = support.engine(), place:containers()[1].id
      assert(engine:kill(id, "KILL"))
      support.eventually("it has ended", function() return not engine:inspect(id).state.running end)
      assert.are.equal("", place:run("gc").stdout)
      assert.are.same({ stopped = { "kv" } }, place:ask("down", "--orphans"))
      assert.are.same({}, place:containers())
    end)
  end)

  it("is not ended by gantry down --orphans while its supervisor lives", function()
    task.run(function()
      place:up()
      place:await_state("kv", "ready")
      assert.are.same({ stopped = {} }, place:ask("down", "--orphans"))
      assert.are.equal("ready", place:plugin("kv").state)
    end)
  end)

  it("is left running by a supervisor of other policies", function()
    task.run(function()
      leave_orphan()
      assert(os.execute("mkdir " .. place.root .. "/others"))
      local others = support.command({ "up", place.root .. "/others" }, place:options())
      place.ups[#place.ups + 1] = others
      others:await("stderr", "plugin 'kv' runs on: its policy is [^\n]*kv.lua, of another directory")
      assert_untouched()
    end)
  end)

  it("is another call's, of which three run at once", function()
    task.run(function()
      local jobs, results = {}, {}
      for i = 1, 3 do
        jobs[i] = function() results[i] = place:run("call", policy(), "KV/Put", '{"key": "a", "value": "YQ=="}') end
      end
      task.all(table.unpack(jobs))
      for i = 1, 3 do assert.are.same({ 0, "{}\n" }, { results[i].code, results[i].stdout }, results[i].stderr) end
      assert.are.same({}, place:containers())
      assert.are.same({}, support.entries(place.runtime_dir))
    end)
  end)

  it("is taken away by the next call where a call was killed", function()
    task.run(function()
      place:policy("kv", 'args = { "-slow-handshake", "60s" },')
      local killed = support.command({ "call", policy(), "KV/Get" }, place:options())
      place:await_containers(1)
      killed:kill "KILL"
      killed:wait()
      place:policy "kv"
      assert.are.equal(0, place:run("call", policy(), "KV/Put", '{"key": "a", "value": "YQ=="}').code)
      assert.are.same({}, place:containers())
    end)
  end)

  it("is kept for inspection where gantry down --orphans or an attached host stops it", function()
    for _, stop in ipairs { { "down", "--orphans" }, { "-e", "attach('kv'):stop()" } } do
      task.run(function()
        place:policy("kv", "debug = true,")
        leave_orphan()
        assert.are.equal(0, place:run(table.unpack(stop)).code)
        local containers = place:containers()
        assert.are.same({ 1, "exited" }, { #containers, containers[1].status })
        assert.are.equal(0, place:run("gc", "--kept").code)
      end)
    end
  end)

  describe("is kept for inspection", function()
    ---Runs the plugin with --debug until the command is ended by a signal.
    local function run_with_debug(signal)
      local command = support.command({ "run", "--debug", policy() }, place:options())
      command:await("stdout", "ready_ms")
      -- A plugin may have spoken before its engine knows that it runs.
      support.eventually("it runs, by the engine's account", function()
        return place:containers()[1].status == "running"
      end)
      command:kill(signal)
      command:wait()
      return place:await_containers(1)[1].id
    end

    local function assert_kept(id)
      local containers = place:containers()
      assert.are.same({ 1, id, "exited" }, { #containers, containers[1].id, containers[1].status })
    end

    it("over the next runs, gantry gc, and a supervisor", function()
      task.run(function()
        local id = run_with_debug "TERM"
        local command = support.command({ "run", policy() }, place:options())
        command:await("stdout", "ready_ms")
        command:kill "TERM"
        command:wait()
        assert_kept(id)
        assert.are.equal("", place:run("gc").stdout)
        assert_kept(id)
        local up = place:up()
        place:await_state("kv", "ready")
        place:run "down"
        up:wait()
        assert_kept(id)
        assert.matches("removed container " .. id:sub(1, 12), place:run("gc", "--kept").stdout)
        assert.are.same({}, place:containers())
        assert.are.same({}, place:records())
      end)
    end)

    for _, verb in ipairs { "run", "gc" } do
      it(("and only ended by gantry %s where its gantry was killed"):format(verb), function()
        task.run(function()
          local id = run_with_debug "KILL"
          if verb == "gc" then
            assert.matches("ended container .*kept for inspection", place:run("gc").stdout)
          else
            local command = support.command({ "run", policy() }, place:options())
            command:await("stdout", "ready_ms")
            command:kill "TERM"
            command:wait()
          end
          assert_kept(id)
          place:run("gc", "--kept")
          assert.are.same({}, place:containers())
        end)
      end)
    end
  end)
end)
