-- SPDX-License-Identifier: Apache-2.0
--
--- policy_child.lua [COUNT]: what a decision costs in the process that evaluates a supervisor's policies, beside the
--- same call in this one, and the memory of that process. Prints medians, and what all but one of a hundred keep below.

local core = require "gantry.core"
local policy = require "gantry.policy"
local policies = require "gantry.supervisor.policies"
local restart_asker = require "gantry.restart.asker"
local decider = require "gantry.restart.decider"
local task = require "gantry.task"

local COUNT <const> = tonumber(arg[1]) or 2000
local TEXT <const> = [[
return { image = "x", restart = function(exit, history)
  history.state.ends = (history.state.ends or 0) + 1
  return "restart", { after = history.backoff { first = "1s" }, reason = "seen " .. history.within "10m" }
end }
]]

---@param loaded gantry.Policy|gantry.RemotePolicy
---@return number[] milliseconds sorted
local function measure(loaded)
  local times, state, asker = {}, decider.new_state(), restart_asker.of_policy(loaded)
  for i = 1, COUNT do
    decider.started(state, i * 60, true)
    decider.ready(state, i * 60)
    local before = core.loop.clock()
    local decision = decider.decide(asker, state, { cause = "exit", code = 1 }, i * 60 + 5)
    times[i] = (core.loop.clock() - before) * 1000
    assert(not decision.fault, tostring(decision.fault))
  end
  table.sort(times)
  return times
end

---@param name string
---@param times number[]
local function print_times(name, times)
  print(("%-14s median %.3f ms, 99%% below %.3f ms"):format(name, times[#times // 2 + 1],
    times[math.ceil(#times * 0.99)]))
end

---@param pid integer
---@return string such as "5120 kB"
local function memory_of(pid)
  local file <close> = assert(io.open(("/proc/%d/status"):format(pid)))
  return file:read("a"):match "VmRSS:%s*([^\n]*)"
end

local folder = ("%s/gantry-bench-%s"):format(os.getenv "TMPDIR" or "/tmp", core.system.random(4))
assert(core.files.make_directory(folder))
local file <close> = assert(io.open(folder .. "/kv.lua", "w"))
file:write(TEXT)
file:close()
assert(os.execute(("chmod 644 '%s/kv.lua'"):format(folder)))

task.run(function()
  local set = policies.new(folder, { engine = function() return {} end })
  local loaded = assert(assert(set:scan()).set.kv)
  print_times("in a child", measure(loaded))
  print("its memory     " .. memory_of(set.evaluator.child.process:pid()))
  print_times("in process", measure(assert(policy.load(folder .. "/kv.lua"))))
  set:close()
end)
assert(os.execute(("rm -r '%s'"):format(folder)))
