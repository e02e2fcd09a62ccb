-- SPDX-License-Identifier: Apache-2.0
--
--- host.lua: what host.c runs in each of its Lua states: one plugin, launched, called once both states have theirs, and
--- stopped. Returns the descriptor to poll and the function to call when it is readable.

local runtime_dir, number = ...

local globals_before = {}
for name in pairs(_G) do globals_before[name] = true end

local gantry = require "gantry"

for name in pairs(_G) do assert(globals_before[name], "require 'gantry' has set the global " .. name) end

local key = "of state " .. number
local all_ready, ready, done = gantry.task.event(), false, false

gantry.task.spawn(function()
  local plugin <close> = assert(gantry.launch({
    name = "kv", image = "gantry-test-kv", tag = "latest", disable_network = true, stop_timeout = 10,
    cookie = { "GANTRY_KV_COOKIE", "6f1b0f6a2d5e4c7f9a83b1d0c2e47a55" },
  }, { runtime_dir = runtime_dir }))
  ready = true
  all_ready:wait()
  assert(plugin:call("proto.KV/Put", { key = key, value = "value" }))
  assert(plugin:call("proto.KV/Get", { key = key }).value == "value")
  local nothing = plugin:call("proto.KV/Get", { key = "of state " .. 3 - number })
  assert(not nothing or nothing.value ~= "value", "the states share a plugin")
  assert(plugin:stop().code == 0)
  done = true
end)

return {
  fd = gantry.loop():fd(),
  step = function(everybody_is_ready)
    if everybody_is_ready then all_ready:set() end
    assert(gantry.loop():step(0))
    return ready, done
  end,
}
