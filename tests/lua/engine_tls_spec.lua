-- SPDX-License-Identifier: Apache-2.0
--
--- An engine on TCP whose certificate, or whose opinion of ours, is wrong: each has its own error with a remedy. The
--- engine is openssl's test server, which knows no API but answers over TLS.

local core = require "gantry.core"
local engine = require "gantry.engine"
local task = require "gantry.task"

-- Fails where a command does.
local function sh(text) assert(os.execute("exec 2>/dev/null; " .. text), text) end

describe("an engine's TLS", function()
  local folder, server, port

  ---Certificates as a DOCKER_CERT_PATH has them, an expired one for the engine, and those of a stranger.
  setup(function()
    folder = ("%s/gantry-test-%s"):format(os.getenv("TMPDIR") or "/tmp", core.system.random(4))
    sh("mkdir -m 700 " .. folder)
    local function authority(name)
      sh(("cd %s && mkdir -p %s && cd %s && openssl req -x509 -days 30 -subj /CN=%s -newkey ec -pkeyopt "
        .. "ec_paramgen_curve:prime256v1 -nodes -keyout ca.key -out ca.pem"):format(folder, name, name, name))
    end
    local function request(authority_name, prefix, extension)
      sh(([[cd %s/%s && openssl req -subj /CN=%s -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
        -keyout %skey.pem -out request && echo '%s' >extension]]):format(folder, authority_name, prefix, prefix,
        extension))
    end
    local function sign(authority_name, prefix, extension)
      request(authority_name, prefix, extension)
      sh(([[cd %s/%s && openssl x509 -req -in request -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 \
        -extfile extension -out %scert.pem]]):format(folder, authority_name, prefix))
    end
    -- Dates of the past are for `openssl ca` alone: other commands refuse them from OpenSSL 3.5 on.
    local function sign_in_the_past(authority_name, prefix, extension)
      request(authority_name, prefix, extension)
      sh(([[cd %s/%s && : >index && printf '[ca]\ndefault_ca = d\n[d]\ndatabase = index\nrand_serial = yes\n\
new_certs_dir = .\ndefault_md = sha256\npolicy = p\n[p]\ncommonName = supplied\n' >past.conf && \
        openssl ca -batch -notext -config past.conf -cert ca.pem -keyfile ca.key -in request -extfile extension \
        -out %scert.pem -startdate 20200101000000Z -enddate 20200201000000Z]]):format(folder, authority_name, prefix))
    end
    for _, name in ipairs { "good", "stranger" } do
      authority(name)
      sign(name, "", "extendedKeyUsage=clientAuth")
    end
    sign("good", "server-", "subjectAltName=IP:127.0.0.1")
    sign_in_the_past("good", "expired-", "subjectAltName=IP:127.0.0.1")
  end)

  teardown(function() sh("rm -rf " .. folder) end)

  after_each(function() server:close() end)

  ---@param prefix string of the server's certificate
  local function serve(prefix)
    local ready, seen = task.event(), ""
    server = assert(core.process.spawn(task.loop(), {
      "openssl", "s_server", "-accept", "127.0.0.1:0", "-www", "-Verify", "1", "-verify_return_error",
      "-cert", prefix .. "cert.pem", "-key", prefix .. "key.pem", "-CAfile", "ca.pem", directory = folder .. "/good",
      input = "null", output = "pipe", error = "pipe", on_exit = function() ready:set() end,
      on_output = function(_, bytes)
        seen = seen .. bytes
        port = seen:match("ACCEPT 127%.0%.0%.1:(%d+)")
        if port then ready:set() end
      end,
    }))
    ready:wait()
    assert(port, seen)
  end

  local function connect(certificates, host)
    return engine.connect { environment = { DOCKER_HOST = ("tcp://%s:%s"):format(host or "127.0.0.1", port),
      DOCKER_TLS_VERIFY = "1", DOCKER_CERT_PATH = folder .. "/" .. certificates } }
  end

  local function refused(code, certificates, host, ...)
    local client, err = connect(certificates, host)
    assert.is_nil(client)
    assert.are.equal(code, err.code, err.message)
    for _, part in ipairs { ... } do assert.is_truthy(err.message:find(part, 1, true), err.message) end
  end

  it("is fine", function()
    serve "server-"
    assert(connect "good"):close()
  end)

  it("has expired", function()
    serve "expired-"
    refused("ENGINE_TLS_EXPIRED", "good", nil, "renew the engine's certificate")
  end)

  it("is not of the authority that is trusted", function()
    serve "server-"
    refused("ENGINE_TLS_UNTRUSTED", "stranger", nil, "ca.pem", "DOCKER_TLS_VERIFY")
  end)

  it("is for another name", function()
    serve "server-"
    refused("ENGINE_TLS_NAME", "good", "localhost", "localhost")
  end)

  it("does not accept our certificate, or finds none", function()
    serve "server-"
    sh(("cd %s && cp -r stranger mixed && cp good/ca.pem mixed/"):format(folder))
    refused("ENGINE_TLS_REFUSED", "mixed", nil, folder .. "/mixed/cert.pem", "--tlscacert")
    local client, err = engine.connect { environment = { DOCKER_HOST = "https://127.0.0.1:" .. port, HOME = folder } }
    assert.is_nil(client)
    assert.are.equal("ENGINE_TLS_UNTRUSTED", err.code)
    sh(("cd %s && mkdir only && cp good/ca.pem only/"):format(folder))
    client, err = engine.connect { environment = { DOCKER_HOST = "tcp://127.0.0.1:" .. port, DOCKER_TLS = "1",
      DOCKER_CONFIG = folder .. "/only" } }
    assert.is_nil(client)
    assert.are.equal("ENGINE_TLS_REFUSED", err.code)
    assert.is_truthy(err.message:find("DOCKER_CERT_PATH", 1, true))
  end)

  it("cannot be had with files that are no certificates", function()
    serve "server-"
    sh(("cd %s && mkdir broken && cp good/*.pem broken/ && echo nothing >broken/cert.pem"):format(folder))
    refused("ENGINE_TLS_FILE", "broken", nil, "PEM", "broken/cert.pem")
  end)

  it("is not there at all", function()
    serve "server-"
    local client, err = engine.connect { environment = { DOCKER_HOST = "tcp://127.0.0.1:" .. port } }
    assert.is_nil(client)
    assert.is_truthy(err.code:find("ENGINE_", 1, true), err.code)
  end)
end)
