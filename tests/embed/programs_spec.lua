-- SPDX-License-Identifier: Apache-2.0
--
--- Programs that embed gantry, each as a process of its own: on luv's and cqueues' loops, a C program with two Lua
--- states (also under valgrind), one whose collector works at every call, and interpreters that gantry is not for.

local support = require "engine.support"

local HERE <const> = support.source .. "/tests/embed"
local HOST <const> = assert(os.getenv("GANTRY_EMBED_HOST"), "GANTRY_EMBED_HOST must name the C program (ctest sets it)")
local MEMCHECK <const> = "valgrind -q --error-exitcode=99 --leak-check=full --show-leak-kinds=definite,indirect"
  .. " --errors-for-leak-kinds=definite,indirect "

---Runs a shell command to its end.
---@return string output both streams
---@return integer? code
local function run(command)
  local pipe = assert(io.popen(command .. " 2>&1"))
  local output = pipe:read("a")
  local _, _, code = pipe:close()
  return output, code
end

describe("a program", function()
  local roots

  before_each(function() roots = { support.temporary(), support.temporary() } end)

  after_each(function()
    for _, root in ipairs(roots) do
      assert.are.same({}, support.containers(root))
      assert.are.same({}, support.entries(root))
      support.remove(root)
    end
  end)

  for _, loop in ipairs { "luv", "cqueues" } do
    it("on the loop of " .. loop .. " keeps its timer going while gantry launches ten plugins in it", function()
      local output, code = run(("lua5.4 %s/ten_in_%s.lua %s"):format(HERE, loop, roots[1]))
      assert.are.equal(0, code, output)
      local ticks, ideal, worst = output:match("^ticks (%d+) of (%d+), at most (%d+) ms apart\n$")
      assert.is_truthy(ticks, output)
      print(loop .. ": " .. output)
      -- Generous, for a machine that is busy: a launch that held the loop up would be seen all the same.
      assert.is_true(tonumber(ticks) > ideal / 10, output)
      assert.is_true(tonumber(worst) < 2000, output)
    end)
  end

  for _, how in ipairs { { "", "as it is" }, { MEMCHECK, "under valgrind" } } do
    it("in C with two Lua states runs both on one poll(2), " .. how[2], function()
      local output, code = run(("%s%s %s %s %s"):format(how[1], HOST, HERE, roots[1], roots[2]))
      assert.are.equal("both done, one loop\n", output)
      assert.are.equal(0, code)
    end)
  end

  for _, mode in ipairs { "generational", "incremental" } do
    it("whose collector is " .. mode .. " and works at every call loses nothing", function()
      local output, code = run(("lua5.4 %s/collector.lua %s %s"):format(HERE, mode, roots[1]))
      assert.are.equal("the collector was at work\n", output)
      assert.are.equal(0, code)
    end)
  end

  for interpreter, name in pairs { ["lua5.1"] = "Lua 5.1", ["lua5.3"] = "Lua 5.3", luajit = "LuaJIT 2.1" } do
    it("for " .. name .. " is told which Lua gantry needs", function()
      for _, module in ipairs { "gantry", "gantry.luv", "gantry.cqueues" } do
        local output, code = run(("%s -e 'require %q'"):format(interpreter, module))
        assert.are.equal(1, code, output)
        assert.is_truthy(output:find("gantry needs Lua 5.4, this is " .. name, 1, true), output)
        local beside = output:find("run gantry up beside it (see docs/embedding.md)", 1, true)
        assert.are.equal(interpreter == "luajit", beside ~= nil, output)
      end
    end)
  end
end)
