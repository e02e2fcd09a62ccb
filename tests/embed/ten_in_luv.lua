-- SPDX-License-Identifier: Apache-2.0
--
--- ten_in_luv.lua RUNTIME_DIR: a program on luv's loop that launches, calls and stops ten plugins at the same time,
--- each in a coroutine, while its own timer goes on. Prints how well the timer kept its rate.

local uv = require "luv"

local attached = require("gantry.luv").attach()
local gantry = require "gantry"
local figures = require "embed.figures"

local PLUGINS <const>, TICK_MS <const> = 10, 10

local measured = figures.new(TICK_MS / 1000, function() return uv.hrtime() / 1e9 end)
local timer = uv.new_timer()
timer:start(TICK_MS, TICK_MS, function() measured:tick() end)

local left = PLUGINS
for number = 1, PLUGINS do
  attached:spawn(function()
    local plugin <close> = assert(gantry.launch(figures.policy("luv" .. number), { runtime_dir = arg[1] }))
    assert(plugin:call("proto.KV/Put", { key = "key", value = "value" }))
    assert(plugin:stop().code == 0)
    left = left - 1
    if left > 0 then return end
    measured:print()
    timer:close()
    attached:detach()
  end)
end

uv.run()
