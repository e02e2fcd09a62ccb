-- SPDX-License-Identifier: Apache-2.0
--
--- gantry.grpc.rpc and gantry.grpc.stream against the real grpc-go: messages one by one, a reader who is slow, and
--- every way to end.

local core = require "gantry.core"
local rpc = require "gantry.grpc.rpc"
local task = require "gantry.task"
local wire = require "gantry.protobuf.wire"

local SERVER = os.getenv "GANTRY_GRPC_SERVER"
local DOWNLOAD = "/gantry.Test/Download"

describe("rpc", function()
  local folder, server, connection

  setup(function()
    assert(SERVER, "GANTRY_GRPC_SERVER must name the program built from tests/core/grpc_server (ctest sets it)")
    folder = ("%s/gantry-test-%s"):format(os.getenv("TMPDIR") or "/tmp", core.system.random(4))
    assert(os.execute("mkdir -m 700 " .. folder))
    local ready = task.event()
    server = assert(core.process.spawn(task.loop(), {
      SERVER, folder .. "/socket", input = "pipe", output = "pipe", error = "inherit",
      on_output = function() ready:set() end,
    }))
    assert(task.deadline(60, function()
      ready:wait()
      return true
    end))
  end)

  teardown(function()
    if server then server:close() end
    if folder then os.execute("rm -rf " .. folder) end
  end)

  before_each(function() connection = assert(rpc.connect { socket = folder .. "/socket", timeout = 30 }) end)
  after_each(function() connection:close() end)

  ---The request for so many messages of such a size; then the stream ends, or stays open.
  local function request(count, size, stays_open)
    return wire.bytes_field(1, string.pack(">I4I4", count, size) .. (stays_open and "x" or ""))
  end

  ---Makes other calls until the stream's call is paused.
  local function until_paused(stream)
    local paused = task.deadline(60, function()
      while not stream.state.paused do assert(connection:unary("/gantry.Test/Echo", "")) end
      return true
    end)
    assert.is_true(paused)
  end

  describe("that is asked before it is ready", function()
    ---@return gantry.Rpc? made, gantry.Event asked
    local function connect(timeout, tls)
      local asked = task.event()
      local made = rpc.connect { socket = folder .. "/socket", timeout = timeout, tls = tls, on_made = function(one)
        task.detach(function() asked:set(one:health(30)) end)
      end }
      return made, asked
    end

    it("answers", function()
      task.run(function()
        local made, asked = connect(30)
        assert.is_true(asked:wait())
        made:close()
      end)
    end)

    it("says so where it is never ready", function() -- it waits for more of what is no HTTP/2
      task.run(function()
        local own = assert(require("gantry.core.certificate").generate())
        local peer = assert(core.base64.decode((own.certificate:gsub("%-%-[^\n]*", ""):gsub("%s", ""))))
        local made, asked = connect(0.2, { certificate = own.certificate, key = own.key, peer = peer,
          server_name = "localhost" })
        assert.is_nil(made)
        local healthy, err = asked:wait()
        assert.is_nil(healthy)
        assert.are.equal("UNAVAILABLE", err.code)
      end)
    end)
  end)

  it("gives the messages of a stream one by one", function()
    local sizes = {}
    for message in connection:stream(DOWNLOAD, request(5, 10)) do sizes[#sizes + 1] = #wire.fields(message)[1] end
    assert.are.same({ 10, 10, 10, 10, 10 }, sizes)
    for _ in connection:stream(DOWNLOAD, request(0, 0)) do error "no message was expected" end
  end)

  it("gives the messages of a stream inside a task too", function()
    local count = 0
    task.run(function()
      for _ in connection:stream(DOWNLOAD, request(1000, 100)) do count = count + 1 end
    end)
    assert.are.equal(1000, count)
  end)

  it("does not collect what a slow reader has not read", function()
    local stream <close> = connection:stream(DOWNLOAD, request(2000, 16 * 1024))
    assert(stream:next())
    until_paused(stream)
    for _ = 1, 200 do assert(connection:unary("/gantry.Test/Echo", "")) end
    assert.is_true(stream.state.held < 4 * 1024 * 1024, ("%d bytes are held"):format(stream.state.held))
    local count = 1
    while true do
      local message, err = stream:next()
      assert.is_nil(err)
      if not message then break end
      count = count + 1
    end
    assert.are.equal(2000, count)
  end)

  it("cancels a stream that is left early, and goes on", function()
    for _ = 1, 50 do
      for _ in connection:stream(DOWNLOAD, request(3, 10, true)) do break end -- luacheck: ignore 512
    end
    assert.is_nil(next(connection.under_way))
    assert(connection:unary("/gantry.Test/Echo", ""))
  end)

  it("cancels a stream that nobody holds any more", function()
    local stream = connection:stream(DOWNLOAD, request(1, 10, true))
    assert(stream:next())
    assert.is_truthy(next(connection.under_way))
    stream = nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    assert.is_nil(next(connection.under_way))
  end)

  it("raises a failure in a loop, and returns it from next", function()
    local function loop()
      for _ in connection:stream("/gantry.Test/Refuse", "") do error "no message was expected" end
    end
    local ok, err = pcall(loop)
    assert.is_false(ok)
    assert.are.equal("ALREADY_EXISTS", err.code)
    local stream <close> = connection:stream("/gantry.Test/Refuse", "")
    for _ = 1, 2 do
      local message, failure = stream:next()
      assert.is_nil(message)
      assert.are.equal("ALREADY_EXISTS", failure.code)
      assert.is_truthy(failure.message:find("refused at once", 1, true))
    end
  end)

  it("ends a stream at its deadline, after what came before", function()
    local stream <close> = connection:stream(DOWNLOAD, request(2, 10, true), { timeout = 2 })
    assert(stream:next())
    assert(stream:next())
    local message, err = stream:next()
    assert.is_nil(message)
    assert.are.equal("DEADLINE_EXCEEDED", err.code)
  end)

  it("refuses a closed stream", function()
    local stream = connection:stream(DOWNLOAD, request(2, 10, true))
    stream:close()
    stream:close()
    assert.has_error(function() stream:next() end, "stream closed")
  end)

  it("ends what is under way when it is closed here", function()
    task.run(function()
      local stream <close> = connection:stream(DOWNLOAD, request(1, 10, true))
      assert(stream:next())
      local reading = task.spawn(function() return stream:next() end)
      local calling = task.spawn(function() return connection:unary("/gantry.Test/Never", "") end)
      task.sleep(0)
      connection:close()
      for _, one in ipairs { reading, calling } do
        local message, err = one:wait()
        assert.is_nil(message)
        assert.are.equal("UNAVAILABLE", err.code)
      end
      local reply, err = connection:unary("/gantry.Test/Echo", "")
      assert.is_nil(reply)
      assert.are.equal("UNAVAILABLE", err.code)
      local _, failure = connection:stream(DOWNLOAD, request(1, 1)):next()
      assert.are.equal("UNAVAILABLE", failure.code)
    end)
  end)

  it("ends a paused stream when it is closed here, after what came before", function()
    local stream <close> = connection:stream(DOWNLOAD, request(2000, 16 * 1024))
    assert(stream:next())
    until_paused(stream)
    connection:close()
    local message, err
    repeat message, err = stream:next() until not message
    assert.are.equal("UNAVAILABLE", err.code)
  end)

  it("cancels a call whose task is cancelled", function()
    task.run(function()
      local calling = task.spawn(function() return connection:unary("/gantry.Test/Never", "") end)
      task.sleep(0)
      calling:cancel()
      assert.is_false((pcall(calling.wait, calling)))
    end)
    assert.is_nil(next(connection.under_way))
  end)
end)
