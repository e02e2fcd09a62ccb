-- SPDX-License-Identifier: Apache-2.0
local core = require "gantry.core"
local runtime_dir = require "gantry.place.runtime_dir"

local uid = core.system.euid()
local fallback = runtime_dir.path {}

describe("the runtime directory", function()
  local folder

  before_each(function()
    folder = ("%s/gantry-test-%s"):format(os.getenv("TMPDIR") or "/tmp", core.system.random(4))
    assert(core.files.make_directory(folder))
  end)

  after_each(function() assert(os.execute("rm -rf " .. folder)) end)

  it("is what GANTRY_RUNTIME_DIR says, whatever else is set", function()
    assert.are.equal("/x", runtime_dir.path { GANTRY_RUNTIME_DIR = "/x", XDG_RUNTIME_DIR = folder })
  end)

  it("is in XDG_RUNTIME_DIR where that is this user's", function()
    assert.are.equal(folder .. "/gantry", runtime_dir.path { XDG_RUNTIME_DIR = folder })
  end)

  it("is the one of a session without variables where XDG_RUNTIME_DIR is missing, empty or another user's", function()
    local foreign = "/"
    if uid == 0 then
      foreign = folder .. "/foreign"
      assert(os.execute(("mkdir '%s' && chown 64999 '%s'"):format(foreign, foreign)))
    end
    for _, value in ipairs { "", folder .. "/missing", uid == 0 and foreign or "/", "relative" } do
      assert.are.equal(fallback, runtime_dir.path { XDG_RUNTIME_DIR = value })
    end
  end)

  it("is root's own, not that of a login which ends", function()
    if uid ~= 0 then return end
    assert.are.equal("/run/gantry", fallback)
    assert.are.equal("/run/gantry", runtime_dir.path { XDG_RUNTIME_DIR = "/run/user/0" })
  end)
end)
