-- SPDX-License-Identifier: Apache-2.0
--
--- `gantry wrap` under real hosts: what worked before works in a container, and is as it was once it is unwrapped.

local binaries = require "gantry.place.binaries"
local binary_image = require "gantry.engine.binary_image"
local core = require "gantry.core"
local hosts = require "engine.hosts"
local support = require "engine.support"
local task = require "gantry.task"

describe("a wrapped plugin", function()
  local root, runtime_dir, environment

  before_each(function()
    root = support.temporary()
    runtime_dir = root .. "/run"
    environment = { "GANTRY_STATE_DIR=" .. root .. "/state", "HOME=" .. root }
    assert(os.execute(("mkdir -m 700 %s %s/work"):format(runtime_dir, root)))
  end)

  after_each(function()
    task.run(function()
      hosts.assert_nothing_left(root, runtime_dir)
      local engine = support.engine()
      for _, made in ipairs(binaries.images(engine.endpoint.name, { GANTRY_STATE_DIR = root .. "/state" })) do
        assert(engine:remove_image(binary_image.reference(made.sha256)) ~= nil)
      end
    end)
    support.remove(root)
  end)

  local function options()
    return { runtime_dir = runtime_dir, directory = root .. "/work", environment = environment }
  end

  ---@return string output of a verb that succeeds
  local function gantry(...)
    local result = support.run({ ... }, options())
    assert.are.equal(0, result.code, result.stdout .. result.stderr)
    return result.stdout
  end

  ---@param name string of tests/hosts
  local function host(name, ...)
    local whole = options()
    whole.environment = { "KV_PLUGIN=" .. root .. "/work/plugin", "KV_PROTO=grpc", "CHECKPOINT_DISABLE=1",
      "TF_CLI_CONFIG_FILE=" .. root .. "/tofu.rc", "TF_LOG=debug", "TF_LOG_PATH=" .. root .. "/trace",
      "TF_IN_AUTOMATION=1", table.unpack(environment) }
    local result = hosts.run(name, { ... }, whole)
    assert.are.equal(0, result.code, result.stdout .. result.stderr)
    return result
  end

  local function it_if_built(name, what, fn)
    it(what, function()
      if not hosts.find(name) then return pending(name .. " was not built: it needs a newer Go") end
      fn()
    end)
  end

  it_if_built("example-grpc", "serves go-plugin's own example", function()
    local plugin, original = root .. "/work/plugin", hosts.find "example-grpc-plugin-go-grpc"
    assert(os.execute(("cp %s %s"):format(original, plugin)))
    host("example-grpc", "put", "before", "1")
    gantry("wrap", plugin)
    -- It keeps its values in the folder where its host was started: that is for the policy to say.
    support.write(plugin, (support.read(plugin):gsub("return {", '%0 cwd = "rw",', 1)))
    assert.matches("^1\n", host("example-grpc", "get", "before").stdout)
    local shown = host("example-grpc", "put", "after", "2")
    local log = shown.stdout .. shown.stderr
    assert.is_truthy(log:find("container created for plugin 'plugin'", 1, true), log)
    assert.are.equal(core.system.euid(), assert(core.system.stat(root .. "/work/kv_after")).uid)
    gantry("unwrap", plugin)
    assert(os.execute(("cmp %s %s"):format(original, plugin)))
    assert.matches("^2\n", host("example-grpc", "get", "after").stdout)
  end)

  it_if_built("tofu", "is a provider of OpenTofu, whose lock file knows it", function()
    local machine <close> = assert(io.popen "go env GOARCH 2>/dev/null || echo amd64")
    local folder = ("%s/mirror/registry.opentofu.org/hashicorp/local/1.4.0/linux_%s"):format(root, machine:read "l")
    local provider = folder .. "/terraform-provider-local_v1.4.0"
    assert(os.execute(("mkdir -p %s && cp %s %s"):format(folder, assert(hosts.find "provider-local"), provider)))
    support.write(root .. "/tofu.rc",
      ('provider_installation {\n  filesystem_mirror {\n    path = "%s/mirror"\n  }\n}\n'):format(root))
    support.write(root .. "/work/main.tf", [[
terraform {
  required_providers {
    local = { source = "hashicorp/local", version = "1.4.0" }
  }
}
resource "local_file" "out" {
  filename = "${path.module}/out.txt"
  content  = "written"
}
]])
    local lock = root .. "/work/.terraform.lock.hcl"
    host("tofu", "init")
    local locked = support.read(lock)

    local said = gantry("wrap", "--opentofu", ".")
    assert.is_truthy(said:find(provider .. ": wrapped; the binary is .terraform-provider-local_v1.4.0.wrapped", 1,
      true), said)
    host("tofu", "plan")
    host("tofu", "init") -- keeps what is there: the lock file knows it
    host("tofu", "apply", "-auto-approve")
    assert.are.equal("written", support.read(root .. "/work/out.txt"))
    assert.are.equal(core.system.euid(), assert(core.system.stat(root .. "/work/out.txt")).uid)
    local LAUNCHED <const> = "container created for plugin 'terraform-provider-local_v1.4.0'"
    assert.is_truthy(support.read(root .. "/trace"):find(LAUNCHED, 1, true))

    -- An edit is another package, until it is wrapped again.
    support.write(provider, (support.read(provider):gsub("%-%- disable_network", "disable_network")))
    assert.is_truthy(gantry("wrap", "--opentofu"):find("already wrapped", 1, true))
    host("tofu", "plan")

    gantry("unwrap", "--opentofu", ".")
    assert.are.equal(locked, support.read(lock))
    assert(os.execute(("cmp %s %s"):format(hosts.find "provider-local", provider)))
    assert.are.same({ "terraform-provider-local_v1.4.0" }, support.entries(folder))
    os.remove(root .. "/trace")
    host("tofu", "destroy", "-auto-approve")
    assert.is_nil(support.read(root .. "/trace"):find(LAUNCHED, 1, true))
  end)

  it_if_built("packer", "is one of Packer's", function()
    local plugin = root .. "/work/packer-plugin-test"
    assert(os.execute(("cp %s %s"):format(assert(hosts.find "packer-plugin"), plugin)))
    local plain = host("packer", "describe", plugin).stdout
    gantry("wrap", "--packer", ".")
    assert.are.equal(plain, host("packer", "describe", plugin).stdout)
    assert.are.equal("writing out\nprovisioning out\nartifact file:out [out]\n",
      host("packer", "build", plugin, "file", "line", "out").stdout)
    assert.are.equal("built\nprovisioned\n", support.read(root .. "/work/out"))
    gantry("unwrap", "--packer", ".")
    assert(os.execute(("cmp %s %s"):format(hosts.find "packer-plugin", plugin)))
  end)
end)
