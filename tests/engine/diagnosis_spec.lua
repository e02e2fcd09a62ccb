-- SPDX-License-Identifier: Apache-2.0
--
--- What is told of a plugin that failed, with debug more: its environment without secrets, its container, and the
--- command that runs it by hand.

local gantry = require "gantry"
local json = require "gantry.json"
local support = require "engine.support"

describe("a diagnosis", function()
  local runtime_dir

  before_each(function() runtime_dir = support.temporary() end)

  after_each(function()
    for _, container in ipairs(support.containers(runtime_dir)) do assert(support.engine():remove(container.id)) end
    assert.are.same({}, support.entries(runtime_dir))
    support.remove(runtime_dir)
  end)

  local function failed(fields)
    local config = support.kv("-exit-now", "3", "-say", "last words")
    config.env = { PASSWORD = "hunter2" }
    for name, value in pairs(fields) do config[name] = value end
    local plugin, err = gantry.launch(config, { runtime_dir = runtime_dir })
    assert.is_nil(plugin)
    return err.diagnosis
  end

  local function contains(list, wanted)
    for _, one in ipairs(list) do
      if one == wanted then return true end
    end
    return false
  end

  it("has the output of the fastest exit, the image, the command and the runtime; no environment", function()
    local found = failed {}
    assert.are.same({ { stream = "stderr", line = "last words" } }, found.output)
    assert.are.same({ "gantry-test-kv:latest", { "/kv" }, "runc", 3 }, { found.image, found.entrypoint, found.runtime,
      found.exit.code })
    assert.is_nil(found.environment)
    assert.is_nil(found.by_hand)
    assert.are.same({}, support.containers(runtime_dir))
  end)

  it("has with debug the environment without secrets, and the container is kept", function()
    local found = failed { debug = true }
    assert.is_true(contains(found.environment, "PASSWORD=********"))
    assert.is_true(contains(found.environment, "PLUGIN_PROTOCOL_VERSIONS=1"))
    assert.is_true(contains(found.environment, support.cookie[1] .. "=" .. support.cookie[2]))
    if found.by_hand then -- else it is no line for a shell that makes a container
      assert.is_nil(found.by_hand:find("hunter2", 1, true))
      assert.is_truthy(found.by_hand:find(" --env PASSWORD ", 1, true))
    end
    assert.is_true(found.kept)
    assert.are.equal(1, #support.containers(runtime_dir))
  end)

  it("has with debug = 'env' all of it", function()
    local found = failed { debug = "env" }
    assert.is_true(contains(found.environment, "PASSWORD=hunter2"))
    assert.is_truthy(not found.by_hand or found.by_hand:find("--env PASSWORD=hunter2", 1, true))
  end)

  it("is there for a plugin that runs, too", function()
    local plugin <close> = assert(gantry.launch(support.kv(), { runtime_dir = runtime_dir }))
    local found = plugin:diagnose()
    assert.are.equal("runc", found.runtime)
    assert.is_nil(found.exit)
  end)

  it("is printed, for people and for programs", function()
    local path = support.write(runtime_dir .. "/kv.lua",
      support.policy_text("args = { '-exit-now', '3' }, debug = true"))
    local result = support.run({ "run", path }, { runtime_dir = runtime_dir })
    assert.are.equal(4, result.code)
    local look = support.engine_at(runtime_dir):by_hand("inspect", support.containers(runtime_dir)[1].id)
    assert.is_truthy(result.stderr:find("is kept: `" .. look .. "`", 1, true), result.stderr)
    local as_json = support.run({ "run", "--json", path }, { runtime_dir = runtime_dir })
    local told = assert(json.decode(as_json.stdout)).errors[1].diagnosis
    if told.by_hand then
      assert.is_truthy(result.stderr:find("by hand: mkdir -p", 1, true), result.stderr)
      assert.is_truthy(told.by_hand:find("docker run", 1, true))
    end
    os.remove(path)
  end)
end)
