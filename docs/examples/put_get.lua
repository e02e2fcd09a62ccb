-- SPDX-License-Identifier: Apache-2.0
--
--- put_get.lua: a plugin launched, a value put and got through it, and the plugin stopped: the library in one page.
--- What the plugin's messages are, it says itself (see docs/calls.md).

local gantry = require "gantry"

local policy = arg and arg[1] or "policies/demo.lua"

local PROGRESS = {
  image = "image verified", created = "container created", started = "container started",
  stopping = "asked to end", exit = "container and socket directory removed",
}

-- Stopped in order when this variable goes out of scope, also after an error.
local plugin <close> = assert(gantry.launch(policy, {
  on_event = function(kind)
    if PROGRESS[kind] then print("  " .. PROGRESS[kind]) end
  end,
}))
print(("ready in %.0f ms: %s"):format(plugin.ready_ms, plugin))

assert(plugin:call("proto.KV/Put", { key = "greeting", value = "hello" }))
print "put greeting = hello"

local reply = assert(plugin.rpc.KV:Get { key = "greeting" })
print("got greeting = " .. reply.value)

local exit = plugin:stop()
print(("stopped: exit code %d, nothing left behind"):format(exit.code))
