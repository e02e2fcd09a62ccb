-- SPDX-License-Identifier: Apache-2.0
--
--- What an address on one side of a container means on the other.

local addresses = require "gantry.plugin.addresses"

describe("an address", function()
  local CONTAINER = {
    mounts = {
      { kind = "bind", source = "/run/plugins/p1", target = "/tmp/go-plugin-container" },
      { kind = "bind", source = "/srv/data", target = "/data" },
      { kind = "bind", source = "/srv/secret", target = "/data/hidden" },
      { kind = "bind", source = "/run/same/", target = "/run/same" },
      { kind = "tmpfs", target = "/scratch" },
    },
    network = "none", tmpfs = { ["/data/cache"] = "" },
  }

  local function refused(translate, address, ...)
    local result, err = translate(CONTAINER, address)
    assert.is_nil(result)
    assert.are.equal("ADDRESS_NOT_SHARED", err.code)
    for _, part in ipairs { ... } do assert.is_truthy(err.message:find(part, 1, true), err.message) end
  end

  it("of the plugin's is found on the host, in the form it was given", function()
    assert.are.equal("/run/plugins/p1/plugin1", addresses.to_host(CONTAINER, "/tmp/go-plugin-container/plugin1"))
    assert.are.equal("unix:/srv/data/a/b", addresses.to_host(CONTAINER, "unix:/data/a/b"))
    assert.are.equal("unix:///srv/secret", addresses.to_host(CONTAINER, "unix:///data/hidden"))
    assert.are.same({ network = "unix", string = "/run/same/x" },
      addresses.to_host(CONTAINER, { network = "unix", string = "/run/same/x" }))
    assert.are.equal("/srv/data/b", addresses.to_host(CONTAINER, "/data/./a//../b/"))
  end)

  it("of the host's is found in the container", function()
    assert.are.equal("/tmp/go-plugin-container/plugin2", addresses.to_plugin(CONTAINER, "/run/plugins/p1/plugin2"))
    assert.are.equal("unix:/data/x", addresses.to_plugin(CONTAINER, "unix:/srv/data/x"))
    assert.are.equal("/run/same/s", addresses.to_plugin(CONTAINER, "/run/same/s"))
  end)

  it("outside of what is shared is refused with the reason", function()
    refused(addresses.to_host, "/tmp/other/plugin1", "the container's own", "/data, /data/hidden, /run/same")
    refused(addresses.to_host, "/tmp/go-plugin-containers/plugin1", "the container's own")
    refused(addresses.to_host, "/tmp/go-plugin-container/../plugin1", "/tmp/plugin1 is the container's own")
    refused(addresses.to_host, "/scratch/x", "memory")
    refused(addresses.to_host, "/data/cache/x", "memory")
    refused(addresses.to_plugin, "/srv/other", "not shared")
    refused(addresses.to_plugin, "/srv/data/hidden/x", "another mount hides it")
    refused(addresses.to_plugin, "/srv/data/cache/x", "hides")
    refused(addresses.to_host, "plugin1", "absolute")
    refused(addresses.to_host, { network = "tcp", string = "127.0.0.1:80" }, "different networks")
  end)

  it("on the network is the same where the network is", function()
    local tcp = { network = "tcp", string = "127.0.0.1:80" }
    assert.are.same(tcp, addresses.to_host({ mounts = {}, tmpfs = {}, network = "host" }, tcp))
  end)
end)
