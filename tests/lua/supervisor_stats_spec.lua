-- SPDX-License-Identifier: Apache-2.0
--
--- The figures of plugins whose engine is on another machine: it tells, or it does not, and nobody waits for it for
--- long.

local fake = require "lua.fake_supervisor"

describe("the figures of plugins on another machine", function()
  local NAMES <const> = { "a", "b", "c" }

  ---@param fn fun(world: fake.World)
  local function run(fn)
    fake.run(function(world)
      for _, name in ipairs(NAMES) do world:write(name, { image = "x", health = { period = 1 } }) end
      world:up()
      world.modules.task.sleep(30)
      fn(world)
      assert.are.equal("", table.concat(world.failures, "\n"))
    end)
  end

  ---@param world fake.World
  ---@return table[] stats of each plugin, in the order of names
  ---@return number seconds that it took
  local function ask(world)
    local began, list = world.loop.now, {}
    local answer = assert(world:request("GET", "/v1/plugins", { stats = "1" }))
    for i, one in ipairs(answer.plugins) do list[i] = one.stats end
    assert.are.equal(#NAMES, #list)
    return list, world.loop.now - began
  end

  it("are what the engine says", function()
    run(function(world)
      for _, stats in ipairs(ask(world)) do
        assert.are.same({ "engine", 900, 5000, 3, 2 }, { stats.source, stats.memory_bytes, stats.memory_limit_bytes,
          stats.pids, stats.cpu_seconds })
        assert.is_nil(stats.pids_limit)
        assert.is_true(stats.health_checks > 10 and stats.health_failures == 0)
      end
    end)
  end)

  it("lack what an engine does not tell, or not in time", function()
    run(function(world)
      for mode, longest in pairs { ["500"] = 0.1, cut = 0.1, hang = 5.1 } do
        world:set_mode(mode)
        local list, seconds = ask(world)
        assert.is_true(seconds <= longest, mode .. " " .. seconds)
        for _, stats in ipairs(list) do
          assert.are.same({ nil, nil, 0 }, { stats.source, stats.memory_bytes, stats.output_bytes })
          assert.is_true(stats.health_checks > 10, mode)
        end
      end
      world:set_mode "ok"
      assert.are.equal(900, ask(world)[1].memory_bytes)
    end)
  end)

  it("are those of the generation that lives when they are told", function()
    run(function(world)
      local unit = world:unit "b"
      unit.plugin.engine.stats = function()
        unit.plugin:die { cause = "exit", code = 1, known = true, requested = false, uptime = 5 }
        world.modules.task.sleep(1)
        return { memory_bytes = 77 }
      end
      local list = ask(world)
      assert.are.same({ 900, nil, 900 }, { list[1].memory_bytes, list[2].memory_bytes, list[3].memory_bytes })
      assert.are.same({ exit = 1 }, list[2].restarts_by_cause)
    end)
  end)
end)
