-- SPDX-License-Identifier: Apache-2.0
--
--- output.lua [MIB]: how fast a plugin's output arrives, and how much of it: gantry, a Go host on plugincontainer, and
--- the bare attach call, one after the other in one run. Needs the programs of tests/bench/build.sh.

local core = require "gantry.core"
local gantry = require "gantry"
local json = require "gantry.json"
local task = require "gantry.task"

local BYTES <const> = (tonumber(arg[1]) or 256) * 1024 * 1024
local CACHE <const> = (os.getenv("GANTRY_CACHE") or ".cache") .. "/bench/"

---@return { mb_per_s: number, share: number, cpu_ms: number }
local function own()
  local total, first, last = 0, nil, nil
  local whole = task.event()
  local cpu = os.clock()
  local _ <close> = assert(gantry.launch({
    name = "bench", image = "gantry-demo-kv", cookie = { "GANTRY_KV_COOKIE", "6f1b0f6a2d5e4c7f9a83b1d0c2e47a55" },
    args = { "-flood-stderr", tostring(BYTES) }, disable_network = true,
  }, {
    on_output = function(stream, bytes)
      if stream ~= "stderr" then return end
      last = core.loop.clock()
      first = first or last
      total = total + #bytes
      if total >= BYTES then whole:set(true) end
    end,
  }))
  task.deadline(120, function() return whole:wait() end)
  return { mb_per_s = total / (last - first) / 1e6, share = math.min(1, total / BYTES),
    cpu_ms = (os.clock() - cpu) * 1000 }
end

---@param name string
local function program(name)
  local out, ended = "", task.event()
  assert(core.process.spawn(task.loop(), {
    CACHE .. name, "-flood", tostring(BYTES), "-network=false", "-args", "-flood-stderr " .. BYTES,
    output = "pipe", error = "inherit",
    on_output = function(_, bytes) out = out .. bytes end, on_exit = function() ended:set() end,
  }))
  ended:wait()
  return assert(json.decode(out))
end

task.run(function()
  print(("%d MiB of output"):format(BYTES // 1024 // 1024))
  local bare, ours, peer = program "bare", own(), program "peer"
  for _, one in ipairs { { "bare", bare }, { "gantry", ours }, { "peer", peer } } do
    local figures = one[2]
    print(("  %-7s %7.1f MB/s (%5.1f of peer)   delivered %5.1f %%   cpu %6.0f ms"):format(one[1], figures.mb_per_s,
      figures.mb_per_s / peer.mb_per_s, figures.share * 100, figures.cpu_ms))
  end
end)
