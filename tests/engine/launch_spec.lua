-- SPDX-License-Identifier: Apache-2.0
--
--- A real plugin in a real container, through the library: launched, called, stopped; and every way to fail before it
--- is ready. After each, the engine and the runtime directory are as before.

local gantry = require "gantry"
local support = require "engine.support"
local task = require "gantry.task"
local wire = require "gantry.protobuf.wire"

describe("a launch", function()
  local runtime_dir

  before_each(function() runtime_dir = support.temporary() end)

  after_each(function()
    assert.are.same({}, support.containers(runtime_dir))
    assert.are.same({}, support.entries(runtime_dir))
    support.remove(runtime_dir)
  end)

  ---@return gantry.Plugin?, gantry.Error?
  local function launch(config, options)
    options = options or {}
    options.runtime_dir = runtime_dir
    return gantry.launch(config, options)
  end

  ---Launches what must fail, and returns the error.
  local function refused(config, code)
    local plugin, err = launch(config)
    assert.is_nil(plugin)
    assert.are.equal(code, err.code, err.message)
    return err
  end

  for _, tag in ipairs { "1.8", "1.6" } do
    it("makes a plugin of go-plugin " .. tag .. " ready, callable and stoppable", function()
      if not support.engine():image("gantry-test-kv:" .. tag) then
        return pending("this machine's Go is too old to build it (see tests/plugins/build.sh)")
      end
      local config = support.kv()
      config.tag = tag
      local plugin = assert(launch(config))
      assert.are.equal("ready", plugin.state)
      assert.are.equal("grpc", plugin.protocol)
      assert.are.equal(1, plugin.protocol_version)
      assert.are.equal(runtime_dir .. "/kv.sock", plugin.address.string)

      assert(plugin:call("proto.KV/Put", wire.bytes_field(1, "key") .. wire.bytes_field(2, "value")))
      local reply = assert(plugin:call("/proto.KV/Get", wire.bytes_field(1, "key")))
      assert.are.equal("value", wire.fields(reply)[1])
      local nothing, err = plugin:call("proto.KV/Missing", "")
      assert.is_nil(nothing)
      assert.are.equal("UNIMPLEMENTED", err.code)

      local exit = plugin:stop()
      assert.are.equal("exit", exit.cause)
      assert.are.equal(0, exit.code)
      assert.is_true(exit.requested)
      assert.has_error(function() plugin:call("proto.KV/Get", "") end, "plugin 'kv' has ended")
    end)
  end

  it("works over AutoMTLS", function()
    local config = support.kv()
    config.auto_mtls = true
    local plugin <close> = assert(launch(config))
    assert(plugin:call("proto.KV/Put", wire.bytes_field(1, "key") .. wire.bytes_field(2, "value")))
  end)

  it("serves an image whose user is not root", function()
    local config = support.kv()
    config.tag = "nonroot"
    local plugin <close> = assert(launch(config))
    assert(plugin:call("proto.KV/Put", wire.bytes_field(1, "key") .. wire.bytes_field(2, "value")))
  end)

  it("is stopped by leaving a <close> variable's scope, in a task too", function()
    task.run(function()
      local plugin <close> = assert(launch(support.kv()))
      assert.are.equal("ready", plugin.state)
    end)
  end)

  it("leaves nothing when it is cancelled at any moment", function()
    for delay = 0, 400, 40 do
      task.run(function()
        local launching = task.spawn(launch, support.kv())
        task.sleep(delay / 1000)
        launching:cancel()
        local ended, plugin = pcall(launching.wait, launching)
        if ended and plugin then plugin:stop() end -- it was ready before
      end)
      assert.are.same({}, support.containers(runtime_dir), "after " .. delay .. " ms")
    end
  end)

  it("tells of an exit before the handshake, every time", function()
    for round = 1, 50 do
      local plugin, err = launch(support.kv("-exit-now", "3", "-say", "bye from broken"))
      assert.is_nil(plugin)
      assert.are.equal("EXITED_BEFORE_HANDSHAKE", err.code)
      assert.is_truthy(err.message:find("exited before its handshake (exit code 3, after ", 1, true), err.message)
      local found = err.diagnosis
      assert.are.equal(3, found.exit.code)
      assert.are.equal("gantry-test-kv:latest", found.image)
      assert.are.equal("runc", found.runtime)
      local last = found.output[#found.output]
      assert.is_truthy(last and last.line:find("bye from broken", 1, true), "no last output in round " .. round)
    end
  end)

  it("refuses junk before the handshake and shows it", function()
    local err = refused(support.kv("-junk", "hello, I am a plugin"), "HANDSHAKE_INVALID")
    assert.is_truthy(err.message:find("hello, I am a plugin", 1, true))
    assert.is_truthy(err.diagnosis.image_id)
  end)

  it("refuses a first line without end", function() refused(support.kv("-junk-bytes", "100000"),
    "HANDSHAKE_TOO_LONG") end)

  it("refuses another core protocol version", function()
    refused(support.kv("-handshake", "2|1|unix|/tmp/x|grpc"), "HANDSHAKE_CORE_VERSION")
  end)

  it("refuses another application protocol version", function()
    refused(support.kv("-handshake", "1|9|unix|/tmp/x|grpc"), "HANDSHAKE_PROTOCOL_VERSION")
  end)

  it("refuses a protocol that the policy does not allow", function()
    local config = support.kv("-handshake", "1|1|unix|/tmp/x|netrpc")
    config.protocol = "grpc"
    refused(config, "HANDSHAKE_PROTOCOL")
  end)

  it("refuses an address outside the shared directory", function()
    refused(support.kv("-handshake", "1|1|unix|/tmp/x|grpc"), "HANDSHAKE_ADDRESS")
  end)

  it("refuses a plugin that listens on TCP", function()
    refused(support.kv("-handshake", "1|1|tcp|127.0.0.1:1234|grpc"), "HANDSHAKE_NETWORK")
  end)

  it("ends a start that takes longer than start_timeout", function()
    local config = support.kv("-slow-handshake", "30s")
    config.start_timeout = "1s"
    local err = refused(config, "START_TIMEOUT")
    assert.is_truthy(err.message:find("start_timeout of 1s", 1, true))
  end)

  it("waits for a slow handshake within start_timeout", function()
    local plugin <close> = assert(launch(support.kv("-slow-handshake", "1s")))
    assert.is_true(plugin.ready_ms >= 1000)
  end)

  it("says that an image is missing", function()
    refused({ name = "kv", image = "gantry-no-such-image", cookie = support.cookie }, "IMAGE_NOT_FOUND")
  end)

  it("verifies the pin and says what was found", function()
    local config = support.kv()
    config.sha256 = ("0"):rep(64)
    local err = refused(config, "IMAGE_PIN_MISMATCH")
    local id = assert(support.engine():image("gantry-test-kv:latest")).id
    assert.is_truthy(err.message:find(id, 1, true))

    config.sha256 = id
    local plugin <close> = assert(launch(config))
    assert.are.equal("ready", plugin.state)
  end)

  it("names the runtimes when one is unknown", function()
    local config = support.kv()
    config.runtime = "no-such-runtime"
    local err = refused(config, "RUNTIME_UNKNOWN")
    assert.is_truthy(err.message:find("runc", 1, true))
  end)

  it("tells what the engine said of an entrypoint that is not there", function()
    local config = support.kv()
    config.entrypoint = { "/no/such/file" }
    local err = refused(config, "START_FAILED")
    assert.is_truthy(err.message:find("/no/such/file", 1, true))
  end)

  it("ends by the signal that the policy names, or the image", function()
    assert(os.execute("printf 'FROM gantry-test-kv:latest\\nSTOPSIGNAL SIGQUIT\\n' | "
      .. "docker build -q -t gantry-test-kv:quit - >/dev/null 2>&1"))
    local _ <close> = setmetatable({}, { __close = function()
      os.execute "docker rmi gantry-test-kv:quit >/dev/null"
    end })
    for _, changes in ipairs { { stop_signal = "SIGQUIT" }, { tag = "quit" }, { tag = "quit", init = false } } do
      local config, told = support.kv("-ignore-shutdown"), {}
      for name, value in pairs(changes) do config[name] = value end
      local plugin <close> = assert(launch(config, { on_event = function(kind, fields)
        if kind == "stopping" then told[#told + 1] = fields.how end
      end }))
      assert.are.equal(2, plugin:stop().code) -- Go's runtime shows all stacks at a SIGQUIT, and ends so
      assert.are.same({ "Shutdown", "SIGQUIT" }, told)
    end
  end)

  it("refuses a second one of the same name while the first lives", function()
    local first <close> = assert(launch(support.kv()))
    assert.are.equal("ready", first.state)
    refused(support.kv(), "ALREADY_RUNNING")
  end)
end)

describe("a plugin's end", function()
  local runtime_dir = support.temporary()

  after_each(function() assert.are.same({}, support.containers(runtime_dir)) end)
  teardown(function() support.remove(runtime_dir) end)

  local function launch(config) return assert(gantry.launch(config, { runtime_dir = runtime_dir })) end

  it("is told with its exit code", function()
    local plugin = launch(support.kv("-exit-after", "200ms", "-exit-code", "7"))
    local exit = plugin:wait()
    assert.are.equal("exit", exit.cause)
    assert.are.equal(7, exit.code)
    assert.is_false(exit.requested)
  end)

  it("is told with its signal", function()
    local plugin = launch(support.kv())
    plugin:kill("KILL")
    local exit = plugin:wait()
    assert.are.equal("signal", exit.cause)
    assert.are.equal("KILL", exit.signal)
    assert.are.equal(137, exit.code)
  end)

  it("is told as out of memory where it was", function()
    local config = support.kv("-allocate", tostring(256 * 1024 * 1024), "-allocate-after", "200ms")
    config.memory = "32MiB"
    local exit
    for _ = 1, 4 do -- a busy engine loses the news of some of them for good
      exit = launch(config):wait()
      assert.are.equal(137, exit.code)
      if exit.cause == "oom" then break end
    end
    assert.are.equal("oom", exit.cause)
  end)

  it("is told to a call under way", function()
    local plugin = launch(support.kv("-exit-after", "300ms", "-exit-code", "5"))
    local err
    repeat
      local reply, failure = plugin:call("proto.KV/Put", wire.bytes_field(1, "key"))
      err = failure
      if reply then task.sleep(0.01) end
    until err or plugin.state == "ended"
    if err then
      assert.are.equal("PLUGIN_EXITED", err.code)
      assert.are.equal(5, err.exit.code)
    end
    assert.are.equal(5, plugin:wait().code)
  end)

  it("follows SIGTERM where Shutdown is ignored, and SIGKILL where both are", function()
    local plugin = launch(support.kv("-ignore-shutdown"))
    plugin.config.stop_timeout = 0.5
    local exit = plugin:stop()
    assert.is_true(exit.requested)
    assert.are_not.equal("KILL", exit.signal)

    plugin = launch(support.kv("-ignore-shutdown", "-ignore-sigterm"))
    plugin.config.stop_timeout = 0.5
    exit = plugin:stop()
    assert.are.equal("KILL", exit.signal)
  end)

  it("takes what the plugin prints through Go's stdout and stderr", function()
    local seen = {}
    local plugin = assert(gantry.launch(support.kv("-print-stdout", "printed after serving"), {
      runtime_dir = runtime_dir, on_output = function(stream, bytes) seen[stream] = (seen[stream] or "") .. bytes end,
    }))
    for _ = 1, 100 do
      if (seen.stdout or ""):find("printed after serving", 1, true) then break end
      task.sleep(0.05)
    end
    plugin:stop()
    assert.is_truthy((seen.stdout or ""):find("printed after serving", 1, true))
    assert.is_truthy((seen.stderr or ""):find("plugin address", 1, true) or seen.stderr)
  end)
end)
