-- SPDX-License-Identifier: Apache-2.0
--
--- The docker command that starts a plugin's container by hand.

local by_hand = require "gantry.plugin.by_hand"

describe("the command to run a container by hand", function()
  local REQUEST = {
    Image = "img:1", Entrypoint = { "/bin/plugin", "serve" }, Cmd = { "-name", "it's" }, User = "1000",
    WorkingDir = "/data", NetworkDisabled = true,
    Env = { "LEVEL=info", "MAGIC=cookie", "PLUGIN_MIN_PORT=1", "PLUGIN_CLIENT_CERT=-----BEGIN\nX" },
    HostConfig = {
      Runtime = "runsc", Memory = 1048576, NanoCpus = 500000000, PidsLimit = 9, CgroupParent = "/p",
      CapDrop = { "ALL" }, CapAdd = { "IPC_LOCK" }, GroupAdd = { "0" }, SecurityOpt = { "no-new-privileges" },
      ReadonlyRootfs = true, Tmpfs = { ["/tmp"] = "size=1m", ["/run"] = "" },
      Ulimits = { { Name = "nofile", Soft = 1, Hard = 2 } },
      Mounts = { { Type = "bind", Source = "/a b", Target = "/c", ReadOnly = true } },
    },
  }

  it("says all that the request says, for a shell", function()
    assert.are.equal("mkdir -p -m 770 /run/p && docker run --rm --entrypoint /bin/plugin --user 1000 --group-add 0 "
      .. "--workdir /data --network none --runtime runsc --memory 1048576 --cpus 0.5 --pids-limit 9 --ulimit "
      .. "nofile=1:2 --cgroup-parent /p --cap-drop ALL --cap-add IPC_LOCK --security-opt no-new-privileges --read-only "
      .. "--tmpfs /run --tmpfs /tmp:size=1m --mount 'type=bind,source=/a b,target=/c,readonly' --env LEVEL "
      .. "--env MAGIC=cookie --env PLUGIN_MIN_PORT=1 img:1 serve -name 'it'\\''s'",
      by_hand.command(REQUEST, { kind = "docker", directory = "/run/p", cookie = "MAGIC" }))
  end)

  it("says what an engine was asked for that is hardened", function()
    local host = { UsernsMode = "host", Binds = { "/run/p:/run/p:rw,z" } }
    local text = by_hand.command({ Image = "x", HostConfig = host },
      { kind = "docker", directory = "/run/p" })
    assert.is_truthy(text:find("--userns host --volume /run/p:/run/p:rw,z", 1, true), text)
  end)

  it("shows secrets where it is told to", function()
    local command = by_hand.command(REQUEST, { kind = "podman", directory = "/run/p", all = true })
    assert.is_truthy(command:find("podman run --rm", 1, true))
    assert.is_truthy(command:find("--env LEVEL=info --env MAGIC=cookie", 1, true))
  end)
end)
