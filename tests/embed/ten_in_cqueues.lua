-- SPDX-License-Identifier: Apache-2.0
--
--- ten_in_cqueues.lua RUNTIME_DIR: a program on a controller of cqueues that launches, calls and stops ten plugins at
--- the same time, each in a coroutine, while its own timer goes on. Prints how well the timer kept its rate.

local cqueues = require "cqueues"

local controller = cqueues.new()
local attached = require("gantry.cqueues").attach(controller)
local gantry = require "gantry"
local figures = require "embed.figures"

local PLUGINS <const>, TICK <const> = 10, 0.01

local left = PLUGINS
local measured = figures.new(TICK, cqueues.monotime)
controller:wrap(function()
  while left > 0 do
    cqueues.sleep(TICK)
    measured:tick()
  end
  measured:print()
end)

for number = 1, PLUGINS do
  controller:wrap(function()
    local plugin <close> = assert(gantry.launch(figures.policy("cqueues" .. number), { runtime_dir = arg[1] }))
    assert(plugin:call("proto.KV/Put", { key = "key", value = "value" }))
    assert(plugin:stop().code == 0)
    left = left - 1
    if left == 0 then attached:detach() end
  end)
end

assert(controller:loop())
