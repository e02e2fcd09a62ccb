-- SPDX-License-Identifier: Apache-2.0
--
--- put_get.lua: a plugin launched, a value put and got through it, and the plugin stopped: the library in one page.
--- The messages are encoded by hand (see gantry.wire): field 1 is the key, field 2 the value.

local gantry = require "gantry"
local wire = require "gantry.wire"

local policy = arg and arg[1] or "policies/demo.lua"

-- Stopped in order when this variable goes out of scope, also after an error.
local plugin <close> = assert(gantry.launch(policy, {
  on_event = function(kind)
    if kind ~= "ready" then print("  " .. kind) end
  end,
}))
print(("ready in %.0f ms: %s"):format(plugin.ready_ms, plugin))

local put = wire.bytes_field(1, "greeting") .. wire.bytes_field(2, "hello")
assert(plugin:call("proto.KV/Put", put))
print "put greeting = hello"

local reply = assert(plugin:call("proto.KV/Get", wire.bytes_field(1, "greeting")))
print("got greeting = " .. wire.fields(reply)[1])

local exit = plugin:stop()
print(("stopped: exit code %d, nothing left behind"):format(exit.code))
