-- SPDX-License-Identifier: Apache-2.0
--
--- core.system.pipe and core.system.read.

local core = require "gantry.core"

describe("core.system.pipe", function()
  it("tells what is there, that there is nothing yet, and the end", function()
    local ours, theirs = core.system.pipe()
    assert.is_false(core.system.read(ours))
    assert.are.equal(5, core.system.write(theirs, "a\0b\nc"))
    assert.are.equal("a\0b\nc", core.system.read(ours))
    assert.is_false(core.system.read(ours))
    core.system.close(theirs)
    assert.are.equal("", core.system.read(ours))
    core.system.close(ours)
    local bytes, err = core.system.read(ours)
    assert.is_nil(bytes)
    assert.are.equal("READ_FAILED", err.code)
  end)

  it("takes no number that is no descriptor", function()
    assert.has_error(function() core.system.read(-1) end)
    assert.has_error(function() core.system.read "x" end)
  end)

  it("is not handed on to children", function()
    local ours, theirs = core.system.pipe()
    local pipe <close> = assert(io.popen(("test -e /proc/self/fd/%d || test -e /proc/self/fd/%d; echo $?"):format(ours,
      theirs)))
    assert.are.equal("1", pipe:read "l")
    core.system.close(ours)
    core.system.close(theirs)
  end)
end)
