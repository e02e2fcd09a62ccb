-- SPDX-License-Identifier: Apache-2.0
--
--- What is written down of a plugin that went with its host: for its next launch, once.

local core = require "gantry.core"
local launches = require "gantry.place.launches"

describe("a plugin that went with its host", function()
  local environment, folder

  before_each(function()
    folder = "/tmp/gantry-launches-" .. core.system.random(6)
    environment = { GANTRY_STATE_DIR = folder }
  end)

  after_each(function() assert(os.execute("rm -rf " .. folder)) end)

  local RECORD <const> = { container = "gantry-kv-1", plugin = "kv", engine = "unix:///e", directory = "/run/kv-1" }

  it("is told of once, by its name", function()
    launches.leave(RECORD, "left", environment)
    assert.is_nil(launches.take_left("other", environment))
    local left = launches.take_left("kv", environment)
    assert.are.equal("gantry-kv-1", left.container)
    assert.is_true(math.abs(os.time() - left.at) < 60)
    assert.is_nil(launches.take_left("kv", environment))
  end)

  it("is told of by the last time alone, and is no launch", function()
    launches.leave(RECORD, "left", environment)
    launches.leave({ container = "gantry-kv-2", plugin = "kv" }, "killed", environment)
    assert.are.same({}, launches.all(environment))
    local left = launches.take_left("kv", environment)
    assert.are.same({ "gantry-kv-2", "killed" }, { left.container, left.how })
  end)

  it("leaves nothing on record, where its launcher was killed as it wrote that down either", function()
    assert(launches.keep(RECORD, environment))
    local path = folder .. "/launches/gantry-kv-1.json"
    assert(os.execute(("cp %s %s.new"):format(path, path)))
    launches.forget("gantry-kv-1", RECORD.directory, environment)
    assert.are.same({}, core.files.list(folder .. "/launches"))
  end)

  it("is not told of where the file is anything else", function()
    launches.leave(RECORD, "left", environment)
    for _, text in ipairs { "", "{}", "[1]", '{"container":1,"at":2}', '{"container":"x","at":"y","how":"left"}',
      '{"container":"x","at":1,"how":"z"}', "\0\1" } do
      local file <close> = assert(io.open(folder .. "/launches/kv.left", "wb"))
      assert(file:write(text))
      file:close()
      assert.is_nil(launches.take_left("kv", environment))
    end
    for _, name in ipairs { "../kv", "", false } do
      assert.is_nil(launches.take_left(name, environment))
      launches.leave({ container = "c", plugin = name }, "left", environment)
    end
    assert.is_nil(core.system.stat(folder .. "/kv.left"))
  end)
end)
