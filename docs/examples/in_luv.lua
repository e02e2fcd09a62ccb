-- SPDX-License-Identifier: Apache-2.0
--
--- in_luv.lua [POLICY]: a program on luv's loop that launches a plugin and calls it, while its own timer goes on.

local gantry = require "gantry"
local uv = require "luv"

local policy = arg and arg[1] or "policies/demo.lua"
local attached = require("gantry.luv").attach()

local ticks = 0
local timer = uv.new_timer()
timer:start(10, 10, function() ticks = ticks + 1 end)

-- In this coroutine gantry's calls suspend, and uv.run goes on.
attached:spawn(function()
  -- However this ends, also by an error: with these handles left open, uv.run would never return.
  local _ <close> = setmetatable({}, { __close = function()
    timer:close()
    attached:detach()
  end })
  local plugin <close> = assert(gantry.launch(policy))
  assert(plugin:call("proto.KV/Put", { key = "greeting", value = "hello" }))
  print("got " .. assert(plugin:call("proto.KV/Get", { key = "greeting" })).value)
  plugin:stop()
  print(ticks > 0 and "the timer went on" or "the timer stood still")
end)

uv.run()
