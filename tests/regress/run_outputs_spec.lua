-- SPDX-License-Identifier: Apache-2.0
--
--- `gantry run` whose outputs nobody reads, are closed or full, and whose engine does not answer.
---
--- Causes that these cases keep away: the end of the command wrote what was left, and the JSON line, with blocking
--- writes while signals were held back, so that only SIGKILL ended it; with a closed output the next descriptor of ours
--- took its number and got the text; a line that a full disk did not take was lost without a word; during a stop no
--- source is paused, and what a stuck reader was to get grew without bound; an engine that did not answer a removal
--- held every Ctrl-C for minutes.

local core = require "gantry.core"
local support = require "engine.support"
local task = require "gantry.task"

describe("gantry run", function()
  local runtime_dir, folder, policy

  before_each(function()
    runtime_dir, folder = support.temporary(), support.temporary()
    policy = support.write(folder .. "/kv.lua", support.policy_text("name = 'kv'"))
  end)

  after_each(function()
    assert.are.same({}, support.containers(runtime_dir))
    assert.are.same({}, support.entries(runtime_dir))
    support.remove(runtime_dir)
    support.remove(folder)
  end)

  ---Starts the command from a shell that redirects its outputs; $0 is the command, $1 the policy, $2 a pipe that is
  ---open and that nobody reads.
  ---@param redirection string
  ---@param before string? a command of the shell
  ---@return support.Command
  local function start(redirection, before)
    local pipe = folder .. "/pipe"
    assert(os.execute("mkfifo " .. pipe))
    local script = ('exec 3<>"$2"; %s exec "$0" run "$1" %s'):format(before or "", redirection)
    return support.command({ "-c", script, support.executable, policy, pipe },
      { executable = "/bin/bash", runtime_dir = runtime_dir })
  end

  it("ends at the second Ctrl-C when nobody reads its standard error", function()
    support.write(policy, support.policy_text(
      "name = 'kv', stop_timeout = 1, args = { '-flood-stderr', '50000000', '-ignore-shutdown', '-ignore-sigterm' }"))
    task.run(function()
      local command = start '2>"$2"'
      command:await("stdout", "\n")
      command:kill("INT")
      task.sleep(0.2) -- two of a signal that wait are one
      command:kill("INT")
      assert.are.equal(0, command:wait().code)
    end)
  end)

  it("gives up on a reader that has stopped reading", function()
    support.write(policy, support.policy_text("name = 'kv', args = { '-flood-stderr', '2000000' }"))
    task.run(function()
      local command = start '2>"$2"'
      command:await("stdout", "\n")
      command:kill("INT")
      assert.are.equal(0, command:wait().code)
    end)
  end)

  it("stops when its standard output is a full pipe", function()
    task.run(function()
      local fill = 'dd if=/dev/zero of="$2" oflag=nonblock bs=4096 count=4096 2>/dev/null;'
      local command = start('>"$2"', fill)
      command:await("stderr", "ready")
      command:kill("INT")
      assert.are.equal(0, command:wait().code, command.stderr)
      assert.is_truthy(command.stderr:find("ended (exit code 0", 1, true), command.stderr)
    end)
  end)

  for output, reason in pairs { ["/dev/full"] = "No space left on device", [">(:)"] = "Broken pipe" } do
    it("stops a plugin whose one line cannot be written to " .. output, function()
      task.run(function()
        local command = start("> " .. output)
        assert.are.equal(1, command:wait().code, command.stderr)
        assert.matches("the address of plugin 'kv' could not be written to standard output, and the plugin is "
          .. "stopped: .-" .. reason, command.stderr)
        assert.are.same({}, support.containers(runtime_dir))
      end)
    end)
  end

  it("keeps descriptors of its own away from closed outputs", function()
    task.run(function()
      local command = start '>&- <&-'
      command:await("stderr", "ready")
      for descriptor = 0, 1 do
        local link = io.popen(("readlink /proc/%d/fd/%d"):format(command.process:pid(), descriptor))
        assert.are.equal("/dev/null", link:read("l"))
        link:close()
      end
      command:kill("INT")
      assert.are.equal(0, command:wait().code, command.stderr)
    end)
  end)

  it("leaves at the third Ctrl-C an engine that does not answer, and the next run cleans up", function()
    local socket = folder .. "/engine.sock"
    task.run(function()
      local listening = task.event()
      local proxy = assert(core.process.spawn(task.loop(), {
        "lua5.4", support.source .. "/tests/engine/fault_proxy.lua", socket, support.engine().endpoint.unix_socket,
        "DELETE ", "hang", input = "null", output = "pipe", error = "inherit",
        on_output = function() listening:set() end, on_exit = function() end,
      }))
      listening:wait()
      local command = support.command({ "run", "--engine", "unix://" .. socket, policy }, { runtime_dir = runtime_dir })
      command:await("stdout", "\n")
      command:kill("INT")
      command:await("stderr", "%(Shutdown%)")
      command:kill("INT")
      command:await("stderr", "%(SIGKILL%)")
      command:kill("INT")
      assert.are.equal(1, command:wait().code, command.stderr)
      assert.is_truthy(command.stderr:find("gantry: left at once; what 'kv' leaves", 1, true), command.stderr)
      proxy:close()

      command = support.command({ "run", policy }, { runtime_dir = runtime_dir })
      command:await("stdout", "\n")
      command:kill("INT")
      assert.are.equal(0, command:wait().code, command.stderr)
      assert.is_truthy(command.stderr:find("kv: removed container ", 1, true), command.stderr)
    end)
  end)
end)
