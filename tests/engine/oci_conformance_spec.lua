-- SPDX-License-Identifier: Apache-2.0
--
--- That the engine without a daemon is one as gantry.engine.interface says it, with the OCI runtime that it takes here.
--- tests/engines has it with others.

local conformance = require "engines.conformance"
local engines = require "gantry.engine"
local oci = require "engine.oci"

describe("the engine without a daemon", function()
  local engine, err = engines.connect { url = "oci:" }
  if not engine then return it("is here", function() pending(tostring(err)) end) end
  conformance.cases(it, { engine = engine, image = oci.image(engine, oci.kv "1.8"), binary = oci.kv "1.6",
    skip = function(reason) pending(reason) end })
end)
