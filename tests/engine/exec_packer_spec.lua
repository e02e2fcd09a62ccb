-- SPDX-License-Identifier: Apache-2.0
--
--- Packer's way of starting a plugin: asked what it is, without a handshake; then started once for each of its
--- components, by variables and a handshake of Packer's own, and killed without a word.

local core = require "gantry.core"
local host_record = require "engine.host_record"
local hosts = require "engine.hosts"
local support = require "engine.support"
local task = require "gantry.task"

local RECORD = {
  host = "Packer",
  policy = '`policies/packer.lua`: `cwd = "rw"`, the network that the builder needs, its credentials in `pass_env`; '
    .. "the policy is what `packer plugins install --path` takes",
  limits = "the plugin's own temporary files stand beside its socket: its SDK puts both where `TMPDIR` says; a `user` "
    .. "that is not Packer's own cannot share its socket; a builder whose machines call back (`http_directory`) needs "
    .. "`networks = { \"host\" }`; Packer shows nothing of a failing `describe` but its exit status: run "
    .. "`POLICY describe | cat`",
}

describe("Packer", function()
  local root, runtime_dir, policy

  before_each(function()
    root = support.temporary()
    runtime_dir, policy = root .. "/run", root .. "/packer-plugin-test"
    assert(os.execute(("mkdir -m 700 %s %s/work"):format(runtime_dir, root)))
  end)

  after_each(function()
    task.run(function() hosts.assert_nothing_left(policy, runtime_dir) end)
    support.remove(root)
  end)

  local function use(fields)
    support.write(policy, ('#!%s exec\nreturn require("gantry").extend(require "packer", {\n%s\n})\n'):format(
      support.executable, 'image = "gantry-test-packer-plugin", disable_network = true,' .. (fields or "")))
    assert(os.execute("chmod 755 " .. policy))
  end

  ---@param flags string[] of tests/hosts/packer
  ---@param verb string
  ---@param ... string its arguments behind the plugin
  local function packer(flags, verb, ...)
    local arguments = { table.unpack(flags) }
    table.move({ verb, policy, ... }, 1, 2 + select("#", ...), #arguments + 1, arguments)
    return hosts.run("packer", arguments, { runtime_dir = runtime_dir, directory = root .. "/work",
      environment = { "PACKER_RUN_UUID=of-this-run" } })
  end

  local function it_if_built(what, fn)
    it(what, function()
      if not hosts.find("packer") then return pending("Packer's SDK needs a newer Go") end
      fn()
    end)
  end

  local shown = 0

  it_if_built("asks what a plugin is", function()
    use()
    local result = packer({}, "describe")
    assert.are.equal("1.2.3 x5.0 [file] [environment]\n", result.stdout, result.stderr)
    assert.are.equal("", result.stderr)
    shown = shown + 1
  end)

  for what, flags in pairs { ["Packer's old encoding"] = {}, ["its new one"] = { "-protobuf" } } do
    it_if_built("has a builder and a provisioner work together, by " .. what, function()
      use()
      local result = packer(flags, "build", "file", "line", "out")
      assert.are.equal("writing out\nprovisioning out\nartifact file:out [out]\n", result.stdout, result.stderr)
      assert.are.equal("built\nprovisioned\n", support.read(root .. "/work/out"))
      assert.are.equal(core.system.euid(), assert(core.system.stat(root .. "/work/out")).uid)
      assert.is_truthy(result.stderr:find("[DEBUG] gantry: container created for plugin 'packer-plugin-test' contai",
        1, true), result.stderr)
      shown = shown + 1
    end)

    it_if_built("gets data from the plugin's environment, by " .. what, function()
      use()
      local result = packer(flags, "data", "environment")
      assert.are.equal("data of-this-run\n", result.stdout, result.stderr)
      shown = shown + 1
    end)

    it_if_built("hears of the plugin's own errors, by " .. what, function()
      use()
      local result = packer(flags, "prepare", "file")
      assert.are.equal(1, result.code)
      assert.are.equal("1 attributes\n", result.stdout, result.stderr)
      assert.is_truthy(result.stderr:find("Error: path must be set", 1, true), result.stderr)
      shown = shown + 1
    end)
  end

  it("asks a published plugin, and hears of its own errors", function()
    if not hosts.find("packer-amazon") then return pending("the plugin is built by scripts/test --all") end
    use 'image = "gantry-test-packer-amazon"'
    local result = packer({}, "describe")
    assert.matches("^1%.2%.1 x5%.0 %[chroot ebs ebssurrogate ebsvolume instance%] %[ami ", result.stdout, result.stderr)
    result = packer({}, "prepare", "ebs")
    assert.are.equal(1, result.code)
    assert.matches("^%d+ attributes\n$", result.stdout)
    assert.is_truthy(result.stderr:find("ami_name must be specified", 1, true), result.stderr)
    shown = shown + 1
  end)

  it_if_built("is where the manual's table says", function()
    if shown < 8 then return pending("not all was tried") end
    RECORD.tried = ("its way of starting (`describe`, `start`), with a plugin by its SDK %s and with amazon %s"):format(
      host_record.requires("tests/hosts/packer/go.mod", "github.com/hashicorp/packer-plugin-sdk"),
      host_record.built "packer-amazon")
    host_record.ran("packer", RECORD)
  end)

  it_if_built("shows why a plugin is not there", function()
    for fields, reason in pairs {
      ['image = "gantry-test-no-such-image"'] = "image gantry-test-no-such-image:latest is not on the engine",
      ['env = { "TMPDIR=/tmp" }'] = "plugin 'packer-plugin-test' listens on /tmp/packer-plugin",
      ['entrypoint = { "/kv", "-x" }'] = "plugin 'packer-plugin-test' exited before its handshake, with exit code 1: ",
      ['memmory = "1GiB"'] = "unknown field 'memmory'",
    } do
      use(fields)
      local result = packer({}, "data", "environment")
      assert.are.equal(1, result.code)
      local line = result.stderr:match("\nError: Unrecognized remote plugin message: (gantry: [^\n]*)")
      assert.is_truthy(line and line:find(reason, 1, true), result.stderr)
      assert.is_truthy(result.stderr:find("[ERROR] gantry: ", 1, true), result.stderr)
    end
  end)

  it_if_built("says on standard error why it cannot be asked, and nothing where the answer is read", function()
    use 'image = "gantry-test-no-such-image"'
    local result = support.run({ "describe" }, { executable = policy, runtime_dir = runtime_dir })
    assert.are.equal(1, result.code)
    assert.are.equal("", result.stdout)
    assert.matches("^%[ERROR%] gantry: image gantry%-test%-no%-such%-image:latest is not on the engine[^\n]*\n$",
      result.stderr)
  end)
end)
