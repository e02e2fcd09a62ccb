-- SPDX-License-Identifier: Apache-2.0
--
-- allocation.lua: what test_allocation.c runs: one scenario for each binding, from its constructor to its callbacks. A
-- scenario gets a loop and `keep`, which notes what is to be done in the end, and returns what is to be run while
-- memory is short.
local name <const>, n <const> = ...

local core <const> = require "gantry.core"
local core_certificate <const> = require "gantry.core.certificate"
local core_control <const> = require "gantry.core.control"
local core_digest <const> = require "gantry.core.digest"
local core_grpc <const> = require "gantry.core.grpc"
local core_http <const> = require "gantry.core.http"
local folder = os.tmpname()
os.remove(folder)
assert(core.files.make_directory(folder))

local scenarios = {}

---Steps until `done` says so. Where a callback failed, the step raises, and so does this.
local function settle(loop, done)
  for _ = 1, 300 do
    if done() then return end
    assert(loop:step(0.01))
  end
end

function scenarios.timer(loop)
  return function()
    local fired = 0
    for _ = 1, 3 do assert(loop:timer(0, function() fired = fired + 1 end)) end
    settle(loop, function() return fired == 3 end)
  end
end

function scenarios.watch(loop, keep)
  local ours, theirs = core.system.socket_pair()
  keep(function()
    core.system.close(ours)
    core.system.close(theirs)
  end)
  return function()
    local seen
    local watch <close> = assert(loop:watch(ours, "rw", function(...) seen = { ... } end)) -- luacheck: ignore watch
    core.system.write(theirs, "x")
    settle(loop, function() return seen end)
  end
end

function scenarios.process(loop)
  return function()
    local ended
    local bytes = ""
    local process <close> = assert(core.process.spawn(loop, {
      "cat", input = "pipe", output = "pipe", environment = { "A=b" },
      on_output = function(_, piece) bytes = bytes .. piece end,
      on_exit = function(how) ended = how end,
    }))
    assert(process:write("a piece\n"))
    process:close_input()
    settle(loop, function() return ended end)
  end
end

function scenarios.signals(loop)
  return function()
    local came
    local signals <close> = assert(core.signals.open(loop, { "USR1" }, -- luacheck: ignore signals
      function(signal) came = signal end))
    raise_signal(10) -- luacheck: ignore
    settle(loop, function() return came end)
  end
end

function scenarios.inotify(loop)
  return function()
    local changed
    local inotify <close> = assert(core.inotify.open(loop, function(_, file) changed = file end))
    assert(inotify:add(folder))
    assert(core.files.replace(folder .. "/file", "bytes"))
    settle(loop, function() return changed end)
  end
end

---The control server and the HTTP client talk to each other: whole answers, streams, and a request without an answer.
function scenarios.control_and_http(loop)
  local path = folder .. "/control"
  return function()
    local descriptor = assert(core_control.listen(path, 384))
    local control <close> = assert(core_control.open(loop, descriptor, function(request) -- luacheck: ignore control
      if request:path() == "/stream" then
        request:stream(200, "text/plain")
        request:write("piece")
        request:close()
      elseif request:path() == "/none" then
        request:close()
      else
        request:answer(200, "text/plain", request:method() .. request:body())
      end
    end))
    local client <close> = assert(core_http.new(loop, { url = "http://x", unix_socket = path }))
    local done = 0
    for _, asked in ipairs { "/whole", "/stream", "/none" } do
      assert(client:request {
        method = "POST", path = asked, body = "body", headers = { "X-A: b" }, timeout = 20,
        on_headers = function() end,
        on_data = asked == "/stream" and function() end or nil,
        on_done = function() done = done + 1 end,
      })
    end
    settle(loop, function() return done == 3 end)
  end
end

---To a peer that is there and speaks no HTTP/2.
function scenarios.grpc(loop)
  local path = folder .. "/grpc"
  return function()
    local control <close> = assert(core_control.open(loop, assert(core_control.listen(path, 384)), print)) -- luacheck: ignore
    local closed
    local status
    local connection <close> = assert(core_grpc.connect(loop, {
      socket = path, connect_timeout = 20, on_ready = print, on_closed = function(why) closed = why end,
    }))
    local call <close> = assert(connection:call { -- luacheck: ignore call
      path = "/a.B/C", metadata = { { "name", "value" } }, timeout = 20,
      on_message = print, on_end = function(code) status = code end,
    })
    settle(loop, function() return closed and status end)
  end
end

function scenarios.certificate()
  return function() assert(core_certificate.generate()) end
end

---Files: read, hashed, and on their way.
function scenarios.digest()
  return function()
    assert(core.files.replace(folder .. "/hashed", "bytes"))
    local file <close> = assert(core.files.open(folder .. "/hashed"))
    assert(file:read(0, 9) == "bytes" and file:stamp())
    local digest = assert(core_digest.new())
    assert(digest:add_file(file, 0, 9))
    assert(core_digest.body { before = "a", file = file, size = 5, sha256 = digest:hex(), after = "b" })
  end
end

function scenarios.socket_dir()
  local root = folder .. "/root"
  return function()
    assert(core.socket_dir.root(root))
    local directory <close> = assert(core.socket_dir.make(root, "name"))
    assert(directory:path())
    assert(directory:link("link", "target"))
    assert(directory:remove())
  end
end

function scenarios.files()
  return function()
    assert(core.files.replace(folder .. "/one", "bytes"))
    assert(core.files.list(folder))
    os.remove(folder .. "/durable")
    assert(core.files.create(folder .. "/durable", "bytes"))
    assert(core.files.give(folder .. "/durable", { mode = 384 }))
    assert(core.files.link(folder .. "/durable", folder .. "/second"))
    assert(core.files.rename(folder .. "/second", folder .. "/durable"))
    local lock <close> = assert(core.files.lock(folder .. "/lock")) -- luacheck: ignore lock
    assert(core.system.stat(folder))
    assert(core.system.environment())
    local missing, err = core.files.list(folder .. "/missing")
    assert(not missing and err.code)
  end
end

function scenarios.streams()
  return function()
    local lines = core.lines.new(64)
    lines:feed("one\ntwo\nthree", function() end)
    lines:finish(function() end)
    assert(core.stdcopy.new():feed("\1\0\0\0\0\0\0\2ab\1\0\0\0\0\0\0\1c\2\0\0\0\0\0\0\1d"))
    assert(core.handshake.parse("1|1|unix|/tmp/x|grpc|"))
  end
end

local cleanups = {}
local loop = assert(core.loop.new())
local act = assert(scenarios[name], "no such scenario")(loop, function(cleanup) cleanups[#cleanups + 1] = cleanup end)

fail_at(n) -- luacheck: ignore
pcall(act)
local failed = fail_at(0) -- luacheck: ignore
collectgarbage()

local alive = false
assert(loop:timer(0, function() alive = true end))
for _ = 1, 100 do
  if alive then break end
  pcall(loop.step, loop, 0.01) -- what was parked may come now
end
assert(alive, "the loop is dead")
for _, cleanup in ipairs(cleanups) do cleanup() end
loop:close()
collectgarbage()
os.execute("rm -r '" .. folder .. "'")
return failed
