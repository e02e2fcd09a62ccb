-- SPDX-License-Identifier: Apache-2.0
--
--- Pulls from a real registry that wants a password: never, missing, always; where the password comes from; and each
--- way to fail.

local exchange = require "gantry.engine.docker.exchange"
local json = require "gantry.json"
local registry_auth = require "gantry.engine.docker.registry_auth"
local registries = require "engine.registry"
local support = require "engine.support"
local task = require "gantry.task"

describe("a pull", function()
  local folder, runtime_dir, registry, address, image

  local function sh(text) assert(os.execute(text), text) end

  ---Removes a name from the engine; the image itself stays while it has others.
  local function forget(name)
    support.engine():call("DELETE", "/images/" .. name, { action = "remove the test's image" })
  end

  setup(function()
    folder = support.temporary()
    registry, address = registries.start(folder)
    image = address .. "/test/kv"
    local engine = support.engine()
    assert(engine:call("POST", ("/images/gantry-test-kv:latest/tag?repo=%s&tag=1"):format(exchange.escape(image)),
      { action = "tag the test's image" }))
    assert(engine:stream("POST", ("/images/%s/push?tag=1"):format(image), { action = "push the test's image",
      headers = { registry_auth.header(address, { username = "alice", password = "s3cret" }) },
      on_value = function(value) assert(not value.errorDetail, value.error) end }))
  end)

  teardown(function()
    registry:close()
    support.remove(folder)
  end)

  before_each(function()
    runtime_dir = support.temporary()
    forget(image .. ":1")
  end)

  after_each(function()
    assert.are.same({}, support.containers(runtime_dir))
    support.remove(runtime_dir)
    forget(image .. ":1")
  end)

  ---@param text string fields of the policy
  local function policy(text)
    return support.write(folder .. "/kv.lua", support.policy_text(text:gsub("IMAGE", image)))
  end

  ---A settings' folder for the docker command.
  ---@param config table
  local function settings(config)
    local path = support.temporary()
    support.write(path .. "/config.json", assert(json.encode(config)))
    return path
  end

  local function login(password)
    local packed = require("gantry.core").base64.encode("alice:" .. password)
    return { auths = { [address] = { auth = packed } } }
  end

  ---Runs a policy until it is ready or fails.
  ---@return support.Command ended
  local function run(text, config, environment)
    local path = settings(config or {})
    environment = environment or {}
    environment[#environment + 1] = "DOCKER_CONFIG=" .. path
    local command = task.run(function()
      local command = support.command({ "run", policy(text) }, { runtime_dir = runtime_dir, environment = environment })
      if pcall(command.await, command, "stdout", "\n") then command:kill("INT") end
      command:wait()
      return command
    end)
    support.remove(path)
    return command
  end

  local function pulls(text, config, environment)
    local command = run(text, config, environment)
    assert.are.equal(0, command.exit.code, command.stderr)
    return command.stderr
  end

  local function fails(text, config, ...)
    local command = run(text, config)
    assert.are.equal(6, command.exit.code, command.stderr)
    for _, part in ipairs { ... } do assert.is_truthy(command.stderr:find(part, 1, true), command.stderr) end
    assert.is_nil(command.stderr:find("s3cret", 1, true))
  end

  local MISSING = "image = 'IMAGE', tag = '1', pull = 'missing'"

  it("fetches what is missing, once, and says so in plain lines", function()
    local told = pulls(MISSING, login "s3cret")
    assert.is_truthy(told:find("kv: pulling image " .. image .. ":1\n", 1, true), told)
    assert.is_truthy(told:find("Downloaded newer image", 1, true), told)
    assert.is_nil(told:find("\27", 1, true))
    told = pulls(MISSING) -- it is there now: no password, no registry
    assert.is_nil(told:find("pulling", 1, true), told)
  end)

  it("asks each time where the policy says always, by tag and by digest", function()
    local told = pulls("image = 'IMAGE:1', tag = nil, pull = 'always'", login "s3cret")
    local digest = assert(told:match("Digest: (sha256:%x+)"), told)
    told = pulls("image = 'IMAGE', tag = '1', pull = 'always'", login "s3cret")
    assert.is_truthy(told:find("Image is up to date", 1, true), told)
    forget(image .. ":1")
    told = pulls(("image = 'IMAGE@%s', tag = nil, pull = 'missing', sha256 = '%s'"):format(digest, digest),
      login "s3cret")
    assert.is_truthy(told:find("pulling", 1, true), told)
    forget(image .. "@" .. digest)
  end)

  it("is not done where the policy does not say so", function()
    fails("image = 'IMAGE', tag = '1'", login "s3cret", "is not on the engine", 'pull = "missing"')
  end)

  it("finds the password with a helper program: credHelpers, then credsStore", function()
    support.write(folder .. "/docker-credential-gantrytest", ([[#!/bin/sh
read -r registry
[ "$1 $registry" = "get %s" ] || { echo "credentials not found in native keychain"; exit 1; }
echo '{"ServerURL":"'"$registry"'","Username":"alice","Secret":"s3cret"}'
]]):format(address))
    sh("chmod +x " .. folder .. "/docker-credential-gantrytest")
    local path = { "PATH=" .. folder .. ":" .. os.getenv "PATH" }
    pulls(MISSING, { credHelpers = { [address] = "gantrytest" }, credsStore = "nowhere" }, path)
    forget(image .. ":1")
    pulls(MISSING, { credsStore = "gantrytest", auths = { ["https://" .. address .. "/v1/"] = {} } }, {
      "PATH=" .. folder .. ":" .. os.getenv "PATH" })
  end)

  it("says that the password is refused", function()
    fails(MISSING, login "wrong", "does not accept the login", "docker login " .. address)
  end)

  it("says that there is no login", function()
    fails(MISSING, {}, "has no login for it", "docker login " .. address)
  end)

  it("says that the helper program is missing", function()
    fails(MISSING, { credsStore = "gantry-nowhere" }, "docker-credential-gantry-nowhere", "credsStore")
  end)

  it("says that there is no such tag", function()
    fails("image = 'IMAGE', tag = '2', pull = 'always'", login "s3cret", image .. ":2", "name and tag are right")
  end)

  it("says that the registry does not answer", function()
    fails("image = '127.0.0.1:1/test/kv', tag = '1', pull = 'missing'", {}, "127.0.0.1:1", "can be reached")
  end)

  it("is told with a code of its own", function()
    local path = settings(login "wrong")
    local plugin, err = require("gantry").launch(policy(MISSING), { runtime_dir = runtime_dir,
      environment = { DOCKER_CONFIG = path } })
    assert.is_nil(plugin)
    assert.are.equal("REGISTRY_AUTH", err.code)
    support.remove(path)
  end)
end)
