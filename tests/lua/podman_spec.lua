-- SPDX-License-Identifier: Apache-2.0
--
--- What Podman's service would ignore: asked for in its own way, or refused.

local podman = require "gantry.engine.docker.podman"

describe("a request for Podman", function()
  local info = { default_runtime = "crun" }

  local function request(host, more)
    host.Mounts = host.Mounts or {}
    local made = { Image = "x", HostConfig = host, Labels = { ["gantry.directory"] = "/run/not/yet/made" } }
    for key, value in pairs(more or {}) do made[key] = value end
    return made
  end

  local function refused(host, code, ...)
    local fitted, err = podman.fit(request(host), info)
    assert.is_nil(fitted)
    assert.are.equal(code, err.code)
    for _, part in ipairs { ... } do assert.is_truthy(err.message:find(part, 1, true), err.message) end
  end

  it("asks for no network by the network's mode", function()
    local fitted = assert(podman.fit(request({}, { NetworkDisabled = true }), info))
    assert.is_nil(fitted.NetworkDisabled)
    assert.are.equal("none", fitted.HostConfig.NetworkMode)
  end)

  it("keeps the network that the policy names", function()
    local fitted = assert(podman.fit(request({ NetworkMode = "backend" }, { NetworkDisabled = false }), info))
    assert.are.equal("backend", fitted.HostConfig.NetworkMode)
  end)

  it("may name the runtime that all containers get, and no other", function()
    assert(podman.fit(request { Runtime = "crun" }, info))
    refused({ Runtime = "runsc" }, "ENGINE_UNSUPPORTED", "runtime", "'crun'", "'runsc'", "--runtime runsc")
  end)

  it("has no settings of what Podman does not call a network", function()
    for mode, kept in pairs { host = false, none = false, backend = true } do
      local fitted = assert(podman.fit(request({ NetworkMode = mode },
        { NetworkingConfig = { EndpointsConfig = { [mode] = {} } } }), info))
      assert.are.same({ mode, kept }, { fitted.HostConfig.NetworkMode, fitted.NetworkingConfig ~= nil })
    end
  end)

  it("mounts only what exists, by paths without a comma", function()
    local function mount(source)
      local own = { Type = "bind", Source = "/run/not/yet/made", Target = "/run/not/yet/made" }
      return { Mounts = { own, { Type = "bind", Source = source, Target = "/data" } } }
    end
    assert(podman.fit(request(mount "/usr"), info))
    refused(mount "/no/such/folder", "MOUNT_SOURCE_MISSING", "/no/such/folder", "does not exist")
    refused(mount "/a,b", "ENGINE_UNSUPPORTED", "/a,b", "comma")
  end)
end)
