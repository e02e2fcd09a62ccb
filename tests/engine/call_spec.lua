-- SPDX-License-Identifier: Apache-2.0
--
--- Calls of a real plugin without .proto files: through the library, and with `gantry call`.

local gantry = require "gantry"
local json = require "gantry.json"
local support = require "engine.support"
local task = require "gantry.task"
local wire = require "gantry.protobuf.wire"

local WATCH = "grpc.health.v1.Health/Watch"
local NEVER = "plugin.GRPCController/Shutdown" -- never answers with -hang-shutdown

local runtime_dir

local function make() runtime_dir = support.temporary() end

local function check_and_remove()
  assert.are.same({}, support.containers(runtime_dir))
  assert.are.same({}, support.entries(runtime_dir))
  support.remove(runtime_dir)
end

---@return gantry.Plugin
local function launch(config)
  return assert(gantry.launch(config, { runtime_dir = runtime_dir }))
end

describe("a call without .proto files", function()
  before_each(make)
  after_each(check_and_remove)

  for _, tag in ipairs { "1.8", "1.6" } do
    it("works with go-plugin " .. tag, function()
      local config = support.kv()
      config.tag = tag
      local plugin = launch(config)
      local services = assert(plugin:services())
      assert.are.same({ "Put", "Get" }, services["proto.KV"])
      assert.is_truthy(services["grpc.health.v1.Health"])

      assert.are.same({}, assert(plugin:call("proto.KV/Put", { key = "a", value = "\xff\0" })))
      assert.are.same({ value = "\xff\0" }, assert(plugin:call("/proto.KV/Get", { key = "a" })))
      assert.are.same({ value = "\xff\0" }, assert(plugin.rpc.KV:Get { key = "a" }))
      assert.are.same({ value = "\xff\0" }, assert(plugin.rpc["proto.KV"]:Get({ key = "a" }, { timeout = 60 })))
      assert.are.equal("\xff\0", wire.fields(assert(plugin:call("proto.KV/Get", wire.bytes_field(1, "a"))))[1])
      assert.are.same({ status = "SERVING" }, assert(plugin.rpc.Health:Check { service = "plugin" }))

      plugin:stop()
      assert.has_error(function() plugin:call("proto.KV/Get", {}) end, "plugin 'kv' has ended")
      assert.has_error(function() plugin:services() end, "plugin 'kv' has ended")
      assert.has_error(function() plugin.rpc.KV:Get {} end, "plugin 'kv' has ended")
      assert.has_error(function() plugin:stream(WATCH, {}) end, "plugin 'kv' has ended")
    end)
  end

  it("works over AutoMTLS", function()
    local config = support.kv()
    config.auto_mtls = true
    local plugin <close> = launch(config)
    assert(plugin:call("KV/Put", { key = "a", value = "b" }))
    assert.are.same({ value = "b" }, assert(plugin.rpc.KV:Get { key = "a" }))
  end)

  it("tells what is wrong", function()
    local plugin <close> = launch(support.kv())
    local function refused(code, message, path, ...)
      local reply, err = plugin:call(path, ...)
      assert.is_nil(reply)
      assert.are.equal(code, err.code)
      assert.are.equal(message, err.message)
    end
    refused("NOT_FOUND", 'call /proto.KV/Get: NOT_FOUND: no value for key "x"', "proto.KV/Get", { key = "x" })
    refused("INVALID_ARGUMENT", "call /proto.KV/Get: INVALID_ARGUMENT: key is empty", "proto.KV/Get")
    refused("MESSAGE_INVALID", "Get.request: unknown field 'kee'; did you mean 'key'?", "KV/Get", { kee = "x" })
    refused("MESSAGE_INVALID", "Get.request.key: string expected, got number", "KV/Get", { key = 5 })
    refused("MESSAGE_INVALID", "Get.request: GetRequest (a table) expected, got boolean", "KV/Get", true)
    refused("METHOD_UNKNOWN", "call KV/Gett: service proto.KV has no method 'Gett'; did you mean 'Get'?", "KV/Gett", {})
    refused("SERVICE_UNKNOWN", "call KW/Get: plugin 'kv' has no service 'KW'; did you mean 'KV'?", "KW/Get", {})
    refused("METHOD_STREAMS", "call /grpc.health.v1.Health/Watch: it answers with any number of messages; use "
      .. "plugin:stream", WATCH, {})
    local reply, err = plugin.rpc.KV:Gett {}
    assert.is_nil(reply)
    assert.are.equal("METHOD_UNKNOWN", err.code)
  end)

  it("streams, and may be left early", function()
    local plugin <close> = launch(support.kv())
    local seen = {}
    for message in plugin:stream(WATCH, { service = "plugin" }) do -- luacheck: ignore 512
      seen[1] = message
      break
    end
    for message in plugin.rpc.Health:Watch { service = "none" } do -- luacheck: ignore 512
      seen[2] = message
      break
    end
    assert.are.same({ { status = "SERVING" }, { status = "SERVICE_UNKNOWN" } }, seen)
    local ok, err = pcall(function()
      for _ in plugin:stream("grpc.health.v1.Health/Wach", {}) do error "no message was expected" end
    end)
    assert.is_false(ok)
    assert.are.equal("METHOD_UNKNOWN", err.code)
    local stream <close> = plugin:stream(WATCH, { service = "plugin" }, { timeout = 2 })
    assert(stream:next())
    local message, late = stream:next()
    assert.is_nil(message)
    assert.are.equal("DEADLINE_EXCEEDED", late.code)
  end)

  it("carries large messages", function()
    local plugin <close> = launch(support.kv())
    local value = ("x"):rep(3 * 1024 * 1024)
    assert(plugin:call("KV/Put", { key = "a", value = value }))
    assert.are.equal(value, assert(plugin:call("KV/Get", { key = "a" })).value)
    local reply, err = plugin:call("KV/Get", { key = "a" }, { limit = 1024 * 1024 })
    assert.is_nil(reply)
    assert.are.equal("RESOURCE_EXHAUSTED", err.code)
  end)

  it("has a deadline", function()
    local plugin = launch(support.kv("-hang-shutdown"))
    local reply, err = plugin:call(NEVER, {}, { timeout = 0.3 })
    assert.is_nil(reply)
    assert.are.equal("DEADLINE_EXCEEDED", err.code)
    plugin:stop { at_once = true }
  end)

  it("tells that the plugin died meanwhile, and how", function()
    task.run(function()
      local plugin = launch(support.kv("-hang-shutdown"))
      local stream <close> = plugin:stream(WATCH, { service = "plugin" })
      assert(stream:next())
      local streaming = task.spawn(function() return stream:next() end)
      local calling = task.spawn(function() return plugin:call(NEVER, {}) end)
      assert(plugin:call("KV/Put", { key = "a" }))
      assert(plugin:kill "KILL")
      for _, one in ipairs { streaming, calling } do
        local message, err = one:wait()
        assert.is_nil(message)
        assert.are.equal("PLUGIN_EXITED", err.code)
        assert.are.equal("KILL", err.exit.signal)
        assert.is_truthy(err.message:find("plugin 'kv' ended during the call (killed by SIGKILL", 1, true), err.message)
      end
      plugin:wait()
    end)
  end)

  it("ends with the plugin that is stopped meanwhile", function()
    task.run(function()
      local plugin = launch(support.kv("-hang-shutdown"))
      local calling = task.spawn(function() return plugin:call(NEVER, {}) end)
      assert(plugin:call("KV/Put", { key = "a" }))
      plugin:stop { at_once = true }
      local message, err = calling:wait()
      assert.is_nil(message)
      assert.are.equal("PLUGIN_EXITED", err.code)
      assert.is_true(err.exit.requested)
    end)
  end)
end)

