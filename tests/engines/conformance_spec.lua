-- SPDX-License-Identifier: Apache-2.0
--
--- conformance.lua on the engine of DOCKER_HOST, with the runtime of GANTRY_MATRIX_RUNTIME, for the matrix's table.

local conformance = require "engines.conformance"
local matrix = require "engines.matrix"
local support = require "engine.support"

local case = matrix.cases(it)

describe("the client of " .. matrix.engine, function()
  conformance.cases(function(name, run) case("client: " .. name, run) end, { engine = support.engine(),
    image = "gantry-test-kv:latest", runtime = matrix.runtime, skip = matrix.skip,
    binary = (os.getenv "GANTRY_CACHE" or support.source .. "/.cache") .. "/kv/kv-1.8" })
end)
