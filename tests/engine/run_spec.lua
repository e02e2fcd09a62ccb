-- SPDX-License-Identifier: Apache-2.0
--
--- `gantry run` as its user has it: one JSON line on standard output, a readable standard error, an ordered stop on
--- every signal, and nothing left behind, after kill -9 either.

local json = require "gantry.json"
local ownership = require "gantry.place.ownership"
local support = require "engine.support"
local task = require "gantry.task"

describe("gantry run", function()
  local runtime_dir, policy

  before_each(function()
    runtime_dir = support.temporary()
    policy = support.write(runtime_dir .. "/../" .. runtime_dir:match("[^/]+$") .. "-kv.lua",
      support.policy_text("name = 'kv'"))
  end)

  after_each(function()
    assert.are.same({}, support.containers(runtime_dir))
    assert.are.same({}, support.entries(runtime_dir))
    support.remove(runtime_dir)
    os.remove(policy)
  end)

  ---Runs until ready, sends the signals, and returns the ended command.
  local function run_and_kill(...)
    local signals = { ... }
    return task.run(function()
      local command = support.command({ "run", policy }, { runtime_dir = runtime_dir })
      command:await("stdout", "\n")
      for _, name in ipairs(signals) do command:kill(name) end
      local exit = command:wait()
      return command, exit
    end)
  end

  it("prints one JSON line and stops in order on Ctrl-C", function()
    local command, exit = run_and_kill("INT")
    assert.are.equal(0, exit.code, command.stderr)
    assert.are.equal(1, select(2, command.stdout:gsub("\n", "\n")))
    local described = assert(json.decode(command.stdout))
    assert.are.equal("kv", described.name)
    assert.are.equal("grpc", described.protocol)
    assert.are.equal(1, described.protocol_version)
    assert.are.same({ network = "unix", string = runtime_dir .. "/kv.sock" }, described.address)
    assert.are.equal(64, #described.container)
    assert.are.equal("integer", math.type(described.ready_ms))

    assert.is_truthy(command.stderr:find("kv: image gantry-test-kv:latest present (sha256:", 1, true), command.stderr)
    assert.is_truthy(command.stderr:find("kv: container %x+ created, started in %d+ ms\n"), command.stderr)
    assert.is_truthy(command.stderr:find("kv: ready, go-plugin protocol 1, grpc, unix:" .. runtime_dir
      .. "/kv/plugin", 1, true))
    assert.is_truthy(command.stderr:find("kv: ended (exit code 0, after ", 1, true), command.stderr)
  end)

  for _, name in ipairs { "TERM", "HUP" } do
    it("stops in order on SIG" .. name, function()
      local command, exit = run_and_kill(name)
      assert.are.equal(0, exit.code, command.stderr)
    end)
  end

  it("does not wait at the second Ctrl-C", function()
    support.write(policy,
      support.policy_text("name = 'kv', args = { '-ignore-shutdown', '-ignore-sigterm' }, stop_timeout = 60"))
    task.run(function()
      local command = support.command({ "run", policy }, { runtime_dir = runtime_dir })
      command:await("stdout", "\n")
      command:kill("INT")
      command:await("stderr", "stopping")
      command:kill("INT")
      assert.are.equal(0, command:wait().code)
      assert.is_truthy(command.stderr:find("SIGKILL", 1, true), command.stderr)
    end)
  end)

  it("leaves nothing when it is interrupted during the launch", function()
    task.run(function()
      local command = support.command({ "run", policy }, { runtime_dir = runtime_dir })
      command:await("stderr", "present")
      command:kill("INT")
      assert.are.equal(0, command:wait().code, command.stderr)
    end)
  end)

  it("removes after kill -9 what was left, says so, and touches nobody else's", function()
    local _, killed = run_and_kill("KILL")
    assert.are.equal(9, killed.signal)
    local left = support.containers(runtime_dir)
    assert.are.equal(1, #left)

    -- The same labels, but for another owner: not ours to remove.
    local labels = ownership.labels("kv", runtime_dir .. "/kv")
    labels["gantry.owner"] = "4294967294@elsewhere"
    local other = assert(support.engine():create("gantry-test-other-" .. runtime_dir:match("%x+$"),
      { Image = "gantry-test-kv:latest", Labels = labels }))
    -- All labels of the one that was left, as an image can bring them: labels alone make nothing ours.
    local alike = assert(support.engine():create("gantry-test-alike-" .. runtime_dir:match("%x+$"),
      { Image = "gantry-test-kv:latest", Labels = assert(support.engine():inspect(left[1].id)).labels }))

    local command, exit = run_and_kill("INT")
    assert.are.equal(0, exit.code, command.stderr)
    assert.is_truthy(command.stderr:find("kv: removed container " .. left[1].id:sub(1, 12), 1, true), command.stderr)
    assert.is_truthy(command.stderr:find(runtime_dir .. "/kv, left by a gantry that was killed", 1, true),
      command.stderr)
    assert.is_true(assert(support.engine():remove(other.id)))
    assert.is_true(assert(support.engine():remove(alike.id)))
  end)

  it("ends with the plugin and tells how", function()
    support.write(policy, support.policy_text("name = 'kv', args = { '-exit-after', '300ms', '-exit-code', '7' }"))
    local result = support.run({ "run", policy }, { runtime_dir = runtime_dir })
    assert.are.equal(8, result.code)
    assert.is_truthy(result.stderr:find("kv: ended (exit code 7, after ", 1, true), result.stderr)
  end)

  it("keeps the container with --debug and says where it is", function()
    support.write(policy, support.policy_text("name = 'kv', args = { '-exit-now', '3', '-say', 'bye' }"))
    local result = support.run({ "run", "--debug", policy }, { runtime_dir = runtime_dir })
    assert.are.equal(4, result.code)
    local kept = support.containers(runtime_dir)
    assert.are.equal(1, #kept)
    assert.is_truthy(result.stderr:find(kept[1].id:sub(1, 12) .. " is kept", 1, true), result.stderr)
    assert(support.engine():remove(kept[1].id))
  end)

  it("shows the diagnosis of a plugin that dies at once", function()
    support.write(policy,
      support.policy_text("name = 'broken', args = { '-exit-now', '3', '-say', 'bye from broken' }"))
    local result = support.run({ "run", policy }, { runtime_dir = runtime_dir })
    assert.are.equal(4, result.code)
    assert.are.equal("", result.stdout)
    local first = "gantry: plugin 'broken' exited before its handshake %(exit code 3, after %d+ ms%)\n"
    assert.is_truthy(result.stderr:find(first), result.stderr)
    assert.is_truthy(result.stderr:find("stderr: .*bye from broken\n"), result.stderr)
    assert.is_truthy(result.stderr:find("image:  gantry-test-kv:latest (sha256:", 1, true), result.stderr)
    assert.is_truthy(result.stderr:find("runtime runc", 1, true), result.stderr)
  end)

  it("shows nothing of a value from the plan in the engine", function()
    local result = support.run({ "plan", "--json", policy }, { runtime_dir = runtime_dir })
    assert.are.equal(0, result.code, result.stderr)
    local plan = assert(json.decode(result.stdout))
    assert.are.same({ "ALL" }, plan.request.HostConfig.CapDrop)
    assert.are.equal("none", plan.request.HostConfig.LogConfig.Type)
    assert.is_true(plan.request.NetworkDisabled)
    assert.are.equal(runtime_dir .. "/kv", plan.request.HostConfig.Mounts[1].Target)
  end)
end)
