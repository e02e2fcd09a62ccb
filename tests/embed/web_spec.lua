-- SPDX-License-Identifier: Apache-2.0
--
--- A web service that asks a plugin, under the load of wrk, while the plugin is killed again and again.

local core = require "gantry.core"
local json = require "gantry.json"
local support = require "engine.support"
local task = require "gantry.task"

local KILLS <const>, TIMEOUT <const> = 4, 60

---A program of the test's, with its output and its end.
local function start(arguments, input)
  local self = { output = "", changed = task.event(), ended = task.event() }
  local spec = { "/usr/bin/env", table.unpack(arguments) }
  spec.input, spec.output, spec.error = input or "null", "pipe", "pipe"
  spec.on_output = function(_, bytes)
    self.output = self.output .. bytes
    self.changed:set()
  end
  spec.on_exit = function(exit) self.ended:set(exit) end
  self.process = assert(core.process.spawn(task.loop(), spec))
  return self
end

---@return string output
local function run(...)
  local program = start { ... }
  local exit = task.deadline(TIMEOUT, program.ended.wait, program.ended)
  assert(exit, (...) .. " did not end in time")
  return program.output
end

describe("a web service on a controller of cqueues", function()
  local root

  before_each(function() root = support.temporary() end)

  after_each(function()
    assert.are.same({}, support.containers(root))
    support.remove(root)
  end)

  it("serves under load while its plugin dies and comes back", function()
    task.run(function()
      local policy = support.write(root .. "/kv.lua", support.policy_text "")
      local service = start({ "lua5.4", support.source .. "/tests/embed/web_service.lua", policy, root }, "pipe")
      assert(task.deadline(TIMEOUT, service.changed.wait, service.changed) ~= false)
      local url = "http://127.0.0.1:" .. assert(service.output:match("^listening on port (%d+)\n"), service.output)

      local function get(path) return run("curl", "-s", "-m", "20", url .. path) end
      local function await(what, check)
        local until_when = core.loop.clock() + TIMEOUT
        while not check() do
          assert(core.loop.clock() < until_when, what .. " did not come: " .. service.output)
          task.sleep(0.02)
        end
      end
      local function launches() return json.decode(get "/:stats").launches end

      await("the plugin", function() return get "/greeting" == "hello\n" end)
      local load = start { "wrk", "-t1", "-c20", "-d4", url .. "/greeting" }
      for kill = 1, KILLS do
        assert.are.equal("killed\n", run("curl", "-s", "-m", "20", "-X", "POST", url .. "/:kill"))
        await("launch " .. kill + 1, function() return launches() == kill + 1 end)
      end
      await("the plugin", function() return get "/greeting" == "hello\n" end)
      assert(task.deadline(TIMEOUT, load.ended.wait, load.ended), "wrk did not end")
      local stats = json.decode(get "/:stats")
      print(("%s requests a second; %d answered, %d while there was no plugin, %d launches"):format(
        load.output:match("Requests/sec:%s+([%d.]+)"), stats.ok, stats.unavailable, stats.launches))
      assert.are.equal(0, stats.failed, load.output)
      assert.is_true(stats.ok > 20, load.output)
      assert.is_nil(load.output:find("Socket errors", 1, true), load.output)

      service.process:close_input()
      local exit = task.deadline(TIMEOUT, service.ended.wait, service.ended)
      assert.are.same({ code = 0 }, { code = exit and exit.code }, service.output)
    end)
  end)
end)
