-- SPDX-License-Identifier: Apache-2.0
--
--- Why an engine did not make a container, where this machine's engine cannot be made to refuse it.

local errors = require "gantry.base.errors"
local refusal = require "gantry.plugin.refusal"
local runtimes = require "gantry.engine.runtimes"

describe("an engine's refusal", function()
  local ENDPOINT = { name = "unix:///x" }

  local function plugin_of(config, info)
    return { name = "kv", config = config, handshake = { address = "/run/kv/plugin1" },
      engine = { endpoint = ENDPOINT, kind = "podman", sees_folder = function() end,
        info = function() return info end } }
  end

  local function refused(status) return errors.new("ENGINE_REFUSED", "create: no", { status = status }) end

  it("of a cgroup_parent that systemd cannot have", function()
    local plugin = plugin_of({ cgroup_parent = "/plugins" }, { cgroup_driver = "systemd" })
    local err = refusal.explain(plugin, {}, refused(400))
    assert.are.equal("CGROUP_PARENT", err.code)
    assert.is_truthy(err.message:find("plugins.slice", 1, true))
    plugin.config.cgroup_parent = "plugins.slice"
    assert.are.equal("ENGINE_REFUSED", refusal.explain(plugin, {}, refused(400)).code)
    plugin = plugin_of({ cgroup_parent = "/plugins" }, { cgroup_driver = "cgroupfs" })
    assert.are.equal("ENGINE_REFUSED", refusal.explain(plugin, {}, refused(400)).code)
  end)

  it("is left as it is where the engine went away", function()
    local lost = errors.new("HTTP_FAILED", "lost")
    assert.are.equal(lost, refusal.explain(plugin_of({}, {}), {}, lost))
  end)

  it("is none where the runtime hides the socket: it says which flag is missing", function()
    local info = { default_runtime = "runc", runtimes = {
      runc = { path = "runc" }, gvisor = { path = "/usr/bin/runsc", arguments = { "--platform=ptrace" } } } }
    local err = refusal.no_socket(plugin_of({ runtime = "gvisor" }, info))
    assert.are.equal("SOCKET_NOT_VISIBLE", err.code)
    assert.is_truthy(err.message:find("'gvisor'", 1, true))
    assert.is_truthy(err.message:find("--host-uds=create", 1, true))
    assert.is_truthy(refusal.no_socket(plugin_of({}, info)).message:find("gantry doctor", 1, true))
  end)

  it("knows gVisor's flags in each spelling", function()
    local function problem(...) return runtimes.socket_problem("x", { path = "/opt/runsc", arguments = { ... } }) end
    assert.is_truthy(problem())
    assert.is_truthy(problem "--host-uds=open")
    assert.is_truthy(problem("--host-uds=all", "--host-uds=none"))
    assert.is_nil(problem "--host-uds=create")
    assert.is_nil(problem "-host-uds=all")
    assert.is_nil(runtimes.socket_problem("runc", { path = "runc" }))
    assert.are.equal("", runtimes.flag({ arguments = { "--ignore-cgroups" } }, "ignore-cgroups"))
  end)
end)
