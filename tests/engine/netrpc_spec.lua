-- SPDX-License-Identifier: Apache-2.0
--
--- Plugins that speak net/rpc: launched and reached, though not called.

local core = require "gantry.core"
local gantry = require "gantry"
local support = require "engine.support"

describe("a net/rpc plugin", function()
  local runtime_dir

  before_each(function() runtime_dir = support.temporary() end)

  after_each(function()
    assert.are.same({}, support.containers(runtime_dir))
    support.remove(runtime_dir)
  end)

  it("is launched, attached to and stopped", function()
    local image = "gantry-test-example-basic-plugin"
    if not support.engine():image(image) then return pending "go-plugin's examples were not built" end
    local plugin <close> = assert(gantry.launch({ name = "greeter-" .. core.system.random(4), image = image,
      protocol = "netrpc", cookie = { "BASIC_PLUGIN", "hello" }, disable_network = true, stop_timeout = 1 },
      { runtime_dir = runtime_dir }))
    assert.are.same({ "ready", "netrpc" }, { plugin.state, plugin.protocol })
    assert.is_true(core.system.dial(plugin.handshake.address) > 0)
    local reply, err = plugin:call("Greeter/Greet", "")
    assert.is_nil(reply)
    assert.are.equal("NO_GRPC", err.code)
    local guest <close> = assert(gantry.attach(plugin.name))
    assert.are.equal("netrpc", guest.protocol)
    guest:detach()
    assert.is_true(plugin:stop().requested)
  end)

  it("is not ready where nobody listens at its address", function()
    local line = ("1|1|unix|%s/kv/plugin1|netrpc"):format(runtime_dir)
    local config = support.kv("-handshake", line)
    config.protocol, config.stop_timeout = "netrpc", 0
    local plugin, err = gantry.launch(config, { runtime_dir = runtime_dir })
    assert.is_nil(plugin)
    assert.are.equal("SOCKET_NOT_VISIBLE", err.code)
  end)

  it("is dialled: a socket alone is not enough", function()
    local found, err = core.system.dial(runtime_dir .. "/none")
    assert.is_nil(found)
    assert.are.same({ "SOCKET_FAILED", 2 }, { err.code, err.os_error })
    support.write(runtime_dir .. "/file", "")
    assert.is_nil(core.system.dial(runtime_dir .. "/file"))
    assert.is_nil(core.system.dial(("x"):rep(108)))
  end)
end)
