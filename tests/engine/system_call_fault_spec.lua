-- SPDX-License-Identifier: Apache-2.0
--
--- A launch in which one system call fails once, whichever it is: it succeeds, or fails with an error that says so, and
--- nothing is left behind. A sample of the calls; GANTRY_FULL_WALK=1 takes every one.

local support = require "engine.support"
local task = require "gantry.task"

local EINTR <const>, EAGAIN <const>, ENOMEM <const>, EMFILE <const>, ENOSPC <const> = 4, 11, 12, 24, 28

local FAULTS <const> = {
  socket = EMFILE, socketpair = EMFILE, connect = EAGAIN, pipe2 = EMFILE, epoll_create1 = EMFILE, epoll_ctl = ENOSPC,
  epoll_wait = EINTR, timerfd_create = EMFILE, signalfd = ENOMEM, mkdir = ENOSPC, mkdirat = ENOSPC, rename = ENOSPC,
  renameat = ENOSPC, symlinkat = ENOSPC, linkat = ENOSPC, flock = EINTR, dup = EMFILE, read = EINTR,
  write = EINTR, send = EINTR, recv = EINTR, open = EMFILE, openat = EMFILE,
}

describe("a system call that fails once", function()
  local runtime_dir, place, library, policy

  setup(function()
    place = support.temporary()
    library = place .. "/fault_shim.so"
    policy = support.write(place .. "/kv.lua", support.policy_text("name = 'kv'"))
    assert(os.execute(("cc -shared -fPIC -D_GNU_SOURCE -o %s %s/tests/engine/fault_shim.c -ldl"):format(library,
      support.source)))
  end)

  teardown(function() support.remove(place) end)

  before_each(function() runtime_dir = support.temporary() end)

  after_each(function() support.remove(runtime_dir) end)

  ---One launch and its end.
  ---@return boolean fired whether there was such a call
  local function launch(call, number, errno)
    local fired = place .. "/fired"
    os.remove(fired)
    task.run(function()
      local command = support.command({ "run", policy }, { runtime_dir = runtime_dir, environment = {
        "LD_PRELOAD=" .. library, "FAULT_CALL=" .. call, "FAULT_NUMBER=" .. number, "FAULT_ERRNO=" .. errno,
        "FAULT_FIRED=" .. fired,
      } })
      while not command.exit and not command.stderr:find("kv: ready", 1, true) do command.changed:wait() end
      command:kill("TERM")
      local exit = command:wait()
      local text = ("%s %d: %s"):format(call, number, command.stderr)
      assert.is_nil(exit.signal, text)
      assert.is_true(exit.code < 70, text)
      assert.is_nil(command.stderr:find("traceback", 1, true), text)
      assert.are.same({}, support.entries(runtime_dir), text)
      assert.are.same({}, support.containers(runtime_dir), text)
    end)
    return os.remove(fired) ~= nil
  end

  for call, errno in pairs(FAULTS) do
    it("is no more than an error: " .. call, function()
      local number, pace = 1, 1
      while launch(call, number, errno) do
        number = number + pace
        if not os.getenv("GANTRY_FULL_WALK") then pace = pace * 4 end
      end
    end)
  end
end)
