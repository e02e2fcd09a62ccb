-- SPDX-License-Identifier: Apache-2.0
--
--- The simulation of a policy's decisions, as a function and as a verb.

local core = require "gantry.core"
local json = require "gantry.json"
local restart = require "gantry.restart"
local simulate = require "gantry.supervisor.simulate"

local executable = os.getenv "GANTRY"

describe("simulate", function()
  local path

  setup(function()
    path = ("%s/gantry-test-%s.lua"):format(os.getenv "TMPDIR" or "/tmp", core.system.random(4))
    local file <close> = assert(io.open(path, "w"))
    file:write [[
return {
  image = "vault-jwt", memory = "64MiB",
  restart = function(exit, history)
    if exit.cause == "oom" then
      return "restart", { memory = history.config.memory * 2, reason = "out of memory, doubling" }
    end
    if exit.code == 2 then return "fail", { reason = "bad configuration" } end
    return "restart", { after = "3s" }
  end,
}
]]
  end)
  teardown(function() os.remove(path) end)

  it("asks the policy at each end, with the changes that it made", function()
    local steps = assert(simulate(path, { oom = 3 }))
    assert.are.equal(3, #steps)
    assert.are.same({ 64, 128, 256 }, { steps[1].memory >> 20, steps[2].memory >> 20, steps[3].memory >> 20 })
    assert.are.equal(512 << 20, steps[3].decision.changes.memory)
    assert.are.same({ 1, 2, 3 }, { steps[1].generation, steps[2].generation, steps[3].generation })
  end)

  it("takes ends in any of their forms, and ends where the plugin stays down", function()
    local steps = assert(simulate(path, { 1, "oom", { signal = "SEGV", uptime = "41s" }, 2, 1 }))
    assert.are.equal(4, #steps)
    assert.are.equal("fail", steps[4].decision.action)
    assert.are.same({ "exit", "oom", "signal", "exit" },
      { steps[1].exit.cause, steps[2].exit.cause, steps[3].exit.cause, steps[4].exit.cause })
    assert.are.equal(139, steps[3].exit.code)
    assert.are.equal(41, steps[3].exit.uptime)
    assert.are.equal(5 + 3, steps[2].at - steps[1].at)
  end)

  it("gives the command that on_exit would run, within the policy's bounds", function()
    local function step(on_exit)
      local policy = path:gsub("%.lua$", "-hook.lua")
      local file <close> = assert(io.open(policy, "w"))
      file:write(('return { image = "x", on_exit = %s }'):format(on_exit))
      file:close()
      local steps = assert(simulate(policy, { { cause = "lost", image_id = "sha256:1" } }))
      os.remove(policy)
      return steps[1]
    end
    assert.are.same({ "/bin/x", "lost", "restart", "sha256:1" }, step [[function(exit, decision)
      return { "/bin/x", exit.cause, decision.action, exit.image_id } end]].command)
    assert.are.same({ "/bin/x" }, step('{ "/bin/x" }').command)
    assert.matches("must be an absolute path, got 'x'", step('function() return { "x" } end').fault)
    assert.matches("ran more than", step("function() while true do end end").fault)
  end)

  it("takes a table of fields, and gives the same for the same seed", function()
    local config = { image = "x", restart = restart.backoff { jitter = 1 } }
    local delays = {}
    for i, seed in ipairs { 7, 7, 8 } do delays[i] = simulate(config, { 1, 1, 1 },
      { seed = seed })[3].decision.delay end
    assert.are.equal(delays[1], delays[2])
    assert.are_not.equal(delays[1], delays[3])
  end)

  it("says what is wrong with ends and policies", function()
    for _, events in ipairs { { omo = 1 }, { "omo" }, { true }, { oom = "x" }, { { cause = "exit", uptime = -1 } } } do
      local steps, err = simulate(path, events)
      assert.is_nil(steps)
      assert.are.equal("SIMULATE_INVALID", err.code)
    end
    local _, err = simulate("/nonexistent.lua", { 1 })
    assert.are.equal("POLICY_NOT_FOUND", err.code)
  end)

  describe("as a verb", function()
    local function run(arguments)
      local pipe = assert(io.popen(("%s simulate %s 2>&1"):format(executable, arguments)))
      local output = pipe:read "a"
      return output, select(3, pipe:close())
    end

    it("prints a table", function()
      local output, code = run(path .. " --oom 1 --uptime 1m --exit 1x2")
      assert.are.equal(0, code, output)
      local lines = {}
      for line in output:gmatch "[^\n]+" do lines[#lines + 1] = line end
      assert.are.equal(4, #lines)
      assert.matches("^AT +GEN +END +UP +DECISION +CHANGES$", lines[1])
      assert.matches("^5s +1 +out of memory %(limit 64MiB%) +5s +restart .*'out of memory, doubling' +memory 128MiB$",
        lines[2])
      assert.matches("^%S+ +3 +exit code 1 +1m +restart after 3s: policy .*$", lines[4])
    end)

    it("prints JSON", function()
      local output, code = run(path .. " --json --exit 2")
      assert.are.equal(0, code, output)
      local step = assert(json.decode(output)).steps[1]
      assert.are.equal("fail", step.decision.action)
      assert.are.equal("bad configuration", step.decision.reason)
    end)

    for arguments, message in pairs {
      [""] = "say how it ends", ["--exit 256"] = "an exit code from 0 to 255", ["--oom x"] = "how many times",
      ["--signal 9"] = "a name such as KILL", ["--uptime soon --oom 1"] = "must be a duration",
    } do
      it("refuses " .. arguments, function()
        local output, code = run(path .. " " .. arguments)
        assert.are.equal(2, code)
        assert.is_truthy(output:find(message, 1, true), output)
      end)
    end
  end)
end)
