-- SPDX-License-Identifier: Apache-2.0
--
-- grpc_spec.lua: gantry.core.grpc and gantry.core.certificate: what Lua sees of calls, against the real grpc-go.
local core = require "gantry.core"
local core_certificate = require "gantry.core.certificate"
local core_grpc = require "gantry.core.grpc"

local SERVER = os.getenv "GANTRY_GRPC_SERVER"
local HEALTH = "/grpc.health.v1.Health/Check"

---A google.protobuf.BytesValue.
local function wrap(bytes)
  local length, rest = "", #bytes
  repeat
    length = length .. string.char(rest & 0x7f | (rest > 0x7f and 0x80 or 0))
    rest = rest >> 7
  until rest == 0
  return "\x0a" .. length .. bytes
end

describe("grpc", function()
  local loop, folder, server, line

  local function step() assert(loop:step(20)) end

  ---Steps until `condition` holds.
  local function await(condition)
    while not condition() do step() end
  end

  ---Starts the server of the tests; what it prints is the line.
  local function start(options, environment)
    assert(SERVER, "GANTRY_GRPC_SERVER must name the program built from tests/core/grpc_server")
    folder = os.tmpname()
    os.remove(folder)
    assert(os.execute("mkdir -m 700 " .. folder))
    local argv = { SERVER, input = "pipe", output = "pipe", error = "inherit", environment = environment }
    table.move(options, 1, #options, 2, argv)
    argv[#argv + 1] = folder .. "/socket"
    line = ""
    argv.on_output = function(_, bytes) line = line .. bytes end
    server = assert(core.process.spawn(loop, argv))
    await(function() return line:find "\n" end)
    line = line:gsub("\n", "")
  end

  local function connect(options)
    options = options or {}
    options.socket = options.socket or folder .. "/socket"
    return assert(core_grpc.connect(loop, options))
  end

  ---Begins a call that notes what it sees.
  local function begin(connection, path, options)
    local seen = {}
    options = options or {}
    options.path = path
    options.on_message = options.on_message or function(bytes) seen[#seen + 1] = bytes end
    options.on_end = function(status, message, trailers)
      seen.status, seen.message, seen.trailers = status, message, trailers
    end
    return assert(connection:call(options)), seen
  end

  ---One call with one message, to its end.
  local function unary(connection, path, bytes, options)
    local call, seen = begin(connection, path, options)
    call:send(bytes)
    call:finish()
    await(function() return seen.status end)
    return seen
  end

  before_each(function() loop = assert(core.loop.new()) end)
  after_each(function()
    if server then server:close() end
    if folder then os.execute("rm -rf " .. folder) end
    server, folder = nil, nil
    loop:close()
  end)

  describe("over a socket", function()
    before_each(function() start {} end)

    it("answers a unary call, and tells when it is ready", function()
      local ready = 0
      local connection = connect { on_ready = function() ready = ready + 1 end }
      local seen = unary(connection, HEALTH, "\x0a\x06plugin")
      assert.same({ "\x08\x01", status = 0, message = "", trailers = {} }, seen)
      assert.equal(1, ready)
    end)

    it("gives status, message and trailers", function()
      local connection = connect()
      local seen = unary(connection, "/gantry.Test/Fail", "")
      assert.equal(9, seen.status)
      assert.equal("50% done\nüber-long ✓ ", seen.message)
      assert.is_string(seen.trailers["grpc-status-details-bin"])
      assert.equal(12, unary(connection, "/no.Such/Method", "").status)
    end)

    it("sends metadata, and joins trailers of one name", function()
      local seen = unary(connect(), "/gantry.Test/Metadata", "", { metadata = { { "x-request", "hello" } } })
      assert.equal(wrap "hello", seen[1])
      assert.equal("one, two", seen.trailers["x-answer"])
      assert.equal("AP8", seen.trailers["x-data-bin"])
    end)

    it("streams both ways", function()
      local call, seen = begin(connect(), "/gantry.Test/Chat")
      for i = 1, 5 do
        assert.is_true(call:send(wrap("message " .. i)) > 0)
        await(function() return #seen == i end)
        assert.equal(wrap("message " .. i), seen[i])
      end
      call:finish()
      await(function() return seen.status end)
      assert.equal(0, seen.status)
      assert.equal(0, call:send "late") -- it has ended: nothing to do
    end)

    it("can be paused and resumed", function()
      local connection = connect()
      local count, call, seen = 0
      call, seen = begin(connection, "/gantry.Test/Download", {
        on_message = function()
          count = count + 1
          if count % 10 == 1 then call:pause() end
        end,
      })
      call:send(wrap(string.pack(">I4I4", 50, 50000)))
      call:finish()
      for i = 0, 4 do
        await(function() return count == 10 * i + 1 end)
        for _ = 1, 5 do unary(connection, HEALTH, "\x0a\x06plugin") end
        assert.equal(10 * i + 1, count)
        call:resume()
      end
      await(function() return seen.status end)
      assert.equal(50, count)
    end)

    it("keeps deadlines and limits", function()
      local connection = connect()
      assert.equal(4, unary(connection, "/gantry.Test/Never", "", { timeout = 0.05 }).status)
      assert.equal(4, unary(connection, "/gantry.Test/Never", "", { timeout = -1 }).status)
      local seen = unary(connection, "/gantry.Test/Echo", wrap "too long", { limit = 5 })
      assert.equal(8, seen.status)
      assert.match("limit is 5", seen.message)
    end)

    it("works although nobody holds connection or call", function()
      local seen
      do
        local call
        call, seen = begin(connect(), "/gantry.Test/Slow")
        call:send(wrap "slow")
        call:finish()
      end
      collectgarbage()
      collectgarbage()
      await(function() return seen.status end)
      assert.same({ wrap "slow", status = 0, message = "", trailers = {} }, seen)
    end)

    it("lets go of a call when it has ended", function()
      local connection = connect()
      local held = setmetatable({}, { __mode = "k" })
      do
        local call, seen = begin(connection, HEALTH)
        held[call] = true
        call:finish()
        await(function() return seen.status end)
      end
      collectgarbage()
      collectgarbage()
      assert.is_nil(next(held))
    end)

    it("says nothing of a call once it is cancelled", function()
      local connection = connect()
      local call, seen = begin(connection, "/gantry.Test/Chat")
      call:send(wrap "x")
      call:cancel()
      call:cancel()
      unary(connection, HEALTH, "\x0a\x06plugin")
      assert.same({}, seen)
      assert.has_error(function() call:send "x" end, "call closed")
      do
        local closed <close> = begin(connection, "/gantry.Test/Never")
        call = closed
      end
      assert.has_error(function() call:finish() end, "call closed")
    end)

    it("closes with its calls, in a callback too", function()
      local told, connection = 0
      connection = connect { on_closed = function() told = told + 1 end }
      local other, seen = begin(connection, "/gantry.Test/Never")
      local last = begin(connection, HEALTH, { on_message = function() connection:close() end })
      last:send "\x0a\x06plugin"
      last:finish()
      await(function() return not pcall(last.finish, last) end)
      assert(loop:step(0))
      assert.same({}, seen)
      assert.equal(0, told)
      assert.has_error(function() other:resume() end, "call closed")
      assert.has_error(function() connection:call { path = "/a.B/C" } end, "connection closed")
      connection:close()
    end)

    it("raises the error of a callback out of step, and goes on", function()
      local connection = connect()
      local call, seen = begin(connection, HEALTH, { on_message = function() error "in a callback" end })
      call:send "\x0a\x06plugin"
      call:finish()
      local raised
      while not seen.status do
        local ok, err = pcall(loop.step, loop, 20)
        if not ok then raised = err end
      end
      assert.match("in a callback", tostring(raised))
      assert.equal(0, seen.status)
    end)

    it("tells of a server that is lost", function()
      local why
      local connection = connect { on_closed = function(err) why = err end }
      local _, seen = begin(connection, "/gantry.Test/Never")
      unary(connection, HEALTH, "\x0a\x06plugin")
      server:signal "KILL"
      await(function() return why end)
      assert.equal("GRPC_CONNECTION_LOST", why.code)
      assert.equal(14, seen.status)
      assert.equal(why.message, seen.message)
      assert.equal(14, unary(connection, HEALTH, "").status) -- also afterwards
    end)
  end)

  it("is UNAVAILABLE where nobody listens", function()
    local why
    local connection = connect { socket = "/nonexistent/socket", on_closed = function(err) why = err end }
    local seen = unary(connection, HEALTH, "")
    assert.equal(14, seen.status)
    await(function() return why end)
    assert.equal("GRPC_CONNECT_FAILED", why.code)
    assert.equal(2, why.os_error)
    assert.match("/nonexistent/socket", tostring(why))
  end)

  it("refuses what cannot be", function()
    local _, err = core_grpc.connect(loop, { socket = "/" .. string.rep("p", 200) })
    assert.equal("SOCKET_PATH_TOO_LONG", err.code)
    _, err = core_grpc.connect(loop, { host = "example.org", port = 1 })
    assert.equal("ADDRESS_INVALID", err.code)
    _, err = core_grpc.connect(loop, { socket = "/s", tls = { peer = "no certificate" } })
    assert.equal("CERTIFICATE_INVALID", err.code)
    assert.has_error(function() core_grpc.connect(loop, { host = "::1", port = 70000 }) end)
    assert.has_error(function() core_grpc.connect(loop, { socket = "/s", on_ready = 1 }) end)
    local connection = connect { socket = "/nonexistent/socket" }
    assert.has_error(function() connection:call {} end)
    assert.has_error(function() connection:call { path = "/a.B/C", timeout = "soon" } end)
    assert.has_error(function() connection:call { path = "/a.B/C", metadata = { "x" } } end)
    connection:close()
  end)

  describe("over mutual TLS", function()
    local pair

    before_each(function()
      pair = assert(core_certificate.generate())
      start({ "-tls" }, { "PLUGIN_CLIENT_CERT=" .. pair.certificate })
    end)

    local function options()
      local peer = assert(core.handshake.parse("1|1|unix|/socket|grpc|" .. line)).certificate
      return { certificate = pair.certificate, key = pair.key, peer = peer, server_name = "localhost" }
    end

    it("makes a new pair each time", function()
      assert.match("^%-%-%-%-%-BEGIN CERTIFICATE%-%-%-%-%-\n", pair.certificate)
      assert.match("^%-%-%-%-%-BEGIN PRIVATE KEY%-%-%-%-%-\n", pair.key)
      assert.are_not.equal(pair.key, assert(core_certificate.generate()).key)
    end)

    it("answers", function()
      local connection = connect { tls = options() }
      assert.equal("\x08\x01", unary(connection, HEALTH, "\x0a\x06plugin")[1])
      local large = wrap(string.rep("x", 1000000))
      assert.equal(large, unary(connection, "/gantry.Test/Echo", large)[1])
    end)

    it("names what is wrong", function()
      local why
      local tls = options()
      tls.certificate, tls.key = nil, nil
      connect { tls = tls, on_closed = function(err) why = err end }
      await(function() return why end)
      assert.equal("TLS_FAILED", why.code)
      assert.match("requires a client certificate", why.message)
    end)
  end)
end)