describe("gantry call", function()
  local policy

  before_each(function()
    make()
    policy = support.write(runtime_dir .. "-kv.lua", support.policy_text("name = 'kv'"))
  end)

  after_each(function()
    os.remove(policy)
    check_and_remove()
  end)

  local function call(...)
    return support.run({ "call", ... }, { runtime_dir = runtime_dir })
  end

  it("prints the reply as JSON and nothing else", function()
    local put = call(policy, "KV/Put", '{"key":"a","value":"aGVsbG8="}')
    assert.are.same({ 0, "{}\n", "" }, { put.code, put.stdout, put.stderr })
    local check = call(policy, "grpc.health.v1.Health/Check", '{"service":"plugin"}', "--json")
    assert.are.same({ 0, '{"status":"SERVING"}\n', "" }, { check.code, check.stdout, check.stderr })
  end)

  it("takes the request from a file and from standard input", function()
    local file = support.write(runtime_dir .. "-request.json", '{"service": "plugin"}\n')
    local found = call(policy, "Health/Check", "@" .. file)
    local pipe = assert(io.popen(("GANTRY_RUNTIME_DIR=%s %s call %s Health/Check - <%s"):format(runtime_dir,
      support.executable, policy, file)))
    local printed = pipe:read("a")
    assert.is_true((pipe:close()))
    os.remove(file)
    assert.are.equal('{"status":"SERVING"}\n', found.stdout, found.stderr)
    assert.are.equal('{"status":"SERVING"}\n', printed)
  end)

  it("lists what there is", function()
    local text = call("--list", policy)
    assert.are.equal(0, text.code, text.stderr)
    local put = "service proto.KV\n  Put (proto.PutRequest) returns (proto.PutResponse)\n"
    assert.is_truthy(text.stdout:find(put, 1, true), text.stdout)
    assert.is_truthy(text.stdout:find("message proto.PutRequest\n  key    string\n  value  bytes\n", 1, true))
    local one = call("--list", "--json", policy, "Health")
    local listed = assert(json.decode(one.stdout))
    assert.are.equal("grpc.health.v1.Health", listed.services[1].name)
    assert.are.equal(1, #listed.services)
    local names = {}
    for _, value in ipairs(listed.enums[1].values) do names[#names + 1] = value.name end
    assert.are.same({ "UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN" }, names)
  end)

  -- Exit code, standard error, arguments after the policy.
  local FAILURES = {
    { 1, 'gantry: call /proto.KV/Get: NOT_FOUND: no value for key "x"\n', "KV/Get", '{"key":"x"}' },
    { 2, "gantry: Get.request: unknown field 'kye'; did you mean 'key'?\n", "KV/Get", '{"kye":"x"}' },
    { 2, "gantry: Put.request.value: bytes (a string in base64) expected, got \"?\"\n", "KV/Put", '{"value":"?"}' },
    { 2, "gantry: call KV/Gat: service proto.KV has no method 'Gat'; did you mean 'Get'?\n", "KV/Gat" },
    { 2, "gantry: plugin 'kv' has no service 'KX'; did you mean 'KV'?\n", "KX", "--list" },
  }
  for _, case in ipairs(FAILURES) do
    it("says what is wrong: " .. case[2]:sub(9, -2), function()
      local failed = call(policy, table.unpack(case, 3))
      -- A call has a plugin of its own, with a name of its own.
      assert.are.same({ case[1], "", case[2] }, { failed.code, failed.stdout, (failed.stderr:gsub("kv%-%x+", "kv")) })
    end)
  end

  it("launches nothing for a command line that is wrong", function()
    for _, arguments in ipairs { {}, { "KV/Get", "{" }, { "KV/Get", "@/no/such/file" }, { "KV/Get", "{}", "--list" },
      { "KV/Get", "--timeout", "soon" } } do
      local failed = call("/no/such/policy.lua", table.unpack(arguments))
      assert.are.equal(2, failed.code, failed.stderr)
      assert.are.equal("", failed.stdout)
      assert.is_truthy(failed.stderr:find("^gantry: [^\n]+\n$"), failed.stderr)
    end
    assert.are.equal(3, call("/no/such/policy.lua", "KV/Get").code)
  end)

  it("gives errors as JSON too, and the log with --verbose", function()
    local failed = call("--json", "--verbose", policy, "KV/Get", '{"key":"x"}')
    assert.are.equal(1, failed.code)
    local err = assert(json.decode(failed.stdout)).errors[1]
    assert.are.same({ "NOT_FOUND", 5 }, { err.code, err.status })
    assert.is_truthy(failed.stderr:find("kv: ready, go-plugin protocol 1", 1, true), failed.stderr)
  end)

  it("prints what a method streams until its deadline", function()
    local watched = call(policy, WATCH, '{"service":"plugin"}', "--timeout", "3s")
    assert.are.equal(1, watched.code)
    assert.are.equal('{"status":"SERVING"}\n', watched.stdout)
    assert.is_truthy(watched.stderr:find("DEADLINE_EXCEEDED", 1, true), watched.stderr)
  end)

  it("stops in order when it is interrupted", function()
    task.run(function()
      local command = support.command({ "call", policy, WATCH, '{"service":"plugin"}', "--timeout", "600" },
        { runtime_dir = runtime_dir })
      command:await("stdout", "\n")
      command:kill "INT"
      assert.are.equal(1, command:wait().code)
      assert.are.equal("gantry: interrupted\n", command.stderr)
    end)
  end)

  it("tells of a plugin that died meanwhile", function()
    task.run(function()
      local command = support.command({ "call", policy, WATCH, '{"service":"plugin"}' }, { runtime_dir = runtime_dir })
      command:await("stdout", "\n")
      assert(support.engine():kill(support.containers(runtime_dir)[1].id, "KILL"))
      assert.are.equal(8, command:wait().code, command.stderr)
      assert.matches("plugin 'kv%-%x+' ended during the call %(killed by SIGKILL", command.stderr)
    end)
  end)

  it("calls a plugin that runs already, by its name, and leaves it running", function()
    task.run(function()
      local running = support.command({ "run", policy }, { runtime_dir = runtime_dir })
      running:await("stdout", "\n")
      for _, arguments in ipairs {
        { "KV/Put", '{"key":"a","value":"aGVsbG8="}' }, { "KV/Get", '{"key":"a"}' },
      } do
        local one = support.command({ "call", "kv", table.unpack(arguments) }, { runtime_dir = runtime_dir })
        assert.are.equal(0, one:wait().code, one.stderr)
        if arguments[1] == "KV/Get" then assert.are.equal('{"value":"aGVsbG8="}\n', one.stdout) end
      end
      running:kill("INT")
      assert.are.equal(0, running:wait().code, running.stderr)
    end)
    local missing = call("no-such-plugin", "KV/Get")
    assert.are_not.equal(0, missing.code)
    assert.is_truthy(missing.stderr:find("no-such-plugin", 1, true), missing.stderr)
  end)

  it("leaves to the next launch what kill -9 left", function()
    task.run(function()
      local command = support.command({ "call", policy, WATCH, '{"service":"plugin"}' }, { runtime_dir = runtime_dir })
      command:await("stdout", "\n")
      command:kill "KILL"
      command:wait()
    end)
    -- An engine without a daemon has it end with its owner: then the directory is what was left.
    assert.are.equal(1, support.engine().capabilities.ends_with_owner and 1 or #support.containers(runtime_dir))
    assert.are_not.same({}, support.entries(runtime_dir))
    support.eventually("all is gone", function()
      assert.are.equal(0, call(policy, "KV/Put", '{"key":"a"}').code)
      return #support.entries(runtime_dir) == 0
    end)
  end)
end)
