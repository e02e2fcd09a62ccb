-- SPDX-License-Identifier: Apache-2.0
--
--- Cause: the cleaner of one plugin looked at the leftovers of others by making their socket directories, so that one
--- that was gone came back for a moment, and the folder around it could not be removed. Fix: what is only looked after
--- is adopted, and adopting never makes a directory.

local core = require "gantry.core"
local support = require "engine.support"

describe("adopting a socket directory", function()
  it("makes none where there is none", function()
    local root = support.temporary()
    local directory, err = core.socket_dir.adopt(root, "gone")
    assert.is_nil(directory)
    assert.are.equal("SOCKET_DIR_FAILED", err.code)
    assert.are.same({}, support.entries(root))
    support.remove(root)
  end)

  it("takes one that nobody holds, and not one that somebody does", function()
    local root = support.temporary()
    local owner = assert(core.socket_dir.make(root, "kv"))
    local refused, err = core.socket_dir.adopt(root, "kv")
    assert.is_nil(refused)
    assert.are.equal("SOCKET_DIR_BUSY", err.code)
    owner:close()
    assert(core.socket_dir.adopt(root, "kv")):remove()
    assert.are.same({}, support.entries(root))
    support.remove(root)
  end)
end)
