-- SPDX-License-Identifier: Apache-2.0
--
-- reentrancy_spec.lua: what a callback may do to what calls it: close itself, close its loop, step the loop, raise. And
-- numbers and texts that C would take for others.
local core = require "gantry.core"
local core_control = require "gantry.core.control"
local core_grpc = require "gantry.core.grpc"
local core_http = require "gantry.core.http"

local folder

---Each begins a thing whose callback calls `act(object)`, and returns it, or a function that gives it.
local THINGS <const> = {
  timer = function(loop, act)
    local timer
    timer = assert(loop:timer(0, function() act(function() timer:cancel() end) end))
  end,
  watch = function(loop, act, keep)
    local ours, theirs = core.system.socket_pair()
    keep(ours, theirs)
    local watch
    watch = assert(loop:watch(ours, "rw", function() act(function() watch:close() end) end))
  end,
  process = function(loop, act)
    local process
    process = assert(core.process.spawn(loop, { "true", on_exit = function()
      act(function() process:close() end)
    end }))
  end,
  output = function(loop, act)
    local process
    process = assert(core.process.spawn(loop, { "yes", output = "pipe", on_output = function()
      act(function() process:close() end)
    end }))
  end,
  inotify = function(loop, act)
    local inotify
    inotify = assert(core.inotify.open(loop, function() act(function() inotify:close() end) end))
    assert(inotify:add(folder))
    assert(core.files.replace(folder .. "/file", "bytes"))
  end,
  request = function(loop, act)
    local client = assert(core_http.new(loop, { url = "http://x", unix_socket = folder .. "/missing" }))
    assert(client:request { method = "GET", path = "/", on_done = function() act(function() client:close() end) end })
  end,
  connection = function(loop, act)
    local connection
    connection = assert(core_grpc.connect(loop, { socket = folder .. "/missing", on_closed = function()
      act(function() connection:close() end)
    end }))
  end,
  call = function(loop, act)
    local connection = assert(core_grpc.connect(loop, { socket = folder .. "/missing" }))
    local call
    call = assert(connection:call { path = "/a.B/C", on_end = function()
      act(function()
        call:cancel()
        connection:close()
      end)
    end })
  end,
  control = function(loop, act)
    local path = folder .. "/control"
    local control, client
    control = assert(core_control.open(loop, assert(core_control.listen(path, 384)), function(request)
      act(function()
        control:close()
        request:close()
      end)
    end))
    client = assert(core_http.new(loop, { url = "http://x", unix_socket = path }))
    assert(client:request { method = "GET", path = "/", on_done = function() end })
  end,
}

describe("a callback", function()
  local loop, descriptors

  before_each(function()
    folder = os.tmpname()
    os.remove(folder)
    assert(core.files.make_directory(folder))
    loop = assert(core.loop.new())
    descriptors = {}
  end)

  after_each(function()
    loop:close()
    collectgarbage()
    for _, descriptor in ipairs(descriptors) do core.system.close(descriptor) end
    os.execute("rm -r " .. folder)
  end)

  local function keep(...)
    for _, descriptor in ipairs { ... } do descriptors[#descriptors + 1] = descriptor end
  end

  ---Begins the thing, and steps until its callback has come and all that it did has had its time.
  ---@return string? err what the steps raised
  local function come_to(thing, act)
    local came, err
    THINGS[thing](loop, function(close)
      came = true
      act(close)
    end, keep)
    collectgarbage()
    for _ = 1, 1000 do
      local ok, raised = pcall(loop.step, loop, 0.01)
      if not ok then err = raised end
      if came then break end
    end
    assert.is_true(came)
    collectgarbage()
    pcall(loop.step, loop, 0)
    return err
  end

  for thing in pairs(THINGS) do
    it("may close what it belongs to: " .. thing, function()
      assert.is_nil(come_to(thing, function(close)
        close()
        close()
        collectgarbage()
      end))
    end)

    it("may close its loop: " .. thing, function()
      come_to(thing, function()
        loop:close()
        collectgarbage()
      end)
      assert.error_matches(function() loop:step(0) end, "loop closed")
    end)

    it("cannot step its loop: " .. thing, function()
      assert.matches("inside a callback of the same loop", come_to(thing, function(close)
        local ok, err = pcall(loop.step, loop, 0)
        close()
        assert(ok, err)
      end))
      assert(loop:step(0))
    end)

    it("may raise anything, nil too: " .. thing, function()
      come_to(thing, function(close)
        close()
        error(nil)
      end)
      local fired = false
      loop:timer(0, function() fired = true end)
      while not fired do assert(loop:step(1)) end
    end)
  end
end)

describe("a binding", function()
  it("takes no number for another", function()
    local system = core.system
    for _, number in ipairs { -1, 1 << 32, math.mininteger, math.maxinteger } do
      assert.error_matches(function() system.close(number) end, "not a descriptor")
      assert.error_matches(function() system.write(number, "x") end, "not a descriptor")
      assert.error_matches(function() system.is_writable(number) end, "not a descriptor")
      assert.error_matches(function() system.is_terminal(number) end, "not a descriptor")
    end
    assert.error_matches(function() system.close(0 / 0) end, "no integer representation")
    local loop <close> = assert(core.loop.new())
    assert.error_matches(function() loop:watch(1 << 32, "r", print) end, "not a descriptor")
    assert.error_matches(function() core_control.open(loop, -1, print) end, "not a descriptor")
    assert.error_matches(function() core_control.listen("/tmp/x", 384, 1 << 32) end, "not a group's number")
    local process <close> = assert(core.process.spawn(loop, { "cat", input = "pipe" }))
    assert.error_matches(function() process:signal((1 << 32) + 9) end, "no such signal")
    assert.error_matches(function() process:signal(0) end, "no such signal")
  end)

  it("takes no text for its beginning", function()
    local system = core.system
    for _, look in ipairs { system.stat, system.real_path, system.accessible, system.dial, core.notify.send } do
      assert.error_matches(function() look("/tmp\0x", "r") end, "contains a NUL")
    end
    assert.error_matches(function() core_control.listen("/tmp\0x", 384) end, "contains a NUL")
  end)
end)
