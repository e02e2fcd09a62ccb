-- SPDX-License-Identifier: Apache-2.0
--
--- Containers that could not be removed, as records tell of them to `gantry gc` and `gantry doctor`.

local core = require "gantry.core"
local corpses = require "gantry.supervisor.corpses"
local json = require "gantry.json"
local decider = require "gantry.restart.decider"

describe("corpses on record", function()
  local folder

  before_each(function()
    folder = ("%s/gantry-test-%s"):format(os.getenv "TMPDIR" or "/tmp", core.system.random(4))
    assert(core.files.make_directory(folder .. "/up"))
  end)
  after_each(function() assert(os.execute("rm -rf " .. folder)) end)

  local function write(name, record)
    local file <close> = assert(io.open(("%s/up/%s.json"):format(folder, name), "w"))
    file:write(type(record) == "string" and record or assert(json.encode(record)))
  end

  it("are told of by plugin, container and reason; what is no record is passed over", function()
    local state = decider.new_state()
    write("kv", { restart = state, corpses = { { container = ("a"):rep(64), reason = "device busy", since = 1 } } })
    write("jwt", { restart = state })
    write("odd", { restart = state, corpses = { 5 } })
    write("cut", '{"restart":')
    local list = corpses.recorded { GANTRY_STATE_DIR = folder }
    assert.are.equal(1, #list)
    assert.are.equal("container aaaaaaaaaaaa of plugin 'kv' could not be removed (device busy)",
      corpses.describe(list[1]))
  end)
end)
