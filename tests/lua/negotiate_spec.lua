-- SPDX-License-Identifier: Apache-2.0
--
--- The version of the API: what gantry and an engine agree on, and what is said where they do not.

local negotiate = require "gantry.engine.docker.negotiate"

describe("the API's version", function()
  local WHERE = { name = "unix:///x", url = "http://engine", unix_socket = "/x" }

  ---An engine that speaks from `oldest` to `newest`; `asked` collects the paths.
  local function engine(oldest, newest, headers)
    local asked = {}
    return function(path)
      asked[#asked + 1] = path
      if path == "/_ping" then
        local all = { ["api-version"] = newest }
        for name, value in pairs(headers or {}) do all[name] = value end
        return { status = 200, headers = all, body = "OK" }
      end
      if path == "/version" then
        local body = ('{"MinAPIVersion":"%s","ApiVersion":"%s"}'):format(oldest, newest)
        return { status = 200, headers = {}, body = body }
      end
      local minor = tonumber(path:match("^/v1%.(%d+)/"))
      local fits = minor >= tonumber(oldest:match("%d+$")) and minor <= tonumber(newest:match("%d+$"))
      return { status = fits and 200 or 400, headers = {}, body = "" }
    end, asked
  end

  local function agreed(...) return assert(negotiate.run(WHERE, ...)) end

  local function refused(ask, wanted, ...)
    local result, err = negotiate.run(WHERE, ask, wanted)
    assert.is_nil(result)
    assert.are.equal("API_VERSION", err.code)
    for _, part in ipairs { ... } do assert.is_truthy(err.message:find(part, 1, true), err.message) end
  end

  it("is the engine's newest, or gantry's where that is older; one question where nothing is in doubt", function()
    local ask, asked = engine("1.12", "1.41")
    assert.are.same({ api = "1.41", kind = "docker" }, agreed(ask))
    assert.are.same({ "/_ping" }, asked)
    assert.are.equal("1.44", agreed(engine("1.24", "1.51"), "").api)
    assert.are.equal("1.44", agreed((engine("1.44", "1.51"))).api)
    assert.are.equal("podman", agreed((engine("1.24", "1.41", { ["libpod-api-version"] = "4.3.1" }))).kind)
  end)

  it("is what the user asks for", function()
    assert.are.equal("1.40", agreed(engine("1.12", "1.41"), "1.40").api)
    assert.are.equal("1.46", agreed(engine("1.24", "1.51"), "v1.46").api)
  end)

  it("is refused where the engine is too old or too new", function()
    refused(engine("1.12", "1.39"), nil, "1.39 at most", "1.40 or newer", "upgrade the engine")
    refused(engine("1.48", "1.55"), nil, "1.48 to 1.55", "1.40 to 1.44", "upgrade gantry")
  end)

  it("is refused where the user asks for what cannot be", function()
    refused(engine("1.12", "1.41"), "1.43", "DOCKER_API_VERSION", "1.12 to 1.41", "unset it")
    refused(engine("1.44", "1.51"), "1.41", "DOCKER_API_VERSION", "1.44 to 1.51")
    refused(engine("1.12", "1.41"), "1.30", "DOCKER_API_VERSION", "1.40 or newer")
    refused(engine("1.12", "1.41"), "new", "DOCKER_API_VERSION", "'new'")
  end)

  it("is not known to what is no engine", function()
    local answer = { status = 400, headers = {}, body = "" }
    local result, err = negotiate.run({ name = "tcp://x:1", url = "http://x:1" }, function() return answer end)
    assert.is_nil(result)
    assert.are.equal("ENGINE_ADDRESS", err.code)
    assert.is_truthy(err.message:find("DOCKER_TLS_VERIFY=1", 1, true))
  end)
end)
