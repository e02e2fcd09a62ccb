-- SPDX-License-Identifier: Apache-2.0
--
--- Where the engine is: the variables, contexts and files that users know from other tools, and which of them wins.

local core = require "gantry.core"
local endpoint = require "gantry.engine.endpoint"

describe("the engine's address", function()
  local folder

  before_each(function()
    folder = ("%s/gantry-test-%s"):format(os.getenv("TMPDIR") or "/tmp", core.system.random(4))
    assert(core.files.make_directory(folder))
  end)

  after_each(function() assert(os.execute("rm -rf " .. folder)) end)

  ---Writes a file below the folder.
  local function write(path, text)
    assert(core.files.make_directory((folder .. "/" .. path):match("^(.*)/")))
    local file <close> = assert(io.open(folder .. "/" .. path, "wb"))
    file:write(text)
    return folder .. "/" .. path
  end

  local function context(id, name, host, more)
    write(("contexts/meta/%s/meta.json"):format(id),
      ('{"Name":"%s","Metadata":{},"Endpoints":{"docker":{"Host":"%s"%s}}}'):format(name, host, more or ""))
  end

  ---The one endpoint that an environment chooses.
  local function chosen(environment, url)
    environment.DOCKER_CONFIG = environment.DOCKER_CONFIG or folder
    local list = assert(endpoint.candidates(url, environment))
    assert.are.equal(1, #list)
    return list[1]
  end

  local function refused(environment, code, ...)
    environment.DOCKER_CONFIG = environment.DOCKER_CONFIG or folder
    local list, err = endpoint.candidates(nil, environment)
    assert.is_nil(list)
    assert.are.equal(code, err.code)
    for _, part in ipairs { ... } do assert.is_truthy(err.message:find(part, 1, true), err.message) end
  end

  ---@param environment table<string, string>
  ---@return table<string, integer> places by address
  local function usual(environment)
    local places = {}
    for i, one in ipairs(assert(endpoint.candidates(nil, environment))) do places[one.name] = i end
    return places
  end

  it("is one of the usual sockets where nothing was chosen: rootful, rootless, then Podman's", function()
    local places = usual { HOME = folder, XDG_RUNTIME_DIR = folder, DOCKER_CONFIG = folder }
    local last = 0
    for _, name in ipairs { "/var/run/docker.sock", folder .. "/docker.sock", folder .. "/.docker/run/docker.sock",
      folder .. "/podman/podman.sock", "/run/podman/podman.sock" } do
      local place = assert(places["unix://" .. name], name)
      assert.is_true(place > last, name)
      last = place
    end
  end)

  it("is none below a runtime folder that is missing or of another user, nor below an empty HOME", function()
    local foreign = core.system.euid() == 0 and folder .. "/foreign" or "/"
    if foreign ~= "/" then assert(os.execute(("mkdir '%s' && chown 64999 '%s'"):format(foreign, foreign))) end
    for _, runtime in ipairs { folder .. "/missing", foreign, "relative" } do
      local places = usual { HOME = "", XDG_RUNTIME_DIR = runtime, DOCKER_CONFIG = folder }
      assert.is_nil(places["unix://" .. runtime .. "/docker.sock"])
      assert.is_nil(places["unix:///.docker/run/docker.sock"])
      assert.is_truthy(places["unix:///run/podman/podman.sock"])
    end
  end)

  it("is chosen by --engine, DOCKER_HOST, DOCKER_CONTEXT, CONTAINER_HOST, the current context, in order", function()
    write("config.json", '{"currentContext":"work"}')
    context("aa", "work", "unix:///work.sock")
    context("bb", "other", "unix:///other.sock")
    local environment = { DOCKER_HOST = "unix:///host.sock", DOCKER_CONTEXT = "other",
      CONTAINER_HOST = "unix:///container.sock" }
    local function next_is(name, source, url)
      local one = chosen(environment, url)
      assert.are.same({ name, source }, { one.unix_socket, one.source })
    end
    next_is("/flag.sock", "--engine", "unix:///flag.sock")
    next_is("/host.sock", "DOCKER_HOST")
    environment.DOCKER_HOST = ""
    next_is("/other.sock", "docker context 'other'")
    environment.DOCKER_CONTEXT = nil
    next_is("/container.sock", "CONTAINER_HOST")
    environment.CONTAINER_HOST = nil
    next_is("/work.sock", "docker context 'work'")
    environment.DOCKER_CONTEXT = "default"
    assert.is_true(#assert(endpoint.candidates(nil, environment)) > 1)
  end)

  it("is in ~/.docker where DOCKER_CONFIG is not set", function()
    write(".docker/config.json", '{"currentContext":"work"}')
    write(".docker/contexts/meta/aa/meta.json", '{"Name":"work","Endpoints":{"docker":{"Host":"unix:///work.sock"}}}')
    local list = assert(endpoint.candidates(nil, { HOME = folder }))
    assert.are.equal("/work.sock", list[1].unix_socket)
  end)

  it("brings a context's certificates", function()
    context("aa", "work", "tcp://engine.example")
    for _, name in ipairs { "ca", "cert", "key" } do write("contexts/tls/aa/docker/" .. name .. ".pem", "x") end
    local one = chosen { DOCKER_CONTEXT = "work", DOCKER_CERT_PATH = "/nowhere" }
    assert.are.equal("https://engine.example:2376", one.url)
    assert.are.equal(folder .. "/contexts/tls/aa/docker/cert.pem", one.cert_file)
    assert.is_true(one.verify)

    context("bb", "loose", "tcp://engine.example:1", ',"SkipTLSVerify":true')
    one = chosen { DOCKER_CONTEXT = "loose" }
    assert.are.equal("https://engine.example:1", one.url)
    assert.is_false(one.verify)

    context("cc", "plain", "tcp://engine.example:1")
    assert.are.equal("http://engine.example:1", chosen { DOCKER_CONTEXT = "plain" }.url)
  end)

  it("refuses a context that does not exist or names no engine", function()
    context("aa", "work", "unix:///work.sock")
    write("contexts/meta/bb/meta.json", '{"Name":"k8s","Endpoints":{"kubernetes":{}}}')
    refused({ DOCKER_CONTEXT = "wrok" }, "CONTEXT_UNKNOWN", "DOCKER_CONTEXT", "'wrok'", "did you mean 'work'?", "k8s")
    refused({ DOCKER_CONTEXT = "k8s" }, "CONTEXT_INVALID", "'k8s'", "docker context create")
    write("config.json", '{"currentContext":"gone"}')
    refused({}, "CONTEXT_UNKNOWN", folder .. "/config.json", "'gone'", "there is k8s, work")
    write("contexts/meta/cc/meta.json", "{")
    refused({}, "DOCKER_CONFIG", "meta/cc/meta.json")
  end)

  it("refuses settings of the docker command that are broken, unless they are not needed", function()
    write("config.json", '{"currentContext":')
    refused({}, "DOCKER_CONFIG", folder .. "/config.json", "JSON", "DOCKER_CONFIG")
    assert.are.equal("/x", chosen({ DOCKER_HOST = "unix:///x" }).unix_socket)
  end)

  it("takes its certificates from DOCKER_CERT_PATH or the settings' folder", function()
    for _, name in ipairs { "ca", "cert", "key" } do
      write("certificates/" .. name .. ".pem", "x")
      write(name .. ".pem", "x")
    end
    local host = "tcp://10.0.0.1"
    local one = chosen { DOCKER_HOST = host, DOCKER_TLS_VERIFY = "1", DOCKER_CERT_PATH = folder .. "/certificates" }
    assert.are.same({ "https://10.0.0.1:2376", folder .. "/certificates/ca.pem", true }, { one.url, one.ca_file,
      one.verify })
    one = chosen { DOCKER_HOST = host, DOCKER_TLS_VERIFY = "1" }
    assert.are.equal(folder .. "/key.pem", one.key_file)
    one = chosen { DOCKER_HOST = host, DOCKER_CERT_PATH = folder .. "/certificates" }
    assert.is_false(one.verify)
    assert.are.equal("http://10.0.0.1:2375", chosen({ DOCKER_HOST = host }).url)
    assert.are.equal("https://10.0.0.1:2376", chosen({ DOCKER_HOST = "https://10.0.0.1" }).url)
    assert.is_nil(chosen({ DOCKER_HOST = "unix:///x", DOCKER_TLS_VERIFY = "1" }).ca_file)
  end)

  it("says which certificate is missing", function()
    local environment = { DOCKER_HOST = "tcp://10.0.0.1", DOCKER_TLS_VERIFY = "1" }
    refused(environment, "ENGINE_TLS_FILE", "DOCKER_TLS_VERIFY", "is missing", "DOCKER_CERT_PATH")
    for _, name in ipairs { "ca", "cert" } do write(name .. ".pem", "x") end
    refused(environment, "ENGINE_TLS_FILE", folder .. "/key.pem is missing")
    context("aa", "work", "tcp://engine.example")
    write("contexts/tls/aa/docker/cert.pem", "x")
    refused({ DOCKER_CONTEXT = "work" }, "ENGINE_TLS_FILE", "docker context 'work'", "key.pem is missing")
  end)

  it("refuses what is no address", function()
    refused({ DOCKER_HOST = "docker.sock" }, "ENGINE_ADDRESS", "DOCKER_HOST", "unix:///path")
    refused({ DOCKER_HOST = "ssh://user@host" }, "ENGINE_ADDRESS", "ssh", "run gantry there")
  end)
end)
