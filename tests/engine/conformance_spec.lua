-- SPDX-License-Identifier: Apache-2.0
--
--- That the engine of this machine is one as gantry.engine.interface says it; tests/engines has the others.

local conformance = require "engines.conformance"
local support = require "engine.support"

describe("an engine", function()
  conformance.cases(it, { engine = support.engine(), image = "gantry-test-kv:latest",
    binary = (os.getenv "GANTRY_CACHE" or support.source .. "/.cache") .. "/kv/kv-1.8",
    skip = function(reason) pending(reason) end })
end)
