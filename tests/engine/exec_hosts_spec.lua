-- SPDX-License-Identifier: Apache-2.0
--
--- Unmodified hosts with executable policies for plugins: go-plugin's own examples, and OpenTofu with two providers.

local core = require "gantry.core"
local gantry = require "gantry"
local host_record = require "engine.host_record"
local hosts = require "engine.hosts"
local support = require "engine.support"
local task = require "gantry.task"

describe("an unmodified host", function()
  local root, runtime_dir

  before_each(function()
    root = support.temporary()
    runtime_dir = root .. "/run"
    assert(os.execute(("mkdir -m 700 %s %s/work"):format(runtime_dir, root)))
  end)

  after_each(function()
    task.run(function() hosts.assert_nothing_left(root, runtime_dir) end)
    support.remove(root)
  end)

  ---Runs one of go-plugin's example hosts in a directory of its own.
  ---@param name string
  ---@param policy { image: string, path: string, fields: string? } the plugin's, below the directory
  ---@param arguments string[]
  ---@param environment string[]?
  local function example(name, policy, arguments, environment)
    local path = root .. "/work/" .. policy.path
    assert(os.execute("mkdir -p " .. path:match("^(.*)/")))
    hosts.policy(path, ('image = "gantry-test-example-%s", disable_network = true, cwd = "rw",\n%s')
      :format(policy.image, policy.fields or ""))
    local entries = { "KV_PLUGIN=" .. path, "COUNTER_PLUGIN=" .. path, table.unpack(environment or {}) }
    return hosts.run("example-" .. name, arguments, { runtime_dir = runtime_dir, directory = root .. "/work",
      environment = entries })
  end

  local defined, shown = 0, 0 -- of the examples

  local function it_if_built(name, what, fn)
    local count = name ~= "tofu" and 1 or 0
    defined = defined + count
    it(what, function()
      if not hosts.find(name) then return pending(name .. " was not built: it needs a newer Go") end
      fn()
      shown = shown + count
    end)
  end

  it_if_built("example-basic", "runs go-plugin's basic example (net/rpc)", function()
    local result = example("basic", { image = "basic-plugin", path = "plugin/greeter" }, {})
    assert.are.equal(0, result.code, result.stderr)
    assert.is_truthy(result.stdout:find("Hello!", 1, true), result.stdout)
  end)

  for _, protocol in ipairs { "grpc", "netrpc" } do
    it_if_built("example-grpc", "runs go-plugin's grpc example by " .. protocol, function()
      local policy = { image = "grpc-plugin-go-" .. protocol, path = "plugin" }
      local environment = { "KV_PROTO=" .. protocol }
      local put = example("grpc", policy, { "put", "hello", "world" }, environment)
      assert.are.equal(0, put.code, put.stdout .. put.stderr)
      local got = example("grpc", policy, { "get", "hello" }, environment)
      assert.are.equal("world\n\nWritten from plugin-go-" .. protocol .. "\n", got.stdout)
      -- In the host's directory, as the host's user.
      assert.are.equal(core.system.euid(), assert(core.system.stat(root .. "/work/kv_hello")).uid)
    end)
  end

  for _, protocol in ipairs { "grpc", "netrpc" } do
    it_if_built("example-negotiated", "runs go-plugin's negotiated example by " .. protocol, function()
      local policy = { image = "negotiated-plugin-go", path = "kv-plugin" }
      local environment = { "KV_PROTO=" .. protocol }
      assert.are.equal(0, example("negotiated", policy, { "put", "key", "value" }, environment).code)
      local got = example("negotiated", policy, { "get", "key" }, environment)
      assert.is_truthy(got.stdout:find("^value\n"), got.stdout)
    end)
  end

  it_if_built("example-streaming", "runs go-plugin's streaming example", function()
    local policy = { image = "streaming-plugin", path = "plugin/streamer" }
    local result = example("streaming", policy, { root .. "/work/out" })
    assert.are.equal(0, result.code, result.stdout .. result.stderr)
    assert.are.equal(core.system.euid(), assert(core.system.stat(root .. "/work/out")).uid)
  end)

  it_if_built("example-bidirectional", "runs go-plugin's bidirectional example by `gantry host`", function()
    local policy = { image = "bidirectional-plugin-go-grpc", path = "plugin", fields = "share_tmp = true" }
    for _ = 1, 2 do
      local path = root .. "/work/plugin"
      hosts.policy(path, ('image = "gantry-test-example-%s", disable_network = true, cwd = "rw", share_tmp = true')
        :format(policy.image))
      local result = support.run({ "host", "--", hosts.find("example-bidirectional"), "put", "counter", "1" }, {
        runtime_dir = runtime_dir, directory = root .. "/work", environment = { "COUNTER_PLUGIN=" .. path } })
      assert.are.equal(0, result.code, result.stdout .. result.stderr)
    end
    assert.are.equal('{"Value":2}', support.read(root .. "/work/kv_counter"))
  end)

  -- The plugin calls a storage that its host serves over the broker.
  for what, flags in pairs { ["with AutoMTLS"] = { "-mtls" }, ["without AutoMTLS"] = {} } do
    it_if_built("counter", "runs plugincontainer's example " .. what, function()
      local path = hosts.policy(root .. "/work/counter",
        'image = "gantry-test-example-counter", disable_network = true, share_tmp = true')
      local arguments = { "host", "--", hosts.find("counter"), table.unpack(flags) }
      table.move({ path, "3", "4" }, 1, 3, #arguments + 1, arguments)
      local result = support.run(arguments, { runtime_dir = runtime_dir, directory = root .. "/work" })
      assert.are.equal("3\n7\n4 calls of the plugin\n", result.stdout, result.stderr)
    end)
  end

  it_if_built("counter", "attaches to plugincontainer's example, launched by gantry", function()
    local plugin <close> = assert(gantry.launch({
      name = "counter", image = "gantry-test-example-counter", disable_network = true, cookie = { "BASIC_PLUGIN",
        "hello" },
    }, { runtime_dir = runtime_dir }))
    -- The host's listeners are made where the plugin sees them: in the directory that they share.
    local result = hosts.run("counter", { "-attach", plugin.address.string, "3", "4" },
      { runtime_dir = runtime_dir, environment = { "TMPDIR=" .. plugin.directory:path() } })
    assert.are.equal("3\n7\n4 calls of the plugin\n", result.stdout, result.stderr)
  end)

  it("is in the manual's table, where it is an example", function()
    if shown < defined then return pending("not all were tried") end
    host_record.ran("examples", {
      host = "the examples of go-plugin and plugincontainer",
      tried = ("go-plugin %s (basic, grpc, negotiated, streaming, bidirectional), plugincontainer %s (counter); "
        .. "net/rpc and gRPC, with and without AutoMTLS"):format(
        host_record.requires("tests/hosts/go.mod", "github.com/hashicorp/go-plugin"),
        host_record.requires("tests/hosts/counter/go.mod", "github.com/hashicorp/go-secure-stdlib/plugincontainer")),
      policy = '`cwd = "rw"`, since they keep their values in files of the current directory; `share_tmp = true` and '
        .. "`gantry host` for those that call back (bidirectional, counter)",
      limits = "nothing that was tried",
    })
  end)

  ---@return string path of a provider's executable in a mirror that OpenTofu installs from
  local function provider(name, version, text)
    local folder = ("%s/mirror/registry.opentofu.org/hashicorp/%s/%s/linux_%s"):format(root, name, version,
      io.popen("go env GOARCH 2>/dev/null || echo amd64"):read("l"))
    assert(os.execute("mkdir -p " .. folder))
    local path = ("%s/terraform-provider-%s_v%s"):format(folder, name, version)
    support.write(path, ("#!%s exec\n%s"):format(support.executable, text))
    assert(os.execute("chmod 755 " .. path))
    return path
  end

  ---@return table result of `tofu`
  ---@return string trace
  local function tofu(...)
    local trace = root .. "/trace"
    os.remove(trace)
    local result = hosts.run("tofu", { ... }, { runtime_dir = runtime_dir, directory = root .. "/work", environment = {
      "TF_CLI_CONFIG_FILE=" .. root .. "/tofu.rc", "TF_LOG=trace", "TF_LOG_PATH=" .. trace, "CHECKPOINT_DISABLE=1",
      "TF_IN_AUTOMATION=1", "HOME=" .. root } })
    return result, support.read(trace)
  end

  local CONFIGURATION <const> = [[
terraform {
  required_providers {
    local = { source = "hashicorp/local", version = "1.4.0" }
    time  = { source = "hashicorp/time", version = "0.14.2" }
  }
}
resource "time_static" "now" {}
resource "local_file" "out" {
  filename = "${path.module}/out.txt"
  content  = "written at ${time_static.now.rfc3339}"
}
]]

  it_if_built("tofu", "OpenTofu, initializes, validates, plans, applies and destroys", function()
    provider("local", "1.4.0",
      'return require("gantry").extend(require "opentofu-local", { image = "gantry-test-provider-local" })')
    local time_policy = provider("time", "0.14.2", [[
return require("gantry").extend(require "baseline", { image = "gantry-test-provider-time" })]])
    support.write(root .. "/tofu.rc",
      ('provider_installation {\n  filesystem_mirror {\n    path = "%s/mirror"\n  }\n}\n'):format(root))
    support.write(root .. "/work/main.tf", CONFIGURATION)

    for _, command in ipairs { { "init" }, { "validate" }, { "plan", "-out=saved" }, { "apply", "saved" },
      { "destroy", "-auto-approve" } } do
      local result, trace = tofu(table.unpack(command))
      assert.are.equal(0, result.code, table.concat(command, " ") .. ": " .. result.stdout .. result.stderr)
      assert.is_nil(trace:find("failed to exit gracefully", 1, true))
      local launched = trace:find("container created for plugin 'terraform-provider-local_v1.4.0'", 1, true)
      assert.are.equal(command[1] ~= "init", launched ~= nil)
      if command[1] == "apply" then
        assert.is_truthy(support.read(root .. "/work/out.txt"):find("^written at %d+%-"))
        assert.are.equal(core.system.euid(), assert(core.system.stat(root .. "/work/out.txt")).uid)
      end
    end
    assert.is_nil(core.system.stat(root .. "/work/out.txt"))

    -- A changed policy is another provider for the lock file.
    support.write(time_policy, support.read(time_policy) .. "\n")
    local changed = tofu("validate")
    assert.are.equal(1, changed.code)
    assert.is_truthy((changed.stdout .. changed.stderr):find("checksums recorded in the dependency lock", 1, true),
      changed.stdout .. changed.stderr)
    host_record.ran("opentofu", {
      host = "OpenTofu",
      tried = ("OpenTofu %s with the providers local %s, time %s"):format(host_record.built "tofu",
        host_record.built "provider-local", host_record.built "provider-time"),
      policy = 'what the provider does: `cwd = "rw"` where it writes files, a network and `pass_env` where it talks to '
        .. "an API; `policies/opentofu-local.lua`",
      limits = "a changed policy is another provider for the lock file: run `tofu init` again",
    })
  end)
end)
