-- SPDX-License-Identifier: Apache-2.0
--
--- The same cases on every engine: that of DOCKER_HOST, with the runtime of GANTRY_MATRIX_RUNTIME. What an engine
--- cannot do is skipped by what it showed when it was asked, never by its name alone.

local LABEL = require("gantry.container").LABEL
local deaths = require "gantry.engine.deaths"
local gantry = require "gantry"
local matrix = require "engines.matrix"
local ownership = require "gantry.ownership"
local support = require "engine.support"
local task = require "gantry.task"
local wire = require "gantry.wire"

local case, skip = matrix.cases(it), matrix.skip

local runtime = matrix.runtime
local engine = support.engine()
local about = assert(engine:describe())
local gvisor = runtime ~= nil
local podman = engine.kind == "podman"

-- Generous: some engines share two processors with a whole test run.
local START_TIMEOUT <const> = "60s"

describe("on " .. matrix.engine, function()
  local runtime_dir

  before_each(function() runtime_dir = support.temporary() end)

  after_each(function()
    assert.are.same({}, support.containers(runtime_dir))
    assert.are.same({}, support.entries(runtime_dir))
    support.remove(runtime_dir)
  end)

  ---A policy of the test plugin on this engine.
  ---@param changes table?
  ---@param ... string the plugin's flags
  local function policy(changes, ...)
    local config = support.kv(...)
    config.runtime, config.start_timeout, config.rootless = runtime, START_TIMEOUT, about.rootless
    for name, value in pairs(changes or {}) do config[name] = value end
    return config
  end

  ---@param config table
  ---@param options table?
  ---@return gantry.Plugin?, gantry.Error?
  local function launch(config, options)
    options = options or {}
    options.runtime_dir = runtime_dir
    return gantry.launch(config, options)
  end

  local function refused(config, code)
    local plugin <close>, err = launch(config)
    assert.is_nil(plugin)
    assert.are.equal(code, err.code, tostring(err))
    return err
  end

  ---Launches, calls and stops.
  ---@param config table
  local function serves(config)
    local plugin <close> = assert(launch(config))
    assert(plugin:call("proto.KV/Put", wire.bytes_field(1, "key") .. wire.bytes_field(2, "value")))
    local reply = assert(plugin:call("proto.KV/Get", wire.bytes_field(1, "key")))
    assert.are.equal("value", wire.fields(reply)[1])
    local exit = plugin:stop()
    assert.are.same({ "exit", 0, true }, { exit.cause, exit.code, exit.requested })
  end

  ---Launches and stops a plugin that locks its memory.
  ---@param tag string
  ---@return table? skipped
  local function serves_locked(tag)
    local plugin <close>, err = launch(policy({ tag = tag, cap_ipc_lock = true }, "-mlock"))
    if not plugin then
      local last = err.diagnosis and err.diagnosis.output[#err.diagnosis.output]
      local refusal = last and last.line:match("mlockall: (.+)$")
      -- The kernel counts IPC_LOCK of its first user namespace alone; older gVisor knows no capabilities of files.
      if refusal and gvisor then return skip("gVisor refuses mlockall: " .. refusal) end
      if refusal and about.rootless then
        return skip(("the kernel refuses mlockall in a user namespace: %s (RLIMIT_MEMLOCK is %s KiB and could not be "
          .. "raised)"):format(refusal, os.getenv("GANTRY_MATRIX_MEMLOCK") or "?"))
      end
      error(tostring(err))
    end
    assert.are.equal(0, plugin:stop().code)
  end

  if runtime == "runsc-closed" then
    case("no host-uds", function()
      local config = policy { start_timeout = "3s" }
      local err = refused(config, "SOCKET_NOT_VISIBLE")
      assert.is_truthy(err.message:find("--host-uds", 1, true), err.message)
    end)
    return
  end

  case("launch", function() serves(policy()) end)

  case("AutoMTLS", function() serves(policy { auto_mtls = true }) end)

  case("nonroot", function() serves(policy { tag = "nonroot" }) end)

  if about.rootless then
    case("nonroot refused", function()
      local err = refused(policy { tag = "nonroot", rootless = false }, "ROOTLESS_USER")
      assert.is_truthy(err.message:find("rootless = true", 1, true), err.message)
    end)
  end

  case("mlock", function() return serves_locked "latest" end)

  case("nonroot mlock", function()
    if not engine:inspect_image("gantry-test-kv:nonroot-mlock") then
      return skip "no image whose binary has the file's capability: setcap was missing"
    end
    return serves_locked "nonroot-mlock"
  end)

  case("pin", function()
    local id = assert(engine:inspect_image("gantry-test-kv:latest")).Id
    serves(policy { sha256 = id })
    local err = refused(policy { sha256 = ("0"):rep(64) }, "IMAGE_PIN_MISMATCH")
    assert.is_truthy(err.message:find(id, 1, true), err.message)
  end)

  case("early exit", function()
    for _ = 1, 3 do
      local err = refused(policy({}, "-exit-now", "3", "-say", "bye from broken"), "EXITED_BEFORE_HANDSHAKE")
      local found = err.diagnosis
      assert.are.equal(3, found.exit.code)
      local last = found.output[#found.output]
      assert.is_truthy(last and last.line:find("bye from broken", 1, true), tostring(err))
      assert.are.equal(runtime or about.default_runtime, found.runtime)
    end
  end)

  case("no entrypoint", function()
    local err = refused(policy { entrypoint = { "/no/such/file" } }, "START_FAILED")
    assert.is_truthy(err.message:find("/no/such/file", 1, true), err.message)
  end)

  case("out of memory", function()
    local config = policy({ memory = gvisor and "128MiB" or "32MiB" }, "-allocate", tostring(256 * 1024 * 1024),
      "-allocate-after", "1s", "-exit-after", "8s")
    -- On a busy machine, dockerd loses the news of some of them for good (3 of 32).
    for _ = 1, 4 do
      local plugin <close> = assert(launch(config))
      local exit = plugin:wait()
      if exit.cause == "oom" then return assert.are.equal(137, exit.code) and nil end
      if exit.cause == "exit" and exit.code == 0 and about.rootless then
        return skip(("limits are ignored: memory of 256 MiB was used under a limit of %s (cgroup driver %s)")
          :format(config.memory, tostring(assert(engine:info()).CgroupDriver)))
      end
      assert.are.same({ "signal", 137 }, { exit.cause, exit.code })
    end
    assert.is_true(podman, "the engine says OOMKilled: false of four plugins that it killed")
    return skip "the engine says OOMKilled: false of what it killed, four times of four"
  end)

  case("kill", function()
    local plugin <close> = assert(launch(policy()))
    assert.is_true(plugin:kill("KILL"))
    local exit = plugin:wait()
    assert.are.same({ "signal", "KILL", 137, false }, { exit.cause, exit.signal, exit.code, exit.requested })
  end)

  case("events", function()
    task.run(function()
      local followed = deaths.new(engine, { [LABEL.owner] = ownership.owner() })
      local scope <close> = task.scope()
      scope:spawn(followed.run, followed)
      local plugin <close> = assert(launch(policy({}, "-exit-after", "300ms", "-exit-code", "7")))
      local death = assert(followed:await(plugin.container, 30), "no event told of the death")
      assert.are.same({ 7, false }, { death.code, death.oom })
      assert.is_true(death.uptime > 0.1)
      plugin:wait()
      scope:cancel()
    end)
  end)

  case("stop", function()
    local plugin <close> = assert(launch(policy({ stop_timeout = "500ms" }, "-ignore-shutdown", "-ignore-sigterm")))
    local exit = plugin:stop()
    assert.are.equal("KILL", exit.signal)
    assert.is_true(exit.requested)
  end)

  case("kill -9", function()
    local file = support.write(runtime_dir .. ".lua", support.policy_text(
      ("name = 'kv', runtime = %s, start_timeout = %q"):format(runtime and ("%q"):format(runtime), START_TIMEOUT)))
    local _ <close> = setmetatable({}, { __close = function() os.remove(file) end })
    task.run(function()
      local command = support.command({ "run", file }, { runtime_dir = runtime_dir })
      command:await("stdout", "\n")
      command:kill("KILL")
      assert.are.equal(9, command:wait().signal)
      local left = support.containers(runtime_dir)
      assert.are.equal(1, #left)

      local removed
      local plugin <close> = assert(launch(policy(), { on_event = function(kind, fields)
        if kind == "leftovers" then removed = fields.containers end
      end }))
      assert.are.same({ left[1].Id }, removed)
      assert.are.equal(1, #support.containers(runtime_dir))
      assert.are.equal("ready", plugin.state)
    end)
  end)

  case("plan", function()
    local plan = assert(gantry.plan(policy(), { runtime_dir = runtime_dir }))
    assert.are.equal(runtime_dir .. "/kv", plan.request.HostConfig.Mounts[1].Target)
  end)

  case("fields", function() matrix.check_fields(policy, launch) end)

  case("no network", function()
    local plugin <close> = assert(launch(policy()))
    local container = assert(engine:inspect(plugin.container))
    assert.is_true(container.Config.NetworkDisabled or container.HostConfig.NetworkMode == "none")
    for name, network in pairs(container.NetworkSettings.Networks or {}) do
      assert.are.equal("", network.IPAddress or "", name)
    end
  end)

  case("runtime refused", function()
    local err = refused(policy { runtime = "no-such-runtime" }, podman and "ENGINE_UNSUPPORTED" or "RUNTIME_UNKNOWN")
    assert.is_truthy(err.message:find("runtime", 1, true), err.message)
  end)

  case("mount refused", function()
    local missing = runtime_dir .. "-missing"
    local plugin <close>, err = launch(policy { mounts = { { source = missing, target = "/data" } } })
    assert.is_nil(plugin)
    assert.is_truthy(err.message:find(missing, 1, true), err.message)
    assert.is_nil(require("gantry.core").system.stat(missing))
  end)
end)
