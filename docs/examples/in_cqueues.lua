-- SPDX-License-Identifier: Apache-2.0
--
--- in_cqueues.lua [POLICY]: a program on a controller of cqueues that launches a plugin and calls it, while another
--- coroutine goes on.

local cqueues = require "cqueues"
local gantry = require "gantry"

local policy = arg and arg[1] or "policies/demo.lua"
local controller = cqueues.new()
local attached = require("gantry.cqueues").attach(controller)

local ticks = 0
controller:wrap(function()
  while not attached.detached do
    cqueues.sleep(0.01)
    ticks = ticks + 1
  end
end)

attached:spawn(function()
  -- However this ends, also by an error: with gantry attached, the controller would never be empty.
  local _ <close> = attached
  local plugin <close> = assert(gantry.launch(policy))
  assert(plugin:call("proto.KV/Put", { key = "greeting", value = "hello" }))
  print("got " .. assert(plugin:call("proto.KV/Get", { key = "greeting" })).value)
  plugin:stop()
  print(ticks > 0 and "the timer went on" or "the timer stood still")
end)

assert(controller:loop())
