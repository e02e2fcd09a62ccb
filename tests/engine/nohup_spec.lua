-- SPDX-License-Identifier: Apache-2.0
--
--- What nohup starts: a hangup that is ignored stays so, in `gantry run` and in a plugin's stand-in.

local hosts = require "engine.hosts"
local support = require "engine.support"
local task = require "gantry.task"

describe("under nohup", function()
  local root, runtime_dir

  before_each(function()
    root = support.temporary()
    runtime_dir = root .. "/run"
    assert(os.execute("mkdir -m 700 " .. runtime_dir))
  end)

  after_each(function()
    task.run(function() hosts.assert_nothing_left(root .. "/kv", runtime_dir) end)
    support.remove(root)
  end)

  ---Starts a command, waits until its plugin is there, hangs up, and sees that this was not even taken.
  local function hang_up(arguments, environment)
    task.run(function()
      local command = support.command(arguments, { executable = "/usr/bin/nohup", runtime_dir = runtime_dir,
        environment = environment })
      command:await("stdout", "unix")
      local status = support.read(("/proc/%d/status"):format(command.process:pid()))
      for field, wanted in pairs { SigIgn = 1, SigBlk = 0, SigCgt = 0 } do
        assert.are.equal(wanted, tonumber(status:match(field .. ":%s+(%x+)"), 16) & 1, field)
      end
      command:kill "HUP"
      assert.is_nil(command.exit)
      command:kill "TERM"
      local exit = command:wait()
      assert.are_not.equal(1, exit.signal)
    end)
  end

  it("`gantry run` goes on after a hangup", function()
    local policy = support.write(root .. "/kv.lua", support.policy_text())
    hang_up { support.executable, "run", policy }
  end)

  it("a plugin's stand-in goes on after a hangup", function()
    local policy = hosts.policy(root .. "/kv", 'image = "gantry-test-kv:latest", disable_network = true,')
    hang_up({ policy }, { "PLUGIN_MIN_PORT=10000", "PLUGIN_MAX_PORT=25000", "PLUGIN_PROTOCOL_VERSIONS=1",
      "GANTRY_KV_COOKIE=" .. support.cookie[2] })
  end)
end)
