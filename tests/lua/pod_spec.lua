-- SPDX-License-Identifier: Apache-2.0
--
--- What of a policy reaches a pod's manifest, and what is refused or warned of: each field of the schema. That the
--- manifest is one of Kubernetes' is shown in tests/engine/export_kube_spec.lua.

local errors = require "gantry.base.errors"
local fields = require "gantry.pod.fields"
local pod = require "gantry.pod"
local policies = require "gantry.policy"
local schema = require "gantry.config.schema"
local yaml = require "gantry.text.yaml"

local BASE <const> = 'name = "kv", image = "registry.example/kv", entrypoint = { "/kv" }, disable_network = true,'

describe("a policy in a pod", function()
  local path
  setup(function() path = os.tmpname() end)
  teardown(function() os.remove(path) end)

  ---@return table[]? documents, any found
  local function export(text, options, connect)
    local file <close> = assert(io.open(path, "w"))
    file:write("return { ", BASE, text, " }\n")
    file:close()
    local seen = {}
    local policy, err = policies.load(path, {}, { site = false, on_read = function(read, what) seen[read] = what end })
    if not policy then error(tostring((err[1] or err).message)) end
    options = options or {}
    return pod.export({ { policy = policy, seen = seen } }, { host_image = "host", gate = "/gantry-gate",
      name = "host", container = "host", user = 65532, group = 65532, plugins = options.plugins,
      patch = options.patch }, options.without or {}, connect or function()
        return nil, errors.new("ENGINE_UNREACHABLE", "no engine here")
      end)
  end

  local function sidecar_of(text)
    local documents, found = export(text)
    assert.is_truthy(documents, type(found) == "table" and found[1] and found[1].message)
    return documents[1].spec.initContainers[2], documents[1].spec, table.concat(found, "\n")
  end

  it("has a rule for each field, and none for what is no field", function()
    for _, field in ipairs(schema.fields) do assert.is_function(fields.RULES[field.name], field.name) end
    for name in pairs(fields.RULES) do assert.is_truthy(schema.by_name[name], name) end
  end)

  it("says without a word what it says in full", function()
    local container, spec, warnings = sidecar_of 'memory = "64MiB", cpus = 0.25, start_timeout = "20s",'
    assert.are.equal("", warnings)
    assert.are.same({ limits = { memory = "67108864", cpu = "250m" } }, container.resources)
    assert.are.equal("Always", container.restartPolicy)
    assert.are.equal(20, container.startupProbe.failureThreshold)
    assert.are.same({ "/gantry/bin/gantry-gate", "--socket", "/gantry/plugins/kv/kv.gate", "--serve", "--no-network",
      "--grace", "10000", "--", "/kv" }, container.command)
    local context = container.securityContext
    assert.is_true(context.readOnlyRootFilesystem and context.runAsNonRoot)
    assert.is_false(context.allowPrivilegeEscalation)
    assert.are.same({ drop = { "ALL" } }, context.capabilities)
    assert.are.same({ "/gantry-gate", "--install", "/gantry/bin" }, spec.initContainers[1].command)
    assert.are.equal(65532, spec.securityContext.fsGroup)
  end)

  it("lets no plugin see another's folder", function()
    local container, spec = sidecar_of ""
    for _, mount in ipairs(container.volumeMounts) do
      local shared = mount.name == "gantry" and mount.readOnly
      assert.is_truthy(shared or mount.name == "plugin-kv" or mount.mountPath == "/tmp", mount.name)
    end
    assert.are.equal("/gantry/plugins/kv", spec.containers[1].volumeMounts[1].mountPath)
  end)

  for text, field in pairs {
    ['mounts = { { source = "/etc/ssl", target = "/etc/ssl" } },'] = "mounts", ['cwd = "rw",'] = "cwd",
    ['memory = "64MiB", memory_swap = "unlimited",'] = "memory_swap", ['cpuset = "0",'] = "cpuset",
    ['cgroup_parent = "/x",'] = "cgroup_parent", ['disable_network = false, networks = { "backend" },'] = "networks",
    ['dns = "192.0.2.53",'] = "dns", ['hostname = "kv",'] = "hostname", ['devices = { "/dev/fuse" },'] = "devices",
    ['extra_hosts = { other = "192.0.2.7" },'] = "extra_hosts", ['group_add = "caller",'] = "group_add",
    ['user = "plugin",'] = "user", ['stop_signal = "INT",'] = "stop_signal",
    ['credentials = { token = "/etc/token" },'] = "credentials", ["outlive_host = true,"] = "outlive_host",
    ['restart = function() return "now" end,'] = "restart", ['on_exit = { "/bin/true" },'] = "on_exit",
    ['seccomp = "/etc/seccomp.json",'] = "seccomp", ['security_opt = { "label=disable" },'] = "security_opt",
    ['tmpfs = { ["/x"] = "noexec" },'] = "tmpfs", ['socket_group = "daemon",'] = "socket_group",
    ['sha256 = "' .. ("a"):rep(64) .. '",'] = "sha256", ['userns_mode = "keep-id",'] = "userns_mode",
  } do
    it("refuses " .. field .. ", which it cannot say, with file and line", function()
      local documents, refused = export(text)
      assert.is_nil(documents)
      assert.are.equal("POD_UNSUPPORTED", refused[1].code)
      assert.are.equal(field, refused[1].field)
      assert.are.equal(("%s:1: %s: "):format(path, field), refused[1].message:sub(1, #path + #field + 6))
    end)
  end

  it("leaves out what it is told to, and says so", function()
    local documents, warnings = export('cwd = "rw", restart = function() return "now" end,',
      { without = { "cwd", "restart" } })
    assert.is_truthy(documents)
    assert.matches("cwd: left out, as told", table.concat(warnings, "\n"))
    local none, unknown = export("", { without = { "cdw" } })
    assert.is_nil(none)
    assert.are.equal("USAGE", unknown[1].code)
  end)

  for text, warning in pairs {
    ["disable_network = false,"] = "disable_network: it shares the pod's network",
    ['runtime = "runsc",'] = "runtime: a runtime class is of the whole pod",
    ["pids_limit = 99,"] = "pids_limit: a container has none of its own",
    ["cap_ipc_lock = true,"] = "does not admit IPC_LOCK", ['user = "0:0",'] = "runs as root",
    ['pull = "never",'] = "pull: every node must have the image already",
    ['labels = { team = "x" },'] = "labels:", ['env_files = "/etc/kv.env",'] = "env_files:",
    ['seccomp = "unconfined",'] = "seccomp:", ["debug = true,"] = "debug:",
  } do
    it("warns: " .. warning, function()
      local _, _, warnings = sidecar_of(text)
      assert.is_truthy(warnings:find(warning, 1, true), warnings)
    end)
  end

  it("names who may ask, where host and plugin are two users", function()
    local container = sidecar_of 'user = "1234:1234",'
    assert.are.equal(1234, container.securityContext.runAsUser)
    assert.is_truthy(table.concat(container.command, " "):find("--asker 65532", 1, true))
  end)

  it("gives volumes names of their own, whatever plugins are called", function()
    local names = {}
    for _, name in ipairs { "tmp", "policies", "kv", "kv-1", "gantry-kv", "plugin-kv", "memory-kv" } do
      local _, spec = sidecar_of(('name = %q, share_tmp = true,'):format(name))
      for _, volume in ipairs(spec.volumes) do
        local own = volume.name:find "^plugin%-" or volume.name:find "^memory%-"
        assert.is_true(not own or not names[volume.name], volume.name)
        names[volume.name] = true
      end
    end
  end)

  it("takes sizes of tmpfs", function()
    local container, spec = sidecar_of 'tmpfs = { ["/tmp"] = "size=16m", ["/run"] = "" },'
    assert.are.same({ "/run", "/tmp" }, { container.volumeMounts[3].mountPath, container.volumeMounts[4].mountPath })
    assert.are.equal("16777216", spec.volumes[4].emptyDir.sizeLimit)
  end)

  it("shares a folder for sockets of the host's, by share_tmp", function()
    local container, spec = sidecar_of "share_tmp = true,"
    assert.are.equal("gantry-tmp", container.volumeMounts[3].name)
    assert.are.same({ name = "TMPDIR", value = "/gantry/tmp" }, spec.containers[1].env[2])
  end)

  it("needs to know the program", function()
    local asked
    local documents, refused = export("entrypoint = nil,", nil, function()
      asked = true
      return nil, errors.new("ENGINE_UNREACHABLE", "no engine here")
    end)
    assert.is_nil(documents)
    assert.is_true(asked)
    assert.are.equal("entrypoint", refused[1].field)
  end)

  it("has policies as executable files of a folder", function()
    local documents = export("", { plugins = "/plugins" })
    assert.are.equal("ConfigMap", documents[1].kind)
    assert.are.equal("#!/usr/bin/env -S gantry exec\n", documents[1].data.kv:match "^.-\n")
    assert.are.equal(493, documents[2].spec.volumes[4].configMap.defaultMode) -- 0755
    assert.are.same({ name = "gantry-policies", mountPath = "/plugins/kv", subPath = "kv", readOnly = true },
      documents[2].spec.containers[1].volumeMounts[2])
  end)

  it("becomes a patch that leaves alone what is the workload's own", function()
    local documents = export("", { patch = { kind = "StatefulSet", name = "vault" } })
    local spec = documents[1].spec.template.spec
    assert.are.same({ fsGroup = 65532 }, spec.securityContext)
    assert.is_nil(spec.containers[1].image)
    assert.is_nil(spec.containers[1].securityContext)
  end)
end)

describe("text as YAML", function()
  it("is quoted where it would be something else", function()
    assert.are.equal('a: "no"\nb: "1"\nc: x:1\nd: ""\ne: "a: b"\nf: true\ng: 1\nh: "- x"\ni: "x:"\n', yaml.stream { {
      a = "no", b = "1", c = "x:1", d = "", e = "a: b", f = true, g = 1, h = "- x", i = "x:" } })
  end)

  it("has lines as a block, where a block can have them", function()
    assert.are.equal("a: |\n  one\n\n  two\n", yaml.stream { { a = "one\n\ntwo\n" } })
    assert.are.equal('a: " one\\ntwo\\n"\n', yaml.stream { { a = " one\ntwo\n" } })
  end)
end)
