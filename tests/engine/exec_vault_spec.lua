-- SPDX-License-Identifier: Apache-2.0
--
--- `gantry exec` under a host on Vault's own SDK (tests/hosts/vault), by policies on policies/vault.lua: a secrets
--- plugin that keeps what it gets in its host's storage, and a database plugin, each with and without multiplexing.

local core = require "gantry.core"
local host_record = require "engine.host_record"
local hosts = require "engine.hosts"
local support = require "engine.support"
local task = require "gantry.task"

local IMAGE <const> = "gantry-test-vault"

describe("a host on Vault's SDK", function()
  local root, runtime_dir
  local tests, shown = 0, 0

  before_each(function()
    root = support.temporary()
    runtime_dir = root .. "/run"
    assert(os.execute(("mkdir -m 700 %s %s/data %s/tmp"):format(runtime_dir, root, root)))
  end)

  after_each(function() support.remove(root) end)

  ---@param kind "secret"|"database"
  ---@param multiplexed boolean
  ---@param fields string? of the policy
  ---@return string path of an executable policy
  local function write_policy(kind, multiplexed, fields)
    local path = root .. "/plugin"
    local id = assert(support.engine():image(IMAGE .. ":1.2.3")).id
    support.write(path, ([[
#!%s exec
return require "vault" {
  type = %q, name = "plugin", version = "v1.2.3", image = %q, sha256 = %q, runtime = "runc",
  args = { %q%s }, %s
}
]]):format(support.executable, kind, IMAGE, id, kind, multiplexed and ', "multiplex"' or "", fields or ""))
    assert(os.execute("chmod 755 " .. path))
    return path
  end

  local Host = {}
  Host.__index = Host

  ---Has the host do something.
  ---@return string answer its line
  function Host:ask(...)
    self.asked = self.asked + 1
    self.command.process:write(table.concat({ ... }, " ") .. "\n")
    self.command:await("stdout", ("[^\n]*\n"):rep(self.asked))
    local number = 0
    for line in self.command.stdout:gmatch("([^\n]*)\n") do
      number = number + 1
      if number == self.asked then return line end
    end
  end

  ---@return string what the host answered, having closed its plugins
  function Host:close()
    self.command.process:close_input()
    assert.are.equal(0, self.command:wait().code, self.command.stderr)
    return self.command.stdout:match("([^\n]*)\n$")
  end

  ---@param environment string[]?
  ---@param tmpdir string? "" for none
  ---@param prefix string[]? a command that executes the host
  local function start_host(environment, tmpdir, prefix)
    local entries = { "TMPDIR=" .. (tmpdir or root .. "/tmp"), "VAULT_TOKEN=of-the-host",
      table.unpack(environment or {}) }
    local options = { runtime_dir = runtime_dir, input = "pipe", environment = entries }
    local command
    if prefix then
      options.executable = prefix[1]
      command = support.command({ table.unpack(prefix, 2) }, options)
    else
      command = hosts.start("vault", { root .. "/data" }, options)
    end
    return setmetatable({ command = command, asked = 0 }, Host)
  end

  ---@param path string
  ---@return string
  local function sum_of(path)
    local pipe <close> = assert(io.popen("sha256sum " .. path))
    return pipe:read("a"):match("^%x+")
  end

  ---@param host table
  ---@param expected any
  local function answers(host, expected, ...)
    assert.are.equal(expected, host:ask(...), table.concat({ ... }, " ") .. "\n" .. host.command.stderr)
  end

  local function kill_containers()
    local killed = 0
    for _, one in ipairs(support.containers(runtime_dir)) do
      if support.engine():kill(one.id, "KILL") then killed = killed + 1 end -- others are ending
    end
    assert.is_true(killed > 0)
  end

  local function it_runs(what, fn)
    tests = tests + 1
    it(what, function()
      if not hosts.find("vault") then return pending("Vault's SDK needs a newer Go") end
      task.run(function()
        fn()
        hosts.assert_nothing_left(root, runtime_dir)
      end)
      shown = shown + 1
    end)
  end

  for _, multiplexed in ipairs { false, true } do
    local how = multiplexed and ", multiplexed" or ""

    it_runs("keeps what a secrets plugin stores" .. how, function()
      local path = write_policy("secret", multiplexed)
      local sum = sum_of(path)
      local host = start_host()
      answers(host, "secret v1.2.3", "register", "kv", path, sum)
      answers(host, "mounted", "mount", "one", "kv")
      answers(host, "mounted", "mount", "two", "kv")
      assert.are.equal(multiplexed and 1 or 2, #support.containers(runtime_dir))
      answers(host, "nothing", "write", "one", "key", "first")
      answers(host, "nothing", "write", "two", "key", "second")
      answers(host, "first", "read", "one", "key")
      answers(host, "reloaded", "reload", "kv")
      answers(host, "second", "read", "two", "key")
      answers(host, "first", "read", "one", "key")
      kill_containers()
      answers(host, "first", "read", "one", "key")
      answers(host, "second", "read", "two", "key")
      assert.are.equal("closed", host:close())
      assert.are.same({}, support.entries(root .. "/tmp"))

      host = start_host()
      answers(host, "secret v1.2.3", "register", "kv", path, sum)
      answers(host, "mounted", "mount", "one", "kv")
      answers(host, "first", "read", "one", "key")
      assert(host.command.process:signal(9))
      host.command:wait()
    end)

    it_runs("makes users of a database" .. how, function()
      local path = write_policy("database", multiplexed)
      local host = start_host(nil, "") -- nothing is shared with a database's plugin
      answers(host, "database v1.2.3", "register", "db", path, sum_of(path))
      answers(host, "opened", "open", "one", "db")
      answers(host, "opened", "open", "two", "db")
      assert.are.equal(multiplexed and 1 or 2, #support.containers(runtime_dir))
      answers(host, "role-1", "user", "one", "role")
      answers(host, "role-2", "user", "one", "role")
      answers(host, "role-1", "user", "two", "role")
      answers(host, "closed", "close", "two")
      kill_containers()
      answers(host, "role-1", "user", "one", "role")
      assert.are.equal("closed", host:close())
    end)
  end

  for order, environment in pairs { ["first"] = {}, ["last"] = { "VAULT_PLUGIN_USE_LEGACY_ENV_LAYERING=true" } } do
    it_runs("hands over what it sets for its plugin, its own environment " .. order, function()
      local path = write_policy("secret", true)
      local host = start_host { "OWN=own", "TAKEN=own", table.unpack(environment) }
      answers(host, "secret v1.2.3", "register", "kv", path, sum_of(path), "REGISTERED=yes", "TAKEN=plugin")
      answers(host, "mounted", "mount", "one", "kv")
      local found = " " .. host:ask("environment", "one") .. " "
      for _, entry in ipairs { "REGISTERED=yes", "VAULT_VERSION=1.21.0", "VAULT_PLUGIN_AUTOMTLS_ENABLED=true",
        "VAULT_PLUGIN_METADATA_MODE=false" } do
        assert.is_truthy(found:find(" " .. entry .. " ", 1, true), entry .. " is not in" .. found)
      end
      -- What comes later counts: the host's own value, which is only the host's, where that is last.
      assert.are.equal(order == "first" and "plugin" or nil, found:match " TAKEN=(%S+)", found)
      for _, name in ipairs { "VAULT_TOKEN", "OWN", "GANTRY_RUNTIME_DIR" } do
        assert.is_nil(found:find(" " .. name .. "=", 1, true), found)
      end
      assert.are.equal("closed", host:close())
    end)
  end

  if core.system.euid() == 0 then -- who prepares it for another user
    -- As packages of Vault install it: with a capability, for which /proc hides it from its own user.
    it_runs("hands over Vault's own variables by the policy where the host cannot be looked into", function()
      local socket = assert(core.system.stat(support.engine().endpoint.unix_socket))
      local path = write_policy("secret", false, 'pass_env = { "VAULT_PLUGIN_*", "VAULT_VERSION", "MORE" }')
      local capable = ("cp %s %s/vault && chown -R 65534 %s && setcap cap_ipc_lock=+ep %s/vault"):format(
        hosts.find "vault", root, root, root)
      assert(os.execute(capable))
      local host = start_host({ "MORE=more", "GANTRY_STATE_DIR=" .. root .. "/state" }, nil, { "/usr/bin/setpriv",
        "--reuid", "65534", "--regid", tostring(socket.gid), "--clear-groups", root .. "/vault", root .. "/data" })
      answers(host, "secret v1.2.3", "register", "kv", path, sum_of(path), "REGISTERED=yes")
      answers(host, "mounted", "mount", "one", "kv")
      answers(host, "nothing", "write", "one", "key", "first")
      local found = " " .. host:ask("environment", "one") .. " "
      assert.are.equal("more", found:match " MORE=(%S+)", found)
      assert.are.equal("1.21.0", found:match " VAULT_VERSION=(%S+)", found)
      assert.is_nil(found:find("VAULT_TOKEN", 1, true))
      assert.are.equal("closed", host:close())
      assert.is_truthy(host.command.stderr:find("left out: [^;]*REGISTERED[^;]*; what the plugin needs of these, name "
        .. "in pass_env"), host.command.stderr)
    end)
  end

  it_runs("gives each plugin a directory of its own where it was started with one for all", function()
    local shared = root .. "/shared"
    assert(os.execute("mkdir " .. shared))
    local host = start_host { "PLUGIN_UNIX_SOCKET_DIR=" .. shared }
    local path = write_policy("secret", false)
    answers(host, "secret v1.2.3", "register", "kv", path, sum_of(path))
    answers(host, "mounted", "mount", "one", "kv")
    for _, one in ipairs(support.containers(runtime_dir)) do
      for _, mount in ipairs(assert(support.engine():inspect(one.id)).mounts) do
        assert.are_not.equal(shared, mount.source)
      end
    end
    answers(host, "nothing", "write", "one", "key", "first")
    assert.are.equal("closed", host:close())
    assert.are.same({}, support.entries(shared))
  end)

  it_runs("starts only the policy that was registered", function()
    local path = write_policy("secret", false)
    local sum = sum_of(path)
    local host = start_host()
    answers(host, "secret v1.2.3", "register", "kv", path, sum)
    write_policy("secret", false, "memory = '64MiB'")
    assert.is_truthy(host:ask("mount", "one", "kv"):find("checksums did not match", 1, true), host.command.stdout)
    assert.are.equal("closed", host:close())
  end)

  it_runs("says why a plugin that needs its host's storage does not start without a private TMPDIR", function()
    local path = write_policy("secret", false)
    local host = start_host(nil, "")
    local answer = host:ask("register", "kv", path, sum_of(path))
    assert.is_truthy(answer:find("gantry: share_tmp: the host has no TMPDIR", 1, true), answer)
    assert.are.equal("closed", host:close())
  end)

  it_runs("finds out by the host's cookie that a plugin is of another kind than its policy says", function()
    local path = write_policy("database", false)
    support.write(path, (support.read(path):gsub('args = { "database" }', 'args = { "secret" }, share_tmp = true')))
    local host = start_host()
    answers(host, "secret v1.2.3", "register", "kv", path, sum_of(path))
    assert.are.equal("closed", host:close())
  end)

  it("is in the manual's table of hosts", function()
    if shown < tests then return pending "not all of it was shown" end
    local function version_of(module) return host_record.requires("tests/hosts/vault/go.mod", module) end
    host_record.ran("vault", {
      host = "Vault",
      tried = ("Vault's SDK %s, which sets its plugins' environment, AutoMTLS and multiplexing, with a secrets and a "
        .. "database plugin on it"):format(version_of "github.com/hashicorp/vault/sdk"),
      policy = 'its type, the image and its `sha256`, by `require "vault"`; secrets and auth plugins need a private '
        .. "`TMPDIR` of Vault's, or `gantry host -- vault server`",
      limits = "nothing known; Vault pins the policy's own SHA-256: register it anew when the policy changes",
    })
  end)
end)
