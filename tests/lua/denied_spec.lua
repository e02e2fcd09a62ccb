-- SPDX-License-Identifier: Apache-2.0
--
--- Why the kernel refuses a plugin's socket: by its mode, or by a security module, where no kernel here has one.

local confinement = require "gantry.place.confinement"
local core = require "gantry.core"
local denied = require "gantry.plugin.denied"
local records = require "gantry.engine.docker.records"

local EACCES <const> = 13

describe("a socket that the kernel refuses", function()
  local folder, files, plugin

  before_each(function()
    folder, files = "/tmp/gantry-denied-" .. core.system.random(6), confinement.files
    assert(os.execute(("mkdir -m 700 %s && touch %s/socket"):format(folder, folder)))
    confinement.files = { folder .. "/label" }
    plugin = { name = "kv", container = "c", handshake = { address = folder .. "/socket" }, engine = {
      inspect = function() return { confinement = { AppArmor = "docker-odd" } } end } }
  end)

  after_each(function()
    confinement.files = files
    assert(os.execute("rm -rf " .. folder))
  end)

  local function label(text)
    local file <close> = assert(io.open(folder .. "/label", "w"))
    file:write(text)
  end

  it("though its mode lets us in is told of with the modules that may do so", function()
    label "vault (enforce)\n"
    local err = assert(denied.explain(plugin, { os_error = EACCES, message = "x" }))
    assert.are.equal("SOCKET_DENIED", err.code)
    for _, part in ipairs { "'kv'", plugin.handshake.address, "'vault' by AppArmor", "'docker-odd' by AppArmor",
      "apparmor=unconfined", "dmesg" } do
      assert.is_truthy(err.message:find(part, 1, true), err.message)
    end
    assert.is_nil(err.message:find("\n", 1, true))
  end)

  it("by its mode is told of with the user that opens it", function()
    if core.system.euid() == 0 then return end -- whom no mode stops
    assert(os.execute(("chmod 000 %s/socket"):format(folder)))
    local err = assert(denied.explain(plugin, { os_error = EACCES, message = "x" }))
    assert.is_truthy(err.message:find("mode 0000", 1, true) and err.message:find('user = "', 1, true), err.message)
  end)

  it("is not meant by another failure, nor where there is no socket", function()
    assert.is_nil(denied.explain(plugin, { os_error = 111, message = "x" }))
    assert.is_nil(denied.explain(plugin, { message = "x" }))
    plugin.handshake.address = folder .. "/none"
    assert.is_nil(denied.explain(plugin, { os_error = EACCES, message = "x" }))
  end)

  it("may be so by the confinement of this process, which its label says", function()
    for text, expected in pairs { ["unconfined\n"] = false, [""] = false, ["vault (complain)"] = false,
      ["/usr/bin/vault//child (enforce)\n"] = "/usr/bin/vault//child", ["snap.x.y (enforce)"] = "snap.x.y",
      ["system_u:system_r:vault_t:s0\0"] = "system_u:system_r:vault_t:s0",
      ["unconfined_u:unconfined_r:unconfined_t:s0-s0:c0.c1023\0"] = false } do
      label(text)
      local own = confinement.own()
      assert.are.equal(expected, own and own.label or false, text)
    end
  end)
end)

describe("an engine's hardening", function()
  it("is what its security options say", function()
    local function read(info)
      local found = records.info(info, "docker")
      return { rootless = found.rootless, selinux = found.selinux, apparmor = found.apparmor }
    end
    assert.are.same({ rootless = false, selinux = false, apparmor = false }, read {})
    assert.are.same({ rootless = true, selinux = true, apparmor = true }, read { SecurityOptions = {
      "name=apparmor", "name=seccomp,profile=default", "name=rootless", "name=selinux" } })
    for folder, ids in pairs { ["/var/lib/docker/100000.200000"] = { uid = 100000, gid = 200000 },
      ["/data/5.6/"] = { uid = 5, gid = 6 }, ["/var/lib/docker"] = {}, ["/a.b"] = {} } do
      assert.are.same(ids, records.info({ SecurityOptions = { "name=userns" }, DockerRootDir = folder },
        "docker").remapped)
    end
  end)
end)
