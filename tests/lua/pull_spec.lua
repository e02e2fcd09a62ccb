-- SPDX-License-Identifier: Apache-2.0
--
--- What a failed pull means, on each engine by its statuses; whose password is sent; and how progress looks.

local base64 = require("gantry.core").base64
local core = require "gantry.core"
local errors = require "gantry.base.errors"
local json = require "gantry.json"
local pull = require "gantry.engine.docker.pull"
local pull_progress = require "gantry.text.pull_progress"
local registry_auth = require "gantry.engine.docker.registry_auth"

describe("a pull", function()
  local folder

  before_each(function()
    folder = ("%s/gantry-test-%s"):format(os.getenv("TMPDIR") or "/tmp", core.system.random(4))
    assert(core.files.make_directory(folder))
  end)

  after_each(function() assert(os.execute("rm -rf " .. folder)) end)

  ---The environment of a user whose docker settings are these.
  local function settings(config)
    local file <close> = assert(io.open(folder .. "/config.json", "w"))
    file:write((assert(json.encode(config))))
    return { DOCKER_CONFIG = folder }
  end

  ---An engine whose pull answers with `values`, then `failure`; its registry answers with `registry`.
  local function engine_of(kind, values, failure, registry)
    local asked = {}
    return { kind = kind, asked = asked,
      stream = function(_, method, path, options)
        asked[#asked + 1] = { method, path, options.headers and options.headers[1] }
        for _, value in ipairs(values) do options.on_value(value) end
        if failure then return nil, failure end
        return true
      end,
      call = function() return nil, errors.new("ENGINE_ERROR", "registry", { status = registry }) end }
  end

  local function status(number)
    return errors.new(number and "ENGINE_ERROR" or "HTTP_FAILED", "pull: the engine says: no", { status = number })
  end

  local LOGIN = { auths = { ["r.example:5000"] = { auth = base64.encode("alice:secret") } } }

  -- Kind, values, failure, the registry's status, login, code.
  for name, case in pairs {
    ["docker, wrong password"] = { "docker", {}, status(500), 401, LOGIN, "REGISTRY_AUTH" },
    ["docker, no login"] = { "docker", {}, status(500), 500, {}, "REGISTRY_FAILED" },
    ["docker, no such tag"] = { "docker", {}, status(404), nil, LOGIN, "IMAGE_NOT_FOUND" },
    ["docker, registry down"] = { "docker", {}, status(500), 500, LOGIN, "REGISTRY_FAILED" },
    ["docker, failed later"] = { "docker", { { status = "Pulling" }, { errorDetail = { message = "x" } } }, nil,
      500, LOGIN, "REGISTRY_FAILED" },
    ["podman 5, wrong password"] = { "podman", {}, status(401), nil, LOGIN, "REGISTRY_AUTH" },
    ["podman 4, all failures"] = { "podman", { { error = "no", errorDetail = { message = "no" } } }, nil, nil, LOGIN,
      "REGISTRY_FAILED" },
    ["the engine went away"] = { "docker", {}, status(nil), nil, LOGIN, "HTTP_FAILED" },
  } do
    it("that failed: " .. name, function()
      local engine = engine_of(case[1], case[2], case[3], case[4])
      local ok, err = pull.run(engine, "r.example:5000/a/b:1", { environment = settings(case[5]) })
      assert.is_nil(ok)
      assert.are.equal(case[6], err.code, err.message)
      assert.is_nil(err.message:find("secret", 1, true))
    end)
  end

  it("is read to its end, with each message", function()
    local seen = {}
    local engine = engine_of("docker", {
      { status = "Downloading", id = "l1", progressDetail = { current = 1, total = 2 } },
      { status = "Done", progressDetail = {} } })
    assert(pull.run(engine, "a/b@sha256:" .. ("0"):rep(64), { environment = settings {},
      on_message = function(message) seen[#seen + 1] = message end }))
    assert.are.same({ { status = "Downloading", id = "l1", current = 1, total = 2 }, { status = "Done" } }, seen)
    assert.are.equal("/images/create?fromImage=a%2Fb&tag=sha256%3A" .. ("0"):rep(64), engine.asked[1][2])
    assert.is_nil(engine.asked[1][3])
  end)

  it("sends the password of the image's own registry and of no other", function()
    local function sent(reference, config)
      local engine = engine_of("docker", {})
      assert(pull.run(engine, reference, { environment = settings(config) }))
      local header = engine.asked[1][3]
      return header and json.decode(assert(base64.decode(header:match("^X%-Registry%-Auth: ([%w_=-]*)$"))))
    end
    assert.are.same({ username = "alice", password = "secret", serveraddress = "r.example:5000" },
      sent("r.example:5000/a:1", LOGIN))
    assert.is_nil(sent("r.example/a:1", LOGIN))
    assert.is_nil(sent("a:1", LOGIN))
    local hub = { auths = { ["https://index.docker.io/v1/"] = { identitytoken = "t" } } }
    for _, reference in ipairs { "a:1", "library/a:1", "docker.io/library/a:1" } do
      assert.are.same({ identitytoken = "t", serveraddress = "https://index.docker.io/v1/" }, sent(reference, hub))
    end
    assert.are.same({ username = "u", password = "a:b", serveraddress = "r.example" },
      sent("r.example/a:1", { auths = { ["https://r.example/v1/"] = { auth = base64.encode("u:a:b") } } }))
    assert.is_nil(sent("r.example/a:1", { auths = { ["r.example"] = {} } }))
  end)

  it("knows an image's registry as Docker does", function()
    for reference, registry in pairs { ["localhost/a"] = "localhost", ["r.example:1/a/b:1"] = "r.example:1",
      ["user/a"] = "https://index.docker.io/v1/", ["127.0.0.1:5000/a"] = "127.0.0.1:5000" } do
      assert.are.equal(registry, registry_auth.registry(reference))
    end
  end)

  it("is shown on a terminal in one line a layer, and elsewhere without what only counts", function()
    local written = {}
    local shown = pull_progress.new("kv: ", function(text) written[#written + 1] = text end)
    shown:feed { id = "l1", status = "Waiting" }
    shown:feed { id = "l2", status = "Waiting" }
    shown:feed { id = "l1", status = "Downloading", current = 1024, total = 2048 }
    shown:feed { status = "Status: \27[31mdone" }
    assert.is_truthy(written[1]:find("kv: l1: Waiting\27%[%?7h\n$"))
    assert.is_truthy(written[3]:find("^\27%[2A\r\27%[2K"))
    local bar = "[" .. ("="):rep(20) .. ">" .. (" "):rep(20) .. "]  1KiB/2KiB"
    assert.is_truthy(written[3]:find(bar, 1, true), written[3])
    assert.is_truthy(written[3]:find("\27%[2B\r$"))
    assert.is_nil(written[4]:find("\27[31m", 1, true))
    assert.are.equal("l1: Waiting", pull_progress.line { id = "l1", status = "Waiting" })
    assert.is_nil(pull_progress.line { id = "l1", status = "Downloading", current = 1, total = 2 })
  end)
end)
