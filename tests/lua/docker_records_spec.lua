-- SPDX-License-Identifier: Apache-2.0
--
--- docker_records_spec.lua: what engines with Docker's API say, in gantry's words.

local records = require "gantry.engine.docker.records"

describe("a container's state", function()
  for said, status in pairs { running = "running", exited = "exited", stopped = "exited", stopping = "running",
    configured = "created", initialized = "created", paused = "paused" } do
    it(("is %s where the engine says %s"):format(status, said), function()
      assert.are.equal(status, records.listed({ Id = "1", State = said }).status)
      local container = records.container { Id = "1", Name = "/kv", Config = {}, State = { Status = said } }
      assert.are.equal(status, container.state.status)
    end)
  end
end)
