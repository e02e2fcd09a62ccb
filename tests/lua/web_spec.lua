-- SPDX-License-Identifier: Apache-2.0
--
--- What stands before the page: token, Host, Origin, read-only, TLS; and clients that misbehave. The supervisor behind
--- it is a table.

local control = require "gantry.control"
local core = require "gantry.core"
local json = require "gantry.json"
local task = require "gantry.task"

local CURL <const> = "/usr/bin/curl"

describe("the page's door", function()
  local server, subscribers, folder, url, port, token

  before_each(function()
    folder = ("%s/gantry-test-%s"):format(os.getenv "TMPDIR" or "/tmp", core.system.random(4))
    assert(core.files.make_directory(folder))
    subscribers = {}
  end)

  after_each(function()
    if server then server:close() end
    server = nil
    assert(os.execute("rm -rf " .. folder))
  end)

  ---@return table supervisor as far as the routes of this spec see it
  local function supervisor()
    return { directory = "/policies", units = {}, find = function(_, name)
      return nil, require("gantry.base.errors").new("PLUGIN_UNKNOWN", ("no plugin '%s'"):format(name))
    end, journal_of = function() end, reload = function() return true end,
      policies = { findings = function() return {} end },
      subscribe = function(_, take)
        subscribers[take] = true
        return function() subscribers[take] = nil end
      end }
  end

  ---@param options gantry.WebOptions?
  local function serve(options)
    options = options or {}
    options.address = options.address or "127.0.0.1:0"
    server = assert(control.serve_web(supervisor(), options))
    url, port, token = server.link:match "^(https?://[^/]-:(%d+))/%?token=(%x+)$"
    assert.are.equal(64, #token)
    url = url:gsub("Gantry%.example", "127.0.0.1")
  end

  ---@param ... string arguments of curl
  ---@return string output
  local function curl(...)
    local pieces, done = {}, task.event()
    local command = { "/usr/bin/env", "-u", "LD_PRELOAD", CURL, "-s", "-m", "60", ... } -- it is not sanitized
    command.input, command.output, command.error = "null", "pipe", "inherit"
    command.on_output = function(_, bytes) pieces[#pieces + 1] = bytes end
    command.on_exit = function() done:set() end
    local _ <close> = assert(core.process.spawn(task.loop(), command))
    done:wait()
    return table.concat(pieces)
  end

  ---@param path string
  ---@param ... string more arguments of curl
  ---@return string status, string answer
  local function fetch(path, ...)
    local out = curl("-w", "\n%{http_code}", url .. path, ...)
    local answer, status = out:match "^(.*)\n(%d+)$"
    assert(status, out)
    return status, answer
  end

  ---@param headers string[]
  ---@param more string[]?
  local function refusal(path, headers, more)
    local arguments = table.move(more or {}, 1, #(more or {}), 1, {})
    for _, header in ipairs(headers) do table.move({ "-H", header }, 1, 2, #arguments + 1, arguments) end
    local status, answer = fetch(path, table.unpack(arguments))
    local value = json.decode(answer)
    return status .. " " .. (type(value) == "table" and value.code or "answered")
  end

  local function cookie() return ("Cookie: a=b; gantry-%s=%s"):format(port, token) end
  local function bearer() return "Authorization: Bearer " .. token end

  local function test(name, fn)
    it(name, function() task.run(fn) end)
  end

  test("lets nobody in without its token, whatever is asked", function()
    serve()
    for _, path in ipairs { "/", "/page.js", "/page.css", "/v1", "/v1/plugins", "/v1/metrics", "/v1/events", "/none",
      "/?token=", "/?token=" .. ("0"):rep(64), "/v1?token=" .. token, "/page.js?token=" .. token } do
      assert.are.equal("401 TOKEN_REQUIRED", refusal(path, {}), path)
    end
    for _, header in ipairs { "Authorization: Bearer x", "Authorization: Basic " .. token,
      "Authorization: Bearer " .. token:upper() .. "0", "Cookie: gantry-1=" .. token, "Cookie: gantry-" .. port .. "=",
      "Cookie: gantry-" .. port .. "=" .. token .. "0", "Cookie: " .. ("x"):rep(9000) } do
      assert.are.equal("401 TOKEN_REQUIRED", refusal("/v1", { header }), header)
    end
    assert.are.equal("401 TOKEN_REQUIRED", refusal("/v1/reload", {}, { "-X", "POST" }))
  end)

  test("gives the token to a browser in a cookie that scripts and other pages do not get", function()
    serve()
    local answer = curl("-i", server.link)
    assert.matches("^HTTP/1.1 303 ", answer)
    assert.matches("\nLocation: /\r\n", answer)
    assert.is_truthy(answer:find(("\nSet-Cookie: gantry-%s=%s; Path=/; HttpOnly; SameSite=Strict\r\n"):format(port,
      token), 1, true), answer)
    answer = curl("-i", url .. "/", "-H", cookie())
    assert.matches("^HTTP/1.1 200 ", answer)
    assert.matches("\nContent%-Type: text/html; charset=utf%-8\r\n", answer)
    assert.matches("\nContent%-Security%-Policy: default%-src 'none'; ", answer)
    assert.matches("<!DOCTYPE html>", answer)
    assert.is_nil(answer:find("%son%a+="), "a handler inside of the page")
    assert.is_nil(answer:find "style=")
    assert.is_nil(answer:find("//", 1, true), "an address of somebody else's")
    assert.are.same({ "200 answered", "200 answered" },
      { refusal("/v1", { cookie() }), refusal("/v1", { bearer() }) })
  end)

  test("forgets the token with the server", function()
    serve()
    local old, address = cookie(), "127.0.0.1:" .. port
    server:close()
    serve { address = address }
    assert.are.equal("401 TOKEN_REQUIRED", refusal("/v1", { old }))
    assert.are.equal("200 answered", refusal("/v1", { cookie() }))
  end)

  test("serves no foreign name and no foreign page", function()
    serve { names = { "Gantry.example" } }
    for _, host in ipairs { "evil.example", "evil.example:" .. port, "127.0.0.1.evil.example", "localhost.evil", "",
      "10.0.0.1", "[::2]:1", "gantry.example.evil" } do
      assert.are.equal("403 HOST_REFUSED", refusal("/v1", { cookie(), "Host: " .. host }), host)
      assert.are.equal("403 HOST_REFUSED", refusal("/?token=" .. token, { "Host: " .. host }), host)
    end
    for _, host in ipairs { "localhost:" .. port, "LOCALHOST", "127.0.0.1:1", "[::1]:" .. port, "gantry.example" } do
      assert.are.equal("200 answered", refusal("/v1", { cookie(), "Host: " .. host }), host)
    end
    for _, origin in ipairs { "http://evil.example", "null", "https://127.0.0.1:" .. port, "http://127.0.0.1:1",
      "http://localhost:" .. port, url .. "/" } do
      for _, method in ipairs { "GET", "POST" } do
        assert.are.equal("403 ORIGIN_REFUSED",
          refusal(method == "GET" and "/v1" or "/v1/reload", { cookie(), "Origin: " .. origin }, { "-X", method }))
      end
    end
  end)

  test("changes something for its own page and for who names the token alone", function()
    serve()
    local post = { "-X", "POST" }
    assert.are.equal("403 ORIGIN_REFUSED", refusal("/v1/reload", { cookie() }, post))
    assert.are.equal("200 answered", refusal("/v1/reload", { cookie(), "Origin: " .. url }, post))
    assert.are.equal("200 answered", refusal("/v1/reload", { bearer() }, post))
    assert.are.equal("404 PLUGIN_UNKNOWN", refusal("/v1/plugins/kv/stop", { bearer() }, post))
    assert.are.equal("405 METHOD_NOT_ALLOWED", refusal("/v1/reload", { bearer() }))
  end)

  test("changes nothing where it is read-only", function()
    serve { readonly = true }
    for _, path in ipairs { "/v1/reload", "/v1/down", "/v1/plugins/kv/stop", "/", "/none" } do
      assert.are.equal("403 READ_ONLY", refusal(path, { bearer() }, { "-X", "POST" }), path)
    end
    assert.is_true(json.decode(select(2, fetch("/v1", "-H", bearer()))).readonly)
  end)

  test("says why it cannot be served", function()
    serve()
    local cases = {
      { { address = "127.0.0.1:" .. port }, "CONTROL_BUSY", "port " .. port .. ": another program has it" },
      { { address = "0.0.0.0:0" }, "CONTROL_CERTIFICATE", "others reach 0.0.0.0:0: .*ssh %-L" },
      { { address = "[::]:0", certificate = "/x" }, "CONTROL_CERTIFICATE", "its key is missing" },
      { { address = "[::]:0", certificate = "/none", key = "/none" }, "READ_FAILED", "page's certificate: .*/none" },
      { { address = "127.0.0.1:0", certificate = "/etc/hostname", key = "/etc/hostname" }, "CONTROL_CERTIFICATE",
        "both must be PEM" },
      { { address = "192.0.2.1:1", certificate = "/etc/hostname", key = "/etc/hostname" }, "CONTROL_FAILED",
        "192.0.2.1 port 1" },
    }
    for _, text in ipairs { "7070", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", "example.org:80", "",
      "::1:80", "[::1]", "127.0.0.1:-1", "127.0.0.256:1", "127.1:1" } do
      cases[#cases + 1] = { { address = text }, "CONTROL_ADDRESS", "numeric address" }
    end
    for _, case in ipairs(cases) do
      local made, err = control.serve_web(supervisor(), case[1])
      assert.is_nil(made, case[1].address)
      assert.are.equal(case[2], err.code, case[1].address)
      assert.matches(case[3], err.message)
    end
  end)

  test("speaks TLS where it has a certificate", function()
    local pair = assert(require("gantry.core.certificate").generate())
    local certificate, key = folder .. "/cert.pem", folder .. "/key.pem"
    assert(core.files.replace(certificate, pair.certificate))
    assert(core.files.replace(key, pair.key))
    serve { address = "0.0.0.0:0", names = { "localhost" }, certificate = certificate, key = key }
    assert.matches("^https://localhost:", url)
    assert.are.equal("200 answered", refusal("/v1", { bearer() }, { "--cacert", certificate }))
    assert.matches("; Secure\r\n", curl("-i", "--cacert", certificate, server.link))
    assert.are.equal("403 ORIGIN_REFUSED",
      refusal("/v1", { cookie(), "Origin: " .. url:gsub("https", "http") }, { "--cacert", certificate }))
    assert.are.equal("000", fetch("/v1", "-H", bearer(), "--cacert", certificate, "--tls-max", "1.1"))
    -- An answer of many records, which goes on.
    local stream = task.spawn(curl, "-N", "-m", "60", "--cacert", certificate, "-H", bearer(), url .. "/v1/events")
    while not next(subscribers) do task.sleep(0.01) end
    local take, line = next(subscribers), ("x"):rep(1000)
    for _ = 1, 500 do take { time = 1, kind = "state", text = line } end
    task.sleep(0.2)
    server:close()
    server = nil
    assert.are.equal(500, select(2, stream:wait():gsub("x\"", "")))
  end)

  test("answers ten thousand requests on one connection", function()
    serve()
    local out = curl("-o", "/dev/null", "-w", "%{num_connects} %{http_code}\n", "-H", bearer(),
      url .. "/v1?[1-10000]")
    assert.are.equal("1 200\n" .. ("0 200\n"):rep(9999), out)
  end)

  test("serves others beside clients that are slow or read nothing, and lets those go", function()
    serve()
    local rude = {}
    local script = [[
import socket, sys
port, text = int(sys.argv[1]), sys.argv[2].encode().decode("unicode_escape").encode()
one = socket.create_connection(("127.0.0.1", port))
one.sendall(text)
print("sent", flush=True)
sys.stdin.read() if len(sys.argv) > 3 else None
while one.recv(65536):
    pass
]]
    local function client(text, reads_nothing)
      local sent, ended = task.event(), task.event()
      local arguments = { "/usr/bin/python3", "-c", script, port, text, input = "null", output = "pipe",
        error = "inherit", on_output = function() sent:set() end, on_exit = function() ended:set() end }
      if reads_nothing then
        table.insert(arguments, 6, "reads nothing")
        arguments.input = "pipe"
      end
      local process = assert(core.process.spawn(task.loop(), arguments))
      sent:wait()
      rude[#rude + 1] = { process = process, ended = ended }
    end
    for _, text in ipairs { "", "GET /v1 HT",
      "POST /v1/reload HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 9\\r\\n\\r\\nha" } do
      client(text)
    end
    client(("GET /v1/events HTTP/1.1\\r\\nHost: localhost\\r\\nAuthorization: Bearer %s\\r\\n\\r\\n")
      :format(token), true)
    while not next(subscribers) do task.sleep(0.01) end
    local line = ("x"):rep(1000)
    task.deadline(50, function()
      while next(subscribers) do
        for _ = 1, 1000 do
          local take = next(subscribers)
          if take then take { time = 1, kind = "state", text = line } end
        end
        assert.are.equal("200 answered", refusal("/v1", { bearer() }))
      end
    end)
    assert.is_nil(next(subscribers), "one that reads nothing still has its stream")
    for i = 1, 3 do rude[i].ended:wait() end
    for _, one in ipairs(rude) do one.process:close() end
  end)
end)
