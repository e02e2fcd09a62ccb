-- SPDX-License-Identifier: Apache-2.0
--
--- The control server: requests over a Unix socket, whole answers, streams, and clients that misbehave.

local core = require "gantry.core"
local core_control = require "gantry.core.control"
local core_http = require "gantry.core.http"
local task = require "gantry.task"

local function fetch(client, options)
  return task.await(function(resume)
    options.timeout = 20
    options.on_done = function(err, response)
      if err then resume(nil, err) else resume(response) end
    end
    local request = client:request(options)
    return function() request:cancel() end
  end)
end

describe("the control server", function()
  local folder, path, control, client, seen

  before_each(function()
    folder = ("%s/gantry-test-%s"):format(os.getenv "TMPDIR" or "/tmp", core.system.random(4))
    path = folder .. "/control.sock"
    assert(core.files.make_directory(folder))
    seen = {}
  end)

  after_each(function()
    if client then client:close() end
    if control then control:close() end
    client, control = nil, nil
    assert(os.execute("rm -rf " .. folder))
  end)

  local function serve(on_request)
    control = assert(core_control.open(task.loop(), assert(core_control.listen(path, tonumber("660", 8))), on_request))
    client = assert(core_http.new(task.loop(), { url = "http://gantry", unix_socket = path }))
  end

  it("hands over method, path, query and body, and carries the answer", function()
    serve(function(request)
      seen = { request:method(), request:path(), request:argument "a", request:argument "b", request:body() }
      request:answer(201, "text/plain", "done")
      request:close()
    end)
    local response = assert(fetch(client, { method = "POST", path = "/v1/x%20y?a=1%262", body = ("z"):rep(40000) }))
    assert.are.equal(201, response.status)
    assert.are.equal("done", response.body)
    assert.are.same({ "POST", "/v1/x y", "1&2", nil, ("z"):rep(40000) }, seen)
    assert.are.equal(tonumber("660", 8), core.system.stat(path).mode)
  end)

  it("answers later, and several at a time", function()
    local waiting = {}
    serve(function(request)
      waiting[#waiting + 1] = request
      if #waiting < 3 then return end
      for i = 3, 1, -1 do
        waiting[i]:answer(200, "text/plain", waiting[i]:path())
        waiting[i]:close()
      end
    end)
    task.run(function()
      local results = table.pack(task.all(
        function() return fetch(client, { method = "GET", path = "/1" }).body end,
        function() return fetch(client, { method = "GET", path = "/2" }).body end,
        function() return fetch(client, { method = "GET", path = "/3" }).body end))
      for i = 1, 3 do assert.are.equal("/" .. i, results[i][1]) end
    end)
  end)

  it("streams, with pauses", function()
    local request
    serve(function(came)
      request = came
      request:stream(200, "application/json")
    end)
    task.run(function()
      local parts, first = {}, task.event()
      local reader = task.spawn(fetch, client, { method = "GET", path = "/s", on_data = function(bytes)
        parts[#parts + 1] = bytes
        first:set()
      end })
      while not request do task.sleep(0.005) end
      assert.is_number(request:write("one\n"))
      first:wait()
      assert.is_number(request:write(("two"):rep(100000)))
      request:close()
      assert.are.equal(200, reader:wait().status)
      assert.are.equal("one\n" .. ("two"):rep(100000), table.concat(parts))
    end)
  end)

  it("tells that a stream's client is gone", function()
    local request
    serve(function(came)
      request = came
      request:stream(200, "text/plain")
      request:write("x")
    end)
    task.run(function()
      task.first(function() fetch(client, { method = "GET", path = "/s", on_data = function() end }) end,
        function() while not request do task.sleep(0.005) end end)
      client:close()
      client = nil
      task.deadline(20, function()
        while request:write("more") do task.sleep(0.01) end
      end)
      assert.is_nil(request:write("x"))
    end)
  end)

  it("refuses a body that is too large, and lives on after garbage", function()
    serve(function(request)
      request:answer(200, "text/plain", "ok")
      request:close()
    end)
    assert.are.equal(413, fetch(client, { method = "POST", path = "/", body = ("z"):rep(70000) }).status)
    task.run(function()
      for _, bytes in ipairs { "\0\1\2\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", ("a"):rep(100000) } do
        local done = task.event()
        local process = assert(core.process.spawn(task.loop(), { "/bin/sh", "-c",
          "printf '%s' \"$BYTES\" | curl -s -m 5 --unix-socket " .. path .. " -T - http://x/ >/dev/null; true",
          environment = { "BYTES=" .. bytes:gsub("%z", "?"), "PATH=/usr/bin:/bin" }, input = "null", output = "null",
          error = "null", on_exit = function() done:set() end }))
        done:wait()
        process:close()
      end
    end)
    assert.are.equal("ok", fetch(client, { method = "GET", path = "/" }).body)
  end)

  it("answers for a request that was forgotten", function()
    serve(function() end)
    task.run(function()
      local reader = task.spawn(fetch, client, { method = "GET", path = "/" })
      while not reader:is_done() do
        task.sleep(0.005)
        collectgarbage()
      end
      assert.are.equal(500, reader:wait().status)
    end)
  end)

  it("does not take the socket of one that serves, and takes one that nobody serves", function()
    serve(function() end)
    local fd, err = core_control.listen(path, tonumber("600", 8))
    assert.is_nil(fd)
    assert.are.equal("CONTROL_BUSY", err.code)
    control:close()
    control = nil
    serve(function() end)
    fd, err = core_control.listen(folder .. "/" .. ("x"):rep(200), 0)
    assert.is_nil(fd)
    assert.are.equal("SOCKET_PATH_TOO_LONG", err.code)
  end)

  it("can be closed with requests under way", function()
    local kept
    serve(function(request)
      kept = request
      request:stream(200, "text/plain")
      request:write("x")
      control:close()
    end)
    assert.is_truthy(fetch(client, { method = "GET", path = "/" }) or true)
    assert.is_nil(kept:write("y"))
    kept:close()
  end)
end)

describe("core.files", function()
  local folder

  before_each(function() folder = ("%s/gantry-test-%s"):format(os.getenv "TMPDIR" or "/tmp", core.system.random(4)) end)
  after_each(function() assert(os.execute("rm -rf " .. folder)) end)

  it("makes directories, replaces files, lists", function()
    assert.is_true(core.files.make_directory(folder .. "/a/b"))
    assert.is_true(core.files.make_directory(folder .. "/a/b"))
    assert.is_true(core.files.replace(folder .. "/a/f", "one\0"))
    assert.is_true(core.files.replace(folder .. "/a/f", "two", tonumber("640", 8)))
    assert.are.equal("two", assert(io.open(folder .. "/a/f")):read "a")
    assert.are.equal(tonumber("640", 8), core.system.stat(folder .. "/a/f").mode)
    local names = assert(core.files.list(folder .. "/a"))
    table.sort(names)
    assert.are.same({ "b", "f" }, names)
    assert.are.equal("WRITE_FAILED", select(2, core.files.replace(folder .. "/none/f", "x")).code)
    assert.are.equal("WRITE_FAILED", select(2, core.files.replace(folder .. "/a/b", "x")).code)
    assert.are.equal("DIRECTORY_FAILED", select(2, core.files.make_directory(folder .. "/a/f")).code)
    assert.are.equal("DIRECTORY_FAILED", select(2, core.files.list(folder .. "/a/f")).code)
  end)

  it("locks once, until it is closed", function()
    assert(core.files.make_directory(folder))
    for _, path in ipairs { folder, folder .. "/lock" } do
      local lock = assert(core.files.lock(path))
      local second, err = core.files.lock(path)
      assert.is_nil(second)
      assert.are.equal("LOCK_BUSY", err.code)
      lock:close()
      lock:close()
      assert(core.files.lock(path)):close()
    end
  end)
end)

describe("core.inotify", function()
  it("tells of files that are written, made, moved and removed", function()
    local folder = ("%s/gantry-test-%s"):format(os.getenv "TMPDIR" or "/tmp", core.system.random(4))
    assert(core.files.make_directory(folder))
    local seen, queue = {}, task.queue()
    local inotify = assert(core.inotify.open(task.loop(), function(watch, name) queue:put { watch, name or false } end))
    local watch = assert(inotify:add(folder))
    assert.are.equal("INOTIFY_FAILED", select(2, inotify:add(folder .. "/none")).code)
    local function await(name)
      return task.deadline(20, function()
        while true do
          local event = queue:take()
          seen[#seen + 1] = event
          if event[2] == name then return event[1] end
        end
      end)
    end
    assert(core.files.replace(folder .. "/p.lua", "x"))
    assert.are.equal(watch, await "p.lua")
    os.remove(folder .. "/p.lua")
    assert.are.equal(watch, await "p.lua")
    assert(os.execute("rm -rf " .. folder))
    assert.are.equal(watch, await(false))
    inotify:close()
    inotify:close()
    assert.has_error(function() inotify:add "/" end, "inotify closed")
  end)
end)
