-- SPDX-License-Identifier: Apache-2.0
--
--- Labels are anybody's: containers of an image that says what gantry's own containers say are neither swept nor
--- collected nor taken over, and no directory is removed on their word.

local core = require "gantry.core"
local ownership = require "gantry.place.ownership"
local support = require "engine.support"

describe("a container whose image has gantry's labels", function()
  local runtime_dir, victim, container

  before_each(function()
    runtime_dir = support.temporary()
    victim = runtime_dir .. "-victim/dir"
    assert(os.execute(("mkdir -p %s && touch %s/precious"):format(victim, victim)))
    local labels = ownership.labels("kv", victim)
    labels["gantry.unique"], labels["gantry.version"] = "dir", "0.1.0"
    container = assert(support.engine():create("gantry-kv-" .. core.system.random(4),
      { Image = "gantry-test-kv:latest", Labels = labels })).id
  end)
  after_each(function()
    support.engine():remove(container)
    os.execute(("rm -rf %s-victim %s"):format(runtime_dir, runtime_dir))
  end)

  local function assert_untouched()
    assert.is_table(core.system.stat(victim .. "/precious"))
    assert.is_table((support.engine():inspect(container)))
  end

  it("is left by gc, with what its labels name", function()
    for _, arguments in ipairs { { "gc" }, { "gc", "--all" }, { "gc", "--all", "--json" } } do
      local result = support.run(arguments, { runtime_dir = runtime_dir })
      assert.are.equal(0, result.code, result.stderr)
      assert.is_nil((result.stdout .. result.stderr):find(container:sub(1, 12), 1, true))
      assert_untouched()
    end
  end)

  it("is left by what cleans up after gantry exec", function()
    local engine = support.engine().endpoint.name
    os.execute(("%s %s made %s gantry-none-1 %s none >/dev/null 2>&1"):format(os.getenv "GANTRY", "exec-clean", engine,
      runtime_dir))
    assert_untouched()
  end)

  it("is left by a launch of the plugin that it names", function()
    local policy = runtime_dir .. "-victim/kv.lua"
    support.write(policy, support.policy_text "name = 'kv'")
    local result = support.run({ "call", policy, "proto.KV/Put", '{"key":"a","value":"Yg=="}' },
      { runtime_dir = runtime_dir })
    assert.are.equal(0, result.code, result.stderr)
    assert_untouched()
  end)
end)
