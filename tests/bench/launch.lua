-- SPDX-License-Identifier: Apache-2.0
--
--- launch.lua [COUNT]: time to ready and processor time of a launch, measured in one run and interleaved: gantry, a Go
--- host on plugincontainer, and the bare calls on the engine's socket, with the same image and config, on the bridge
--- and without a network. Prints medians and ratios. Needs the programs of tests/bench/build.sh and the test images.

local core = require "gantry.core"
local gantry = require "gantry"
local json = require "gantry.json"
local median = require "bench.median"
local task = require "gantry.task"

local COUNT <const> = tonumber(arg[1]) or 20
local CACHE <const> = (os.getenv("GANTRY_CACHE") or ".cache") .. "/bench/"
local IMAGE <const> = "gantry-demo-kv:latest"
local COOKIE <const> = { "GANTRY_KV_COOKIE", "6f1b0f6a2d5e4c7f9a83b1d0c2e47a55" }

---A launcher in a process of its own: one launch for each line that it is sent.
---@param name string
---@param network boolean
local function program(name, network)
  local answers, held = task.queue(), ""
  local process = assert(core.process.spawn(task.loop(), {
    CACHE .. name, "-image", IMAGE, "-network=" .. tostring(network),
    input = "pipe", output = "pipe", error = "inherit",
    on_output = function(_, bytes)
      held = held .. bytes
      held = held:gsub("([^\n]*)\n", function(line) answers:put(line) return "" end)
    end,
    on_exit = function() answers:close() end,
  }))
  return {
    name = name,
    launch = function()
      assert(process:write("launch\n"))
      local answer = assert(json.decode((assert(answers:take(), name .. " has ended"))))
      return answer.ready_ms, answer.cpu_ms
    end,
    close = function() process:close() end,
  }
end

---gantry in this process, as an embedding host has it.
---@param network boolean
local function own(network)
  -- Validated once, as a policy is that is launched more than once.
  local policy = { config = assert(require("gantry.config").validate {
    name = "bench", image = IMAGE, cookie = COOKIE, disable_network = not network or nil,
  }) }
  return {
    name = "gantry",
    launch = function()
      local cpu = os.clock()
      local plugin = assert(gantry.launch(policy))
      cpu = (os.clock() - cpu) * 1000
      local ready = plugin.ready_ms
      plugin:stop()
      return ready, cpu
    end,
    close = function() end,
  }
end

---@param network boolean
local function measure(network)
  local launchers = { program("bare", network), own(network), program("peer", network) }
  local ready, cpu = {}, {}
  for _, one in ipairs(launchers) do
    ready[one.name], cpu[one.name] = {}, {}
    one.launch() -- warms up: connections, files, the engine's caches
  end
  for round = 1, COUNT do
    for turn = 1, #launchers do
      local one = launchers[(round + turn) % #launchers + 1]
      local ready_ms, cpu_ms = one.launch()
      table.insert(ready[one.name], ready_ms)
      table.insert(cpu[one.name], cpu_ms)
    end
  end
  local bare = median(ready.bare)
  print(("%s, %d launches each, medians"):format(network and "bridge network" or "no network", COUNT))
  for _, one in ipairs(launchers) do
    local own_median = median(ready[one.name])
    print(("  %-7s ready %7.1f ms (%.3f of bare)   cpu %5.2f ms"):format(one.name, own_median, own_median / bare,
      median(cpu[one.name])))
    one.close()
  end
  return median(ready.gantry)
end

task.run(function()
  local bridge = measure(true)
  local none = measure(false)
  print(("gantry without a network takes %.2f of its time on the bridge"):format(none / bridge))
end)
