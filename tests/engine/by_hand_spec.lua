-- SPDX-License-Identifier: Apache-2.0
--
--- What people do to a plugin's container by hand while it lives: rename, update, restart, pause. Nothing is lost, and
--- nothing is left.

local hosts = require "engine.hosts"
local supervision = require "engine.supervision"
local support = require "engine.support"
local task = require "gantry.task"

describe("a plugin whose container is changed by hand", function()
  local place

  before_each(function() place = supervision.place() end)

  after_each(function()
    local left = support.containers(place.root)
    for _, one in ipairs(left) do support.engine():remove(one.id) end
    support.remove(place.root)
    assert.are.same({}, left)
  end)

  ---@param format string with the container's id for each %s
  ---@param id string
  ---@param may_be_late boolean? gantry may be at work on the same container
  local function docker(format, id, may_be_late)
    local done = os.execute("docker " .. format:gsub("%%s", id) .. " >/dev/null" .. (may_be_late and " 2>&1" or ""))
    assert(done or may_be_late)
  end

  ---@return string id of the one container
  local function container()
    local found = support.containers(place.root)
    assert.are.equal(1, #found)
    return found[1].id
  end

  ---@return string
  local function unique() return "gantry-test-by-hand-" .. place.root:match "[^-]*$" end

  describe("under gantry run", function()
    ---@param change fun(id: string)
    ---@param code integer? of its own end; without it, it is to be stopped
    ---@return table command
    local function run(change, code)
      local path = support.write(place.root .. "/kv.lua", support.policy_text 'name = "kv",')
      local command = support.command({ "run", path }, place:options())
      command:await("stdout", "{")
      change(container())
      if not code then command:kill "TERM" end
      assert.are.equal(code or 0, command:wait().code, command.stderr)
      assert.are.same({}, place:records())
      assert.are.same({}, support.entries(place.runtime_dir))
      return command
    end

    it("renamed, goes as it would have", function()
      task.run(function() run(function(id) docker("rename %s " .. unique(), id) end) end)
    end)

    it("restarted, has ended", function()
      task.run(function()
        local command = run(function(id) docker("restart -t 1 %s", id, true) end, 8)
        assert.is_truthy(command.stderr:find "kv: ended", command.stderr)
      end)
    end)

    it("updated to restart by itself, has ended with its process", function()
      task.run(function()
        run(function(id)
          docker("update --restart=always %s", id)
          assert(os.execute("kill -9 $(docker inspect -f '{{.State.Pid}}' " .. id .. ")"))
        end, 8)
      end)
    end)

    it("paused, can be stopped", function()
      task.run(function() run(function(id) docker("pause %s", id) end) end)
    end)

    it("paused, is told of to who attaches", function()
      task.run(function()
        run(function(id)
          docker("pause %s", id)
          local result = place:run("reattach", "kv")
          assert.are.equal(5, result.code, result.stdout)
          assert.is_truthy(result.stderr:find("docker unpause", 1, true), result.stderr)
          docker("unpause %s", id)
          assert.are.equal(0, place:run("reattach", "kv").code)
        end)
      end)
    end)

    it("paused when its gantry was killed, is removed by the next", function()
      task.run(function()
        local path = support.write(place.root .. "/kv.lua", support.policy_text 'name = "kv",')
        local command = support.command({ "run", path }, place:options())
        command:await("stdout", "{")
        docker("pause %s", container())
        command:kill "KILL"
        command:wait()
        run(function() end)
      end)
    end)
  end)

  describe("under gantry up", function()
    local function ready(generation)
      support.eventually("it is ready", function()
        local found = place:plugin "kv" or {}
        return found.state == "ready" and found.generation == generation and not found.trouble
      end)
    end

    ---@param change fun(id: string, up: table)
    ---@param generation integer that is ready in the end
    ---@return string why
    local function up(change, generation)
      place:policy("kv", 'health = { period = "200ms", timeout = "200ms", failures = 2 },')
      local command = place:up()
      ready(1)
      change(container(), command)
      ready(generation)
      local why = place:run("why", "kv").stdout
      assert.are.equal(0, place:run("down").code)
      support.eventually("nothing is left", function() return #support.containers(place.root) == 0 end, 30)
      assert.are.same({}, place:records())
      return why
    end

    it("renamed, lives on, also under the next supervisor, and goes as it would have", function()
      task.run(function()
        up(function(id, command)
          docker("rename %s " .. unique(), id)
          command:kill "KILL"
          command:wait()
          place:up()
          assert.are.equal(id, container())
        end, 1)
      end)
    end)

    it("restarted, is replaced, for its process has ended", function()
      task.run(function()
        local why = up(function(id) docker("restart -t 1 %s", id, true) end, 2)
        assert.is_truthy(why:find("exit", 1, true), why)
      end)
    end)

    it("updated to restart by itself, is restarted by its policy alone", function()
      task.run(function()
        up(function(id)
          docker("update --restart=always %s", id)
          assert(os.execute("kill -9 $(docker inspect -f '{{.State.Pid}}' " .. id .. ")"))
        end, 2)
      end)
    end)

    it("paused, is not ill, and is said to be paused", function()
      task.run(function()
        local why = up(function(id)
          docker("pause %s", id)
          support.eventually("ps says so", function()
            return ((place:plugin "kv" or {}).trouble or ""):find("docker unpause", 1, true)
          end)
          task.sleep(1.5) -- several times as long as makes another one unhealthy
          assert.are.equal(id, container())
          local text = place:run("ps").stdout
          assert.is_truthy(text:find("paused", 1, true), text)
          docker("unpause %s", id)
        end, 1)
        assert.is_truthy(why:find("docker unpause", 1, true) and why:find("goes on", 1, true), why)
        assert.is_nil(why:find("unhealthy", 1, true), why)
      end)
    end)

    it("paused while no supervisor watched, is waited for", function()
      task.run(function()
        up(function(id, command)
          command:kill "KILL"
          command:wait()
          docker("pause %s", id)
          local again = place:start_up()
          support.eventually("ps says so", function()
            local asked = place:run("ps", "--json")
            return asked.code == 0 and asked.stdout:find("docker unpause", 1, true)
          end)
          assert.are.equal(id, container())
          docker("unpause %s", id)
          assert.is_nil(again.exit)
        end, 1)
      end)
    end)
  end)

  describe("under a host", function()
    ---@param change fun(id: string)
    ---@param how "closes"|"killed"|"plugin ends" what ends the host
    local function exec(change, how)
      if not hosts.find("hold") then return pending("go-plugin's hosts need a newer Go") end
      local policy = hosts.policy(place.root .. "/exec", 'image = "gantry-test-kv:latest", disable_network = true')
      local options = place:options()
      options.input = "pipe"
      local host = hosts.start("hold", { policy }, options)
      host:await("stdout", "ready")
      support.eventually("the launcher has handed over", function()
        return #hosts.processes(policy).launcher == 0
      end)
      change(container())
      if how == "closes" then host.process:close_input() end
      if how == "killed" then host:kill "KILL" end
      host:wait()
      hosts.assert_nothing_left(policy, place.runtime_dir)
      support.eventually("no record", function() return #place:records() == 0 end, 10)
    end

    it("renamed, goes with its host, and nothing else of that name", function()
      task.run(function()
        local other
        exec(function(id)
          local name = support.engine():inspect(id).name
          docker("rename %s " .. unique(), id)
          docker("create --name " .. name .. " gantry-test-kv:latest", "")
          other = name
        end, "closes")
        assert.is_true(support.engine():remove(other))
      end)
    end)

    it("updated to restart by itself, goes with its process", function()
      task.run(function()
        exec(function(id)
          docker("update --restart=always %s", id)
          assert(os.execute("kill -9 $(docker inspect -f '{{.State.Pid}}' " .. id .. ")"))
        end, "plugin ends")
      end)
    end)

    -- A host that closes a plugin which is frozen waits for it, as for one without a container.
    it("paused, goes with a host that is killed", function()
      task.run(function() exec(function(id) docker("pause %s", id) end, "killed") end)
    end)
  end)
end)
