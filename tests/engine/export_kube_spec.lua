-- SPDX-License-Identifier: Apache-2.0
--
--- `gantry export kube`, held against the Kubernetes API's own types: tests/kube/decode reads what it prints, strictly.

local core = require "gantry.core"
local hosts = require "engine.hosts"
local json = require "gantry.json"
local support = require "engine.support"

describe("gantry export kube", function()
  local root

  before_each(function() root = support.temporary() end)
  after_each(function() support.remove(root) end)

  local function export(...)
    return support.run({ "export", "kube", ... }, { runtime_dir = root })
  end

  ---@param text string
  ---@return { code: integer?, stdout: string, stderr: string }
  local function decode(text)
    local file = support.write(root .. "/manifest.yaml", text)
    return support.run({ "-c", ("exec %s <%s"):format(hosts.find "kube-decode", file) },
      { executable = "/bin/sh", runtime_dir = root })
  end

  local function it_if_built(what, fn)
    it(what, function()
      if not hosts.find "kube-decode" then return pending "kube-decode was not built: it needs a newer Go" end
      fn()
    end)
  end

  local ALL <const> = [[memory = "64MiB", cpus = 0.5, user = "1234:1235", group_add = { 4000 }, runtime = "runsc",
    share_tmp = true, tmpfs = { ["/run"] = "size=8m" }, cap_ipc_lock = true, seccomp = "unconfined",
    apparmor = "gantry-plugin", read_only = false, working_dir = "/tmp", pull = "missing", entrypoint = { "/kv", "-x" },
    args = { "two words", "yes", "1", "" }, start_timeout = "90s",]]

  it_if_built("prints what the API's types take, whatever a policy says", function()
    local plain = support.write(root .. "/plain.lua", support.policy_text(""))
    local all = support.write(root .. "/all.lua", support.policy_text('runtime = "runsc", ' .. ALL))
    support.write(root .. "/same.lua", support.policy_text 'runtime = "runsc"')
    for _, arguments in ipairs {
      { plain }, { all, root .. "/same.lua", "--plugins", "/plugins" }, { plain, "--patch", "deployment/host" },
      { plain, "--patch", "statefulset/vault", "--container", "vault", "--user", "100:1000", "--plugins", "/p" },
      { plain, "--patch", "daemonset/x" },
    } do
      local result = export("--host-image", "registry.example:5000/host:1", table.unpack(arguments))
      assert.are.equal(0, result.code, result.stderr)
      local decoded = decode(result.stdout)
      assert.are.equal(0, decoded.code, decoded.stderr .. result.stdout)
    end
  end)

  it_if_built("is admitted by Pod Security restricted, and warns of each field that is not", function()
    local path = root .. "/kv.lua"
    support.write(path, support.policy_text 'memory = "64MiB", share_tmp = true, tmpfs = { ["/run"] = "size=8m" },')
    local decoded = decode(export(path).stdout)
    assert.are.equal("v1/Pod host\n", decoded.stdout)
    for fields, reason in pairs {
      ["cap_ipc_lock = true,"] = "unrestricted capabilities", ['user = "0:0",'] = "runAsNonRoot",
      ['seccomp = "unconfined",'] = "seccompProfile",
      ["security_opt = { 'no-new-privileges:false' },"] = "allowPrivilegeEscalation",
    } do
      support.write(path, support.policy_text(fields))
      local result = export(path)
      assert.is_truthy(decode(result.stdout).stdout:find("not admitted: " .. reason, 1, true), fields)
      assert.matches('warning: .*"restricted"', result.stderr)
    end
  end)

  it("reads a policy as `gantry exec` does, and prints its parts", function()
    local path = support.write(root .. "/jwt.lua", [[return require "vault" { type = "auth", name = "jwt",
      image = "registry.example/jwt@sha256:]] .. ("a"):rep(64) .. [[", sha256 = "]] .. ("a"):rep(64) .. [[",
      entrypoint = { "/jwt" }, runtime = "runc" }]])
    local whole = json.decode(export("--json", path, "--plugins", "/plugins").stdout)
    local host = whole.items[2].spec.containers[1]
    assert.are.same({ name = "TMPDIR", value = "/gantry/tmp" }, host.env[2]) -- share_tmp, which it says there alone
    local policies = json.decode(export("--json", path, "--plugins", "/plugins", "--only", "policies").stdout)
    local workload = json.decode(export("--json", path, "--plugins", "/plugins", "--only", "workload").stdout)
    assert.are.same({ whole.items[1] }, policies.items)
    assert.are.same({ whole.items[2] }, workload.items)
    assert.is_truthy(whole.items[1].data.jwt)
  end)

  it_if_built("is held against types that take nothing else", function()
    local plain = support.write(root .. "/plain.lua", support.policy_text(""))
    local text = export(plain).stdout
    local decoded = decode((text:gsub("startupProbe:", "startupProbes:")))
    assert.are.equal(1, decoded.code)
    assert.matches('unknown field "startupProbes"', decoded.stderr)
  end)

  it("has the image's own program from the engine, and its digest for a pin", function()
    local plain = support.write(root .. "/plain.lua", support.policy_text "args = { 'more' },")
    local result = export("--json", plain)
    assert.are.equal(0, result.code, result.stderr)
    local command = json.decode(result.stdout).items[1].spec.initContainers[2].command
    assert.are.same({ "--", "/kv", "more" }, { table.unpack(command, #command - 2) })
    -- No registry has told this engine a digest of it.
    local id = assert(support.engine():image "gantry-test-kv:latest").id
    support.write(plain, support.policy_text(("sha256 = %q,"):format(id)))
    local refused = export(plain)
    assert.are.equal(3, refused.code)
    assert.matches("plain.lua:%d+: sha256: it pins the image's configuration", refused.stderr)
    assert.are.equal(0, export(plain, "--without", "sha256").code)
  end)

  it("prints nothing of a policy that a pod cannot say", function()
    local bad = support.write(root .. "/bad.lua", support.policy_text 'cwd = "rw", cpuset = "0",')
    local result = export(bad)
    assert.are.equal(3, result.code)
    assert.are.equal("", result.stdout)
    assert.matches("bad.lua:%d+: cpuset: .*bad.lua:%d+: cwd: ", (result.stderr:gsub("\n", " ")))
  end)

  it("tells what is wrong with its own command line", function()
    local plain = support.write(root .. "/plain.lua", support.policy_text(""))
    for _, wrong in ipairs { { "--user", "me" }, { "--patch", "pod/x" }, { "--plugins", "x" },
      { "--without", "cdw" } } do
      assert.are.equal(2, export(plain, table.unpack(wrong)).code, wrong[1])
    end
    assert.is_nil(core.system.stat(root .. "/manifest.yaml"))
  end)
end)
