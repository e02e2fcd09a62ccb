-- SPDX-License-Identifier: Apache-2.0
--
--- Which folders of the caller a plugin sees at their own paths.

local core = require "gantry.core"
local shared_folders = require "gantry.plugin.shared_folders"

describe("shared folders", function()
  local engine = { endpoint = { unix_socket = "/nothing/listens/here" } }

  local here = assert(core.system.current_directory())

  it("are none unless asked for", function()
    assert.are.same({ mounts = {} }, shared_folders.of({ share_tmp = false }, { TMPDIR = "/anything" }, engine))
  end)

  it("are the current directory, to work in", function()
    assert.are.same({ mounts = { { source = here, target = here, read_only = true } }, working_dir = here },
      shared_folders.of({ cwd = "ro" }, {}, engine))
    local shared = assert(shared_folders.of({ cwd = "rw", mounts = { { source = "/x", target = here .. "/" } } }, {},
      engine))
    assert.are.same({ mounts = {}, working_dir = here }, shared)
  end)

  it("are a private temporary directory, once", function()
    local shared = assert(shared_folders.of({ share_tmp = true, cwd = "rw" }, { TMPDIR = here .. "/" }, engine))
    assert.are.same({ { source = here, target = here, read_only = false } }, shared.mounts)
    assert.is_nil(shared.warning)
  end)

  it("are everybody's temporary directory only in so many words", function()
    for _, path in ipairs { "", "/tmp", "/tmp//", "/" } do
      local shared, err = shared_folders.of({ share_tmp = true }, { TMPDIR = path }, engine)
      assert.is_nil(shared)
      assert.are.equal("TMPDIR_NOT_PRIVATE", err.code)
      assert.is_truthy(err.message:find("gantry host -- COMMAND", 1, true))
    end
    local shared = assert(shared_folders.of({ share_tmp = "/tmp" }, {}, engine))
    assert.are.same({ { source = "/tmp", target = "/tmp", read_only = false } }, shared.mounts)
    assert.is_truthy(shared.warning:find("/tmp", 1, true))
  end)

  it("are refused where there is no such directory", function()
    local shared, err = shared_folders.of({ share_tmp = true }, { TMPDIR = here .. "/nothing-here" }, engine)
    assert.is_nil(shared)
    assert.are.equal("TMPDIR_MISSING", err.code)
  end)
end)
