-- SPDX-License-Identifier: Apache-2.0
--
--- Attaching to plugins that run already: gantry's own with and without AutoMTLS, with a living owner and a dead one,
--- and one that is launched the way plugincontainer does it.

local core = require "gantry.core"
local gantry = require "gantry"
local json = require "gantry.json"
local support = require "engine.support"
local task = require "gantry.task"
local wire = require "gantry.protobuf.wire"

describe("attaching", function()
  local runtime_dir, state_dir, environment

  before_each(function()
    runtime_dir, state_dir = support.temporary(), support.temporary()
    environment = { GANTRY_STATE_DIR = state_dir }
  end)

  after_each(function()
    assert.are.same({}, support.containers(runtime_dir))
    assert.are.same({}, support.entries(runtime_dir))
    assert.are.same({}, support.entries(state_dir .. "/reattach"))
    support.remove(runtime_dir)
    support.remove(state_dir)
  end)

  ---A plugin with a name of its own: attaching finds it by that.
  local function launch(fields)
    local config = support.kv()
    config.name = "kv-" .. core.system.random(4)
    for name, value in pairs(fields or {}) do config[name] = value end
    return assert(gantry.launch(config, { engine = support.engine_at(runtime_dir), runtime_dir = runtime_dir,
      environment = environment }))
  end

  local function attach(name, options)
    options = options or {}
    options.engine = options.engine or support.engine_at(runtime_dir)
    options.environment = options.environment or environment
    return gantry.attach(name, options)
  end

  local function refused(name, code, ...)
    local plugin, err = attach(name)
    assert.is_nil(plugin)
    assert.are.equal(code, err.code, err.message)
    for _, part in ipairs { ... } do assert.is_truthy(err.message:find(part, 1, true), err.message) end
  end

  local function put(plugin, value)
    assert(plugin:call("proto.KV/Put", wire.bytes_field(1, "key") .. wire.bytes_field(2, value)))
  end

  local function get(plugin)
    return wire.fields(assert(plugin:call("proto.KV/Get", wire.bytes_field(1, "key"))))[1]
  end

  it("finds it by name, id, start of the id and container's name, and lets it run on", function()
    local owner <close> = launch()
    put(owner, "one")
    local name = assert(support.engine():inspect(owner.container)).name
    for _, by in ipairs { owner.name, owner.container, owner.container:sub(1, 12), name } do
      local guest <close> = assert(attach(by))
      assert.are.same({ owner.name, "ready", "grpc", 1 }, { guest.name, guest.state, guest.protocol,
        guest.protocol_version })
      assert.are.same(owner.address, guest.address)
      assert.are.equal("one", get(guest))
      assert.are.equal(owner.handshake.address, guest:to_host(owner.handshake.address))
      assert.are.equal(owner.handshake.address, guest:to_plugin(owner.address.string))
      guest:detach()
      assert.has_error(function() guest:call("proto.KV/Get", "") end, ("plugin '%s' is detached"):format(owner.name))
    end
    put(owner, "two")
    assert.has_error(function() owner:detach() end)
  end)

  it("needs no memory of the launch without AutoMTLS", function()
    local owner <close> = launch()
    local guest <close> = assert(attach(owner.name, { environment = { GANTRY_STATE_DIR = "/nowhere" } }))
    put(guest, "x")
    assert.are.equal(owner.handshake.address, guest.address.string)
  end)

  it("works over AutoMTLS, with the key that only this user can read", function()
    local owner <close> = launch { auto_mtls = true }
    local path = ("%s/reattach/%s.json"):format(state_dir, owner.container)
    assert.are.equal(tonumber("600", 8), core.system.stat(path).mode)
    assert.are.equal(tonumber("700", 8), core.system.stat(state_dir .. "/reattach").mode)
    local guest <close> = assert(attach(owner.name))
    put(guest, "secret")
    assert.are.equal("secret", get(owner))

    local plugin, err = attach(owner.name, { environment = { GANTRY_STATE_DIR = "/nowhere" } })
    assert.is_nil(plugin)
    assert.are.equal("REATTACH_KEY_MISSING", err.code)
  end)

  it("tells of the end, also of one that it asked for", function()
    local owner <close> = launch()
    local guest <close> = assert(attach(owner.name))
    local ended = guest:stop()
    assert.is_true(ended.requested)
    assert.are.equal("ended", guest.state)
    assert.are.equal(0, owner:wait().code)
  end)

  it("cleans up after a plugin whose owner was killed", function()
    local name = "kv-" .. core.system.random(4)
    local path = support.write(runtime_dir .. "/policy.lua", support.policy_text(("name = %q, auto_mtls = true, "
      .. "args = { '-print-stdout', 'tick', '-print-every', '50ms' }"):format(name)))
    task.run(function()
      local command = support.command({ "run", path }, { runtime_dir = runtime_dir,
        environment = { "GANTRY_STATE_DIR=" .. state_dir } })
      command:await("stdout", "\n")
      command:kill("KILL")
      command:wait()
      os.remove(path)

      local printed = task.event()
      local guest <close> = assert(attach(name, { on_output = function(_, bytes)
        if bytes:find("tick", 1, true) then printed:set() end
      end }))
      put(guest, "survived")
      -- Nobody else reads its standard output any more.
      assert.is_truthy(task.deadline(30, function() return true, printed:wait() end))
      guest:stop()
    end)
  end)

  it("says what cannot be", function()
    refused("gantry-no-such-plugin", "PLUGIN_NOT_FOUND", "gantry-no-such-plugin",
      support.engine_at(runtime_dir):by_hand "list")
    local owner <close> = launch()
    local other <close> = assert(gantry.launch(support.kv(), { engine = support.engine_at(runtime_dir),
      runtime_dir = runtime_dir, environment = environment, name = owner.name .. "-2" }))
    local created = assert(support.engine():create("gantry-test-" .. core.system.random(4), {
      Image = "gantry-test-kv:latest", Labels = { ["gantry.plugin"] = owner.name } }))
    refused(created.id, "NOT_RUNNING", "does not run (created)")
    assert(support.engine():remove(created.id))
    assert.is_truthy(other)
  end)

  describe("a container of plugincontainer's", function()
    local engine, id, directory

    ---As plugincontainer launches: another mount target, both spellings of the directory, no labels.
    local function launch_foreign(environment_more)
      engine, directory = support.engine(), runtime_dir .. "/plugin-dir1"
      assert(os.execute("mkdir -m 777 " .. directory))
      local env = { support.cookie[1] .. "=" .. support.cookie[2], "PLUGIN_MIN_PORT=10000", "PLUGIN_MAX_PORT=25000",
        "PLUGIN_PROTOCOL_VERSIONS=1", "PLUGIN_UNIX_SOCKET_DIR=" .. directory,
        "PLUGIN_UNIX_SOCKET_DIR=/tmp/go-plugin-container", table.unpack(environment_more or {}) }
      id = assert(engine:create("gantry-test-" .. core.system.random(4), {
        Image = "gantry-test-kv:latest", Env = env, NetworkDisabled = true, HostConfig = {
          Mounts = { { Type = "bind", Source = directory, Target = "/tmp/go-plugin-container" } } },
      })).id
      assert(engine:start(id))
      assert(task.deadline(60, function()
        while #support.entries(directory) == 0 do task.sleep(0.02) end
        return true
      end))
    end

    after_each(function()
      engine:remove(id)
      support.remove(directory:match("^(.*)/"))
      assert(os.execute("mkdir -m 700 " .. runtime_dir))
    end)

    it("is the same object, and its addresses are translated", function()
      launch_foreign()
      local guest <close> = assert(attach(id))
      put(guest, "foreign")
      assert.are.equal("foreign", get(guest))
      local socket = directory .. "/" .. support.entries(directory)[1]
      assert.are.equal(socket, guest.address.string)
      assert.are.equal(socket, guest:to_host((socket:gsub("^.*/", "/tmp/go-plugin-container/"))))
      local outside, err = guest:to_host("/tmp/elsewhere")
      assert.is_nil(outside)
      assert.are.equal("ADDRESS_NOT_SHARED", err.code)
      assert.are.equal(0, guest:stop().code)
      assert.is_truthy(engine:inspect(id)) -- whoever launched it removes it
    end)

    it("is refused where only its host can have it", function()
      launch_foreign { "PLUGIN_MULTIPLEX_GRPC=true" }
      refused(id, "REATTACH_MULTIPLEXED", "its host's")
    end)
  end)

  describe("for another host", function()
    local function run(...)
      return support.run({ "reattach", ... }, { runtime_dir = runtime_dir,
        environment = { "GANTRY_STATE_DIR=" .. state_dir } })
    end

    it("prints the ReattachConfig", function()
      local owner <close> = launch()
      local result = run(owner.name)
      assert.are.equal(0, result.code, result.stderr)
      local told = assert(json.decode(result.stdout))
      local pid = assert(support.engine():inspect(owner.container)).state.pid
      assert.are.same({ Protocol = "grpc", ProtocolVersion = 1, Pid = pid, Test = true,
        Addr = { Network = "unix", String = owner.address.string } }, told)
    end)

    it("prints what Terraform reads, for a shell", function()
      local owner <close> = launch { protocol_versions = { 1, 6 } }
      local result = run(owner.name, "--format", "terraform", "--provider", "registry.example/it's/null")
      assert.are.equal(0, result.code, result.stderr)
      local pipe <close> = assert(io.popen(result.stdout .. 'printf %s "$TF_REATTACH_PROVIDERS"'))
      local told = assert(json.decode(pipe:read "a"))["registry.example/it's/null"]
      assert.are.same({ owner.address.string, 1 }, { told.Addr.String, told.ProtocolVersion })
    end)

    it("says why not", function()
      local owner <close> = launch { auto_mtls = true }
      local result = run(owner.name)
      assert.are.equal(1, result.code)
      assert.is_truthy(result.stderr:find("auto_mtls = false", 1, true), result.stderr)
      result = run "gantry-no-such-plugin"
      assert.is_truthy(result.stderr:find("no plugin or container", 1, true), result.stderr)
    end)
  end)
end)
