-- SPDX-License-Identifier: Apache-2.0
--
--- The docker command that starts a plugin's container by hand.

local by_hand = require "gantry.plugin.by_hand"
local docker = require "gantry.engine.docker.by_hand"

describe("the command to run a container by hand", function()
  local SPEC = {
    image = "img:1", entrypoint = { "/bin/plugin", "serve" }, args = { "-name", "it's" }, user = "1000",
    working_dir = "/data", network = "none", image_health = true, endpoints = {},
    env = { "LEVEL=info", "MAGIC=cookie", "PLUGIN_MIN_PORT=1", "PLUGIN_CLIENT_CERT=-----BEGIN\nX" },
    runtime = "runsc", memory = 1048576, nano_cpus = 500000000, pids_limit = 9, cgroup_parent = "/p",
    capabilities = { "IPC_LOCK" }, groups = { 0 }, no_new_privileges = true, security_options = {},
    read_only = true, tmpfs = { ["/tmp"] = "size=1m", ["/run"] = "" },
    ulimits = { { name = "nofile", soft = 1, hard = 2 } },
    mounts = { { kind = "bind", source = "/a b", target = "/c", read_only = true } },
  }

  ---@param kind "docker"|"podman"
  local function engine(kind)
    return { command = function(_, spec, options) return docker.command(spec, kind, options.directory) end }
  end

  it("says all that the request says, for a shell", function()
    assert.are.equal("mkdir -p -m 770 /run/p && docker run --rm --entrypoint /bin/plugin --user 1000 --group-add 0 "
      .. "--workdir /data --network none --runtime runsc --memory 1048576 --cpus 0.5 --pids-limit 9 --ulimit "
      .. "nofile=1:2 --cgroup-parent /p --cap-drop ALL --cap-add IPC_LOCK --security-opt no-new-privileges --read-only "
      .. "--tmpfs /run --tmpfs /tmp:size=1m --mount 'type=bind,source=/a b,target=/c,readonly' --env LEVEL "
      .. "--env MAGIC=cookie --env PLUGIN_MIN_PORT=1 img:1 serve -name 'it'\\''s'",
      by_hand.command(engine "docker", SPEC, { cookie = "MAGIC" }, "/run/p"))
  end)

  it("says what an engine was asked for that is hardened", function()
    local text = docker.command({ image = "x", env = {}, groups = {}, capabilities = {}, userns_mode = "host",
      mounts = { { kind = "bind", source = "/run/p", target = "/run/p", read_only = false, relabel = "shared" } },
      seccomp = "/p.json" }, "docker", "/run/p")
    assert.matches("--userns host ", text, 1, true)
    assert.matches("--security-opt seccomp=/p.json --volume /run/p:/run/p:rw,private,z", text, 1, true)
  end)

  it("shows secrets where it is told to", function()
    local command = by_hand.command(engine "podman", SPEC, { all = true }, "/run/p")
    assert.is_truthy(command:find("podman run --rm", 1, true))
    assert.is_truthy(command:find("--env LEVEL=info --env MAGIC=cookie", 1, true))
  end)
end)
