-- SPDX-License-Identifier: Apache-2.0
--
-- http_spec.lua: gantry.core.http: what Lua sees of requests, against a small server in Python.
local core = require "gantry.core"
local core_http = require "gantry.core.http"

-- Serves on the Unix socket in its first argument until its standard input ends.
local SERVER = [[
import http.server, os, socketserver, sys, threading

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def log_message(self, *_):
        pass

    def address_string(self):
        return "unix"

    def answer(self, status, body, headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def begin_stream(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.flush()
        self.close_connection = True

    def do_GET(self):
        if self.path == "/hello":
            self.answer(200, b"hello\0there", [("X-Twice", "one"), ("x-twice", "two")])
        elif self.path == "/missing":
            self.answer(404, b'{"message":"no such thing"}')
        elif self.path == "/hang":
            self.rfile.read(1)
        elif self.path == "/endless":
            self.begin_stream()
            self.wfile.write(b"first")
            self.wfile.flush()
            self.rfile.read(1)
        elif self.path == "/flood":
            self.begin_stream()
            for _ in range(64):
                self.wfile.write(bytes(1 << 20))

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        kind = self.headers.get("Content-Type", "none")
        self.answer(201, b"%s %s %s" % (self.command.encode(), kind.encode(), body))

class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    request_queue_size = 512
    daemon_threads = True

server = Server(sys.argv[1], Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
print("ready", flush=True)
sys.stdin.read()
]]

describe("http", function()
  local folder, server, server_loop, loop, client

  local function step() assert(loop:step(20)) end

  local function await(condition)
    while not condition() do step() end
  end

  ---Begins a request that notes what it sees; fields of `options` replace the noting functions.
  local function begin(path, options)
    local seen = { pieces = {} }
    local request = {
      method = "GET", path = path,
      on_headers = function(status, headers) seen.status, seen.headers = status, headers end,
      on_done = function(err, response) seen.done, seen.err, seen.response = true, err, response end,
    }
    for name, value in pairs(options or {}) do request[name] = value end
    seen.request = assert(client:request(request))
    return seen
  end

  ---One request, to its end.
  local function ask(path, options)
    local seen = begin(path, options)
    assert.is_nil(seen.done)
    await(function() return seen.done end)
    return seen
  end

  ---Begins a request whose body is streamed to `seen.pieces`.
  local function stream(path, options)
    local seen
    options = options or {}
    options.on_data = options.on_data or function(bytes) seen.pieces[#seen.pieces + 1] = bytes end
    seen = begin(path, options)
    return seen
  end

  local function new_client(options)
    options = options or {}
    options.url = options.url or "http://engine"
    options.unix_socket = options.unix_socket or folder .. "/socket"
    return assert(core_http.new(loop, options))
  end

  lazy_setup(function()
    folder = os.tmpname()
    os.remove(folder)
    assert(os.execute("mkdir -m 700 " .. folder))
    server_loop = assert(core.loop.new())
    local printed = ""
    server = assert(core.process.spawn(server_loop, {
      "python3", "-c", SERVER, folder .. "/socket", input = "pipe", output = "pipe", error = "inherit",
      on_output = function(_, bytes) printed = printed .. bytes end,
    }))
    while printed ~= "ready\n" do assert(assert(server_loop:step(20)) > 0, "the server does not start") end
  end)

  lazy_teardown(function()
    server:close()
    server_loop:close()
    os.execute("rm -r " .. folder)
  end)

  before_each(function()
    loop = assert(core.loop.new())
    client = new_client()
  end)

  after_each(function()
    client:close()
    loop:close()
  end)

  it("gives a whole answer", function()
    local seen = ask "/hello"
    assert.is_nil(seen.err)
    assert.equal(200, seen.response.status)
    assert.equal("integer", math.type(seen.response.status))
    assert.equal("hello\0there", seen.response.body)
    assert.equal("one, two", seen.response.headers["x-twice"])
    assert.equal(200, seen.status)
    assert.equal("11", seen.headers["content-length"])
  end)

  it("sends a body with the caller's headers", function()
    local seen = ask("/echo", { method = "POST", body = "{\0}", headers = { "Content-Type: application/json" } })
    assert.equal(201, seen.response.status)
    assert.equal("POST application/json {\0}", seen.response.body)
    assert.equal("POST none ", ask("/echo", { method = "POST" }).response.body)
  end)

  it("takes no status for an error", function()
    local seen = ask "/missing"
    assert.is_nil(seen.err)
    assert.equal(404, seen.response.status)
    assert.equal('{"message":"no such thing"}', seen.response.body)
  end)

  it("streams a body", function()
    local bytes = 0
    local seen = stream("/flood", { on_data = function(piece) bytes = bytes + #piece end })
    await(function() return seen.done end)
    assert.is_nil(seen.err)
    assert.equal(64 << 20, bytes)
    assert.is_nil(seen.response.body)
  end)

  it("pauses and resumes", function()
    local seen = stream "/endless"
    seen.request:pause()
    await(function() return seen.headers end)
    assert(loop:step(0.05))
    assert.same({}, seen.pieces)
    seen.request:resume()
    await(function() return seen.pieces[1] end)
    assert.same({ "first" }, seen.pieces)
    seen.request:cancel()
  end)

  it("has errors with codes", function()
    local seen = ask("/hang", { timeout = 0.05 })
    assert.equal("HTTP_TIMEOUT", seen.err.code)
    assert.is_nil(seen.response)
    assert.matches("/hang", tostring(seen.err))
    seen = ask("/hello", { limit = 3 })
    assert.equal("RESPONSE_TOO_LARGE", seen.err.code)
    assert.equal(200, seen.response.status)
    assert.is_nil(seen.response.body)
    client:close()
    client = new_client { unix_socket = folder .. "/none" }
    seen = ask "/hello"
    assert.equal("HTTP_CONNECT_FAILED", seen.err.code)
    assert.equal(2, seen.err.os_error)
    assert.matches("/none", seen.err.message)
  end)

  it("refuses what cannot be sent", function()
    local request, err = client:request { method = "GET", path = "/a b", on_done = print }
    assert.is_nil(request)
    assert.equal("HTTP_REQUEST_INVALID", err.code)
    local none
    none, err = core_http.new(loop, { url = "http://engine", unix_socket = "/" .. ("x"):rep(200) })
    assert.is_nil(none)
    assert.equal("SOCKET_PATH_TOO_LONG", err.code)
  end)

  it("raises where the arguments are wrong", function()
    local function request(change)
      local options = { method = "GET", path = "/", on_done = print }
      for name, value in pairs(change) do options[name] = value end
      return function() client:request(options) end
    end
    assert.error_matches(request { method = 1 }, "method must be a string, got number")
    assert.error_matches(request { path = "/\0" }, "path holds a NUL byte")
    assert.error_matches(request { body = {} }, "body must be a string, got table")
    assert.error_matches(request { headers = "A: b" }, "headers must be a list")
    assert.error_matches(request { headers = { 1 } }, "header 1 must be a string")
    assert.error_matches(request { timeout = -1 }, "timeout must be a number of seconds")
    assert.error_matches(request { timeout = 0 / 0 }, "timeout must be a number of seconds")
    assert.error_matches(request { limit = 1.5 }, "limit must be an integer from 0 to %d+, got 1.5")
    assert.error_matches(request { on_data = "x" }, "on_data must be a function, got string")
    assert.error_matches(function() client:request { method = "GET", path = "/" } end, "on_done is needed")
    assert.error_matches(function() core_http.new(loop, {}) end, "url is needed")
    client:close()
    assert.error_matches(request {}, "http client closed")
    client:close()
  end)

  it("cancels, also in a callback", function()
    local seen = stream "/endless"
    await(function() return seen.pieces[1] end)
    seen.request:cancel()
    seen.request:cancel()
    seen.request:pause()
    local other
    other = stream("/endless", { on_headers = function() other.request:cancel() other.cancelled = true end })
    await(function() return other.cancelled end)
    assert.equal("hello\0there", ask("/hello").response.body)
    assert.is_nil(seen.done)
    assert.is_nil(other.done)
    assert.same({}, other.pieces)
  end)

  it("closes in a callback", function()
    local closed
    local seen = stream("/endless", { on_data = function() client:close() closed = true end })
    local other = begin "/hang"
    await(function() return closed end)
    assert(loop:step(0.05))
    assert.is_nil(seen.done)
    assert.is_nil(other.done)
    other.request:cancel()
  end)

  it("raises a callback's error from the step, and goes on", function()
    local seen = begin("/hello", { on_headers = function() error "in a callback" end })
    assert.error_matches(function() await(function() return seen.done end) end, "in a callback")
    await(function() return seen.done end)
    assert.equal("hello\0there", seen.response.body)
  end)

  it("keeps what is in flight although nobody holds it", function()
    local done
    new_client():request { method = "GET", path = "/hello", on_done = function(_, response) done = response end }
    collectgarbage()
    collectgarbage()
    await(function() return done end)
    assert.equal(200, done.status)
  end)

  it("lets go of what has ended, and of all when it closes", function()
    local watched = setmetatable({}, { __mode = "k" })
    local function watch(path, on_data)
      local done = false
      local on_done = function() done = true end
      watched[on_done] = true
      client:request { method = "GET", path = path, on_done = on_done, on_data = on_data }
      return function() return done end
    end
    local function count()
      collectgarbage()
      collectgarbage()
      local left = 0
      for _ in pairs(watched) do left = left + 1 end
      return left
    end
    await(watch "/hello")
    assert.equal(0, count())
    watch "/hang"
    watch "/endless"
    assert.equal(2, count())
    client:close()
    assert.equal(0, count())
    client = new_client()
    watch "/hang"
    loop:close()
    client = nil
    assert.equal(0, count())
    loop = assert(core.loop.new())
    client = new_client()
  end)

  it("serves many at once on one loop", function()
    local streams, left = {}, 100
    for i = 1, left do
      streams[i] = stream("/endless", { on_data = function() left = left - 1 end })
    end
    await(function() return left == 0 end)
    assert.equal(200, ask("/hello").response.status)
    for _, seen in ipairs(streams) do seen.request:cancel() end
  end)
end)
