-- SPDX-License-Identifier: Apache-2.0
--
--- A host and its plugin in two containers that share a folder, as in a pod: no network, no engine's socket, read-only,
--- another user than root, no capability. The plugin's image is as it is: the gate comes from outside. The host's has
--- this machine's programs and gantry's build.

local core = require "gantry.core"
local hosts = require "engine.hosts"
local support = require "engine.support"
local task = require "gantry.task"

local GATE <const> = support.executable:gsub("[^/]*$", "") .. "libexec/gantry"
local USER <const> = "65532:65532"

describe("a host beside its plugin's container", function()
  local root, made

  before_each(function()
    root, made = support.temporary(), {}
    -- As kubelet makes an emptyDir: for all, and its group for what is made in it.
    assert(os.execute(([[chmod 755 %s && cd %s && mkdir -m 777 kv tmp bin work plugins && chgrp 65532 kv tmp &&
      chmod 2777 kv tmp]]):format(root, root)))
  end)

  after_each(function()
    task.run(function()
      for _, id in ipairs(made) do support.engine():remove(id) end
    end)
    support.remove(root)
  end)

  ---@param image string
  ---@param fields table of the engine's API
  ---@param binds string[]
  ---@return string id of a container that runs
  local function run(image, fields, binds)
    fields.Image, fields.User = image, fields.User or USER
    fields.Labels = { ["gantry.test"] = "pod" }
    fields.HostConfig = { Binds = binds, NetworkMode = "none", ReadonlyRootfs = true, CapDrop = { "ALL" },
      SecurityOpt = { "no-new-privileges" }, Memory = 256 << 20 }
    local created = assert(support.engine():call("POST", "/containers/create",
      { action = "make a container", body = fields }))
    made[#made + 1] = created.Id
    assert(support.engine():start(created.Id))
    return created.Id
  end

  ---The gate is put where sidecars find it, by the container that does so in a pod.
  local function install()
    local id = run("gantry-test-kv:latest", { Entrypoint = { "/from/gantry-gate", "--install", "/gantry/bin" } },
      { GATE .. ":/from:ro", root .. "/bin:/gantry/bin" })
    assert.are.equal(0, assert(support.engine():wait(id)).exit_code)
  end

  local function sidecar(image, options)
    options = options or {}
    local command = { "/gantry/bin/gantry-gate", "--socket", "/gantry/plugins/kv/" .. (options.socket or "kv")
      .. ".gate", "--serve", "--no-network" }
    table.move(options.gate or {}, 1, #(options.gate or {}), #command + 1, command)
    table.move({ "--", "/kv" }, 1, 2, #command + 1, command)
    table.move(options.arguments or {}, 1, #(options.arguments or {}), #command + 1, command)
    local id = run(image, { Entrypoint = command, User = options.user, WorkingDir = "/gantry/plugins/kv" },
      { root .. "/bin:/gantry/bin:ro", root .. "/kv:/gantry/plugins/kv", root .. "/tmp:/gantry/tmp" })
    return id
  end

  ---Runs a host to its end, in a container whose root is of this machine's programs.
  ---@param name string of tests/hosts
  ---@param text string for the shell; "$HOST" is the host
  ---@param fields string? of the policy; "" where it is there
  ---@param user string? other than the sidecar's
  ---@return integer code, string output
  local function host(name, text, fields, user)
    if fields ~= "" then
      hosts.policy(root .. "/plugins/kv", 'image = "nowhere", disable_network = true,\n' .. (fields or ""))
    end
    assert(os.execute("cp -L " .. hosts.find(name) .. " " .. root .. "/plugins/host"))
    local binds = { root .. "/kv:/gantry/plugins/kv", root .. "/tmp:/gantry/tmp", root .. "/work:/work",
      root .. "/plugins:/plugins:ro" }
    for _, folder in ipairs { "/usr:/usr", "/usr/bin:/bin", "/usr/lib:/lib", "/usr/lib64:/lib64",
      support.source .. ":" .. support.source } do binds[#binds + 1] = folder .. ":ro" end
    local build = support.executable:match "^(.*)/"
    if build:sub(1, #support.source) ~= support.source then binds[#binds + 1] = build .. ":" .. build .. ":ro" end
    os.remove(root .. "/work/log") -- of another user
    local id = run("gantry-test-kv:latest", { Entrypoint = { "/bin/sh", "-c", "{ " .. text .. "; } >/work/log 2>&1" },
      User = user, WorkingDir = "/work", Env = { "PATH=/usr/bin", "HOST=/plugins/host", "GANTRY_GATES=/gantry/plugins",
        "TMPDIR=/gantry/tmp", "KV_PLUGIN=/plugins/kv", "COUNTER_PLUGIN=/plugins/kv", "KV_PROTO=grpc" } }, binds)
    local code = assert(support.engine():wait(id)).exit_code
    return code, support.read(root .. "/work/log")
  end

  local function it_if_built(name, what, fn)
    it(what, function()
      if not hosts.find(name) then return pending(name .. " was not built: it needs a newer Go") end
      task.run(function()
        install()
        fn()
      end)
    end)
  end

  for _, protocol in ipairs { "grpc", "netrpc" } do
    it_if_built("example-grpc", "runs go-plugin's grpc example by " .. protocol, function()
      sidecar("gantry-test-example-grpc-plugin-go-" .. protocol)
      local code, log = host("example-grpc", ("export KV_PROTO=%s; $HOST put hello world && $HOST get hello")
        :format(protocol))
      assert.are.equal(0, code, log)
      assert.is_truthy(log:find("world\n\nWritten from plugin-go-" .. protocol, 1, true), log)
      -- By the host's user, in the sidecar's own folder.
      assert.are.equal(65532, assert(core.system.stat(root .. "/kv/kv_hello")).uid)
    end)
  end

  it_if_built("example-basic", "runs go-plugin's basic example (net/rpc)", function()
    sidecar "gantry-test-example-basic-plugin"
    local code, log = host("example-basic", "mkdir plugin && cp /plugins/kv plugin/greeter && $HOST", 'name = "kv"')
    assert.are.equal(0, code, log)
    assert.is_truthy(log:find("Hello!", 1, true), log)
  end)

  it_if_built("example-negotiated", "runs go-plugin's negotiated example", function()
    sidecar "gantry-test-example-negotiated-plugin-go"
    local code, log = host("example-negotiated", "cp /plugins/kv kv-plugin && $HOST put key value && $HOST get key",
      'name = "kv"')
    assert.are.equal(0, code, log)
    assert.is_truthy(log:find("value\n", 1, true), log)
  end)

  it_if_built("example-streaming", "runs go-plugin's streaming example", function()
    sidecar "gantry-test-example-streaming-plugin"
    local code, log = host("example-streaming", "mkdir plugin && cp /plugins/kv plugin/streamer && "
      .. "$HOST /gantry/plugins/kv/out", 'name = "kv"')
    assert.are.equal(0, code, log)
    assert.are.equal(65532, assert(core.system.stat(root .. "/kv/out")).uid)
  end)

  it_if_built("example-bidirectional", "runs go-plugin's bidirectional example", function()
    sidecar "gantry-test-example-bidirectional-plugin-go-grpc"
    local code, log = host("example-bidirectional", "$HOST put counter 1 && $HOST put counter 1", "share_tmp = true")
    assert.are.equal(0, code, log)
    assert.are.equal('{"Value":2}', support.read(root .. "/kv/kv_counter"))
  end)

  for what, flag in pairs { ["with AutoMTLS"] = "-mtls", ["without AutoMTLS"] = "" } do
    it_if_built("counter", "runs plugincontainer's example " .. what, function()
      sidecar "gantry-test-example-counter"
      local code, log = host("counter", ("$HOST %s /plugins/kv 3 4"):format(flag), "share_tmp = true")
      assert.are.equal(0, code, log)
      assert.is_truthy(log:find("3\n7\n4 calls of the plugin\n", 1, true), log)
    end)
  end

  -- Its plugin calls the storage that the host serves it, and its connection is AutoMTLS.
  it_if_built("vault", "serves a host on Vault's own SDK, by the policy of the manual", function()
    local path = support.write(root .. "/plugins/kv", ([[
#!%s exec
return require "vault" { type = "secret", name = "kv", image = "nowhere", sha256 = %q, entrypoint = { "/kv" } }
]]):format(support.executable, ("a"):rep(64)))
    assert(os.execute("chmod 755 " .. path))
    sidecar("gantry-test-vault:1.2.3", { arguments = { "secret" } })
    local code, log = host("vault", [[sum=$(sha256sum /plugins/kv | cut -d ' ' -f 1); mkdir data
      printf '%s\n' "register kv /plugins/kv $sum" "mount one kv" "write one key value" "read one key" |
        $HOST /work/data]], "")
    assert.are.equal(0, code, log)
    assert.is_truthy(log:find("mounted\n.*nothing\n.*value\n.*closed\n"), log)
  end)

  it_if_built("hold", "asks a gate of another user, where both have the folder's group", function()
    local id = sidecar("gantry-test-kv:latest", { user = "1234:65532", gate = { "--asker", "65532" } })
    local code, log = host("hold", "$HOST -mtls /plugins/kv </dev/null", 'user = "1234:65532"')
    assert.are.equal(0, code, log)
    assert.is_truthy(log:find "ready\n" and log:find "closed\n", log)
    assert.is_true(assert(support.engine():inspect(id)).state.running)
  end)

  -- OpenTofu has AutoMTLS, and starts its provider time and again, several at once.
  it_if_built("tofu", "serves OpenTofu: plan, apply, destroy", function()
    sidecar "gantry-test-provider-time"
    support.write(root .. "/work/tofu.rc",
      'provider_installation {\n  filesystem_mirror {\n    path = "/work/mirror"\n  }\n}\n')
    support.write(root .. "/work/main.tf", [[
terraform {
  required_providers { time = { source = "hashicorp/time", version = "0.14.2" } }
}
resource "time_static" "now" {}
output "at" { value = time_static.now.rfc3339 }
]])
    local code, log = host("tofu", [[set -e
      export HOME=/work TF_CLI_CONFIG_FILE=/work/tofu.rc CHECKPOINT_DISABLE=1 TF_IN_AUTOMATION=1
      case $(uname -m) in x86_64) machine=amd64 ;; aarch64) machine=arm64 ;; esac
      folder=mirror/registry.opentofu.org/hashicorp/time/0.14.2/linux_$machine
      mkdir -p $folder && cp /plugins/kv $folder/terraform-provider-time_v0.14.2
      $HOST init; $HOST plan -out=saved; $HOST apply saved; echo "at $($HOST output -raw at)"
      $HOST destroy -auto-approve]], 'name = "kv"')
    assert.are.equal(0, code, log)
    assert.matches("\nat %d%d%d%d%-", log)
    assert.is_truthy(log:find("1 destroyed", 1, true), log)
  end)

  it_if_built("hold", "tells a host of another user, to whom the gate does not listen", function()
    sidecar "gantry-test-kv:latest"
    local fields <const> = 'user = "65532", start_timeout = "1s"'
    local code, log = host("hold", "$HOST /plugins/kv </dev/null", fields, "4711:65532")
    assert.are.equal(1, code, log)
    assert.is_truthy(log:find("kv.gate: Permission denied", 1, true), log)
    sidecar("gantry-test-kv:latest", { socket = "asked", gate = { "--asker", "4712" } })
    code, log = host("hold", "$HOST /plugins/kv </dev/null", fields .. ', name = "asked", gate = "/gantry/plugins/kv"',
      "4711:65532")
    assert.are.equal(1, code, log)
    assert.is_truthy(log:find("hung up without a word: it ends, or does not listen to user 4711", 1, true), log)
  end)

  it_if_built("hold", "serves two hosts at once, and another after the sidecar was killed and started again", function()
    local id = sidecar "gantry-test-kv:latest"
    local code, log = host("hold", [[for i in 1 2 3; do $HOST /plugins/kv </dev/null & done; wait; true]])
    assert.are.equal(0, code, log)
    assert.are.equal(3, select(2, log:gsub("closed\n", "")), log)
    assert(support.engine():kill(id, "KILL"))
    assert(support.engine():wait(id))
    assert(support.engine():start(id)) -- as kubelet does
    code, log = host("hold", "$HOST /plugins/kv </dev/null")
    assert.are.equal(0, code, log)
  end)

  it_if_built("hold", "says that the memory of the sidecar ran out", function()
    sidecar("gantry-test-kv:latest", { arguments = { "-allocate", tostring(600 << 20) } })
    local code, log = host("hold", "sleep 4 | $HOST /plugins/kv")
    assert.are.equal(1, code, log)
    assert.is_truthy(log:find("exit status 137", 1, true), log)
    assert.is_truthy(log:find("the memory of its container ran out", 1, true), log)
  end)
end)
