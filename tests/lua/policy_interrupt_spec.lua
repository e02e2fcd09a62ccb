-- SPDX-License-Identifier: Apache-2.0
--
--- A policy that hangs in a C function, in the verbs that run it in their own process: an ordinary signal ends them.

local core = require "gantry.core"
local task = require "gantry.task"

describe("a policy that hangs in a C function", function()
  local path

  before_each(function()
    path = ("%s/gantry-test-%s.lua"):format(os.getenv "TMPDIR" or "/tmp", core.system.random(4))
    local file <close> = assert(io.open(path, "w"))
    file:write "io.open('/dev/null')\nstring.rep('', 1 << 62)\nreturn { image = 'x' }"
    file:close()
    assert(os.execute(("chmod 644 '%s'"):format(path)))
  end)

  after_each(function() os.remove(path) end)

  ---Whether the process runs the policy: then nothing but it takes processor time for so long.
  ---@param pid integer
  local function await_work(pid)
    repeat
      task.sleep(0.02)
      local file <close> = assert(io.open(("/proc/%d/stat"):format(pid)))
      local ticks = select(12, file:read("a"):match("^.*%) (.*)"):match(("(%S+) "):rep(12)))
    until tonumber(ticks) > 60
  end

  for _, words in ipairs { { "check" }, { "run" }, { "call", "--list" }, { "plan" }, { "repl" } } do
    it("ends with `" .. table.concat(words, " ") .. "` by the first interrupt", function()
      task.run(function()
        local ended = task.event()
        local options = { os.getenv "GANTRY", table.unpack(words) }
        options[#options + 1] = path
        options.on_exit = function(exit) ended:set(exit) end
        local process = assert(core.process.spawn(task.loop(), options))
        await_work(process:pid())
        process:signal "INT"
        local exit = task.deadline(20, function() return ended:wait() end)
        process:close()
        assert.are.same({ signal = 2 }, exit)
      end)
    end)
  end
end)
