-- SPDX-License-Identifier: Apache-2.0
--
--- collector.lua MODE RUNTIME_DIR: launches, calls and stops a plugin while the collector, in its mode "generational"
--- or "incremental", makes a step at every call of a function: what nobody holds is gone by the next one.

local mode, runtime_dir = arg[1], arg[2]
local gantry = require "gantry"
local steps = 0

local function step()
  steps = steps + 1
  collectgarbage("step")
end

-- Each coroutine needs a hook of its own.
local create = coroutine.create
function coroutine.create(fn) -- luacheck: ignore 122
  local thread = create(fn)
  debug.sethook(thread, step, "c")
  return thread
end

collectgarbage(mode)
debug.sethook(step, "c")

gantry.task.run(function()
  local plugin <close> = assert(gantry.launch({
    name = "kv", image = "gantry-test-kv", tag = "latest", disable_network = true, stop_timeout = 20,
    start_timeout = 120, auto_mtls = true, cookie = { "GANTRY_KV_COOKIE", "6f1b0f6a2d5e4c7f9a83b1d0c2e47a55" },
  }, { runtime_dir = runtime_dir, on_output = function() end, on_event = function() end }))
  assert(plugin:call("proto.KV/Put", { key = "key", value = "value" }))
  assert(plugin:call("proto.KV/Get", { key = "key" }).value == "value")
  local _, err = plugin:call("proto.KV/Gett", {})
  assert(err.code == "METHOD_UNKNOWN", err)
  local called = gantry.task.spawn(plugin.call, plugin, "proto.KV/Get", { key = "key" })
  plugin:kill "KILL"
  assert(plugin:wait().cause == "signal")
  pcall(called.wait, called)
end)

debug.sethook()
print(steps > 1000 and "the collector was at work" or "only " .. steps .. " steps")
