-- SPDX-License-Identifier: Apache-2.0
--
--- What an engine refuses because of this machine: folders that are not there, or that it does not see.

local core = require "gantry.core"
local gantry = require "gantry"
local support = require "engine.support"

describe("an engine's refusal", function()
  local runtime_dir

  before_each(function() runtime_dir = support.temporary() end)

  after_each(function()
    assert.are.same({}, support.containers(runtime_dir))
    support.remove(runtime_dir)
  end)

  it("of a mount whose source is missing", function()
    local config = support.kv()
    config.mounts = { { source = "/nowhere/at/all", target = "/data" } }
    local plugin, err = gantry.launch(config, { runtime_dir = runtime_dir })
    assert.is_nil(plugin)
    assert.are.equal("MOUNT_SOURCE_MISSING", err.code)
    assert.is_truthy(err.message:find("/nowhere/at/all does not exist", 1, true))
  end)

  it("is not asked for what a plugin is too old for: AutoMTLS, a socket directory of the host's", function()
    local function launched(address, fields)
      local config = support.kv("-handshake", ("1|1|unix|%s|grpc|"):format(address))
      config.stop_timeout = 0
      for name, value in pairs(fields) do config[name] = value end
      local plugin, err = gantry.launch(config, { runtime_dir = runtime_dir })
      assert.is_nil(plugin)
      return err
    end
    local err = launched(runtime_dir .. "/kv/plugin1", { auto_mtls = true })
    assert.are.equal("HANDSHAKE_CERTIFICATE", err.code)
    assert.is_truthy(err.message:find("auto_mtls = false", 1, true))
    err = launched("/tmp/plugin1", {})
    assert.are.equal("HANDSHAKE_ADDRESS", err.code)
    assert.is_truthy(err.message:find("go-plugin 1.5 or newer", 1, true))
  end)

  it("is not reached by a group that the caller may not give files to", function()
    local socket = support.engine().endpoint.unix_socket
    local group = socket and core.system.stat(socket).gid
    local as_nobody = ("setpriv --reuid 65534 --regid 65534 --groups %d -- "):format(group or 0)
    if core.system.euid() ~= 0 or not os.execute(as_nobody .. "test -x " .. support.executable .. " 2>/dev/null") then
      return pending "needs root, and an executable that others may run"
    end
    local folder = support.temporary()
    support.write(folder .. "/kv.lua", support.policy_text "socket_group = 'daemon'")
    assert(os.execute("chown -R 65534:65534 " .. folder))
    local pipe <close> = assert(io.popen(("%senv GANTRY_RUNTIME_DIR=%s %s run %s/kv.lua 2>&1"):format(as_nobody, folder,
      support.executable, folder)))
    local told = pipe:read "a"
    assert.is_truthy(told:find("socket_group: you are not a member of group daemon", 1, true), told)
    assert.are.same({ nil, "exit", 7 }, { pipe:close() })
    support.remove(folder)
  end)

  it("of a socket directory that only this process sees, as with systemd's PrivateTmp", function()
    if core.system.euid() ~= 0 then return pending "only root can have a mount of its own" end
    local policy = support.write(runtime_dir .. "/kv.lua", support.policy_text())
    assert(os.execute("mkdir " .. runtime_dir .. "/private"))
    local script = ([[exec unshare --mount sh -c 'mount -t tmpfs -o mode=700 none %s/private \
      && GANTRY_RUNTIME_DIR=%s/private exec %s run %s' 2>&1]]):format(runtime_dir, runtime_dir, support.executable,
      policy)
    local pipe <close> = assert(io.popen(script))
    local told = pipe:read "a"
    assert.is_truthy(told:find("does not see " .. runtime_dir .. "/private", 1, true), told)
    assert.is_truthy(told:find("PrivateTmp", 1, true), told)
    assert.are.same({ nil, "exit", 7 }, { pipe:close() })
  end)
end)
