-- SPDX-License-Identifier: Apache-2.0
--
--- One plugin writes what no host expects, at full speed, on every stream that it has, while clients of all kinds read:
--- `up` lives, within the memory that docs/supervision.md states, and the plugins beside it are called all the while.
--- GANTRY_HOSTILE_SECONDS is how long; GANTRY_HOSTILE_FIGURES a file that takes a line of figures.

local base64 = require("gantry.core").base64
local core = require "gantry.core"
local core_http = require "gantry.core.http"
local json = require "gantry.json"
local support = require "engine.support"
local supervision = require "engine.supervision"
local task = require "gantry.task"

local SECONDS <const> = tonumber(os.getenv "GANTRY_HOSTILE_SECONDS" or "10")
-- As docs/supervision.md adds it up for three plugins, six clients and standard error.
local MOST_MEMORY <const> = 128 * 1024 * 1024
local OTHERS <const> = { "calm", "quiet" }

describe("gantry up, with a plugin that writes garbage at full speed,", function()
  local place, readers, reading

  before_each(function() place, readers, reading = supervision.place(), {}, true end)
  after_each(function()
    task.run(function()
      for _, one in ipairs(readers) do
        one:kill "KILL"
        one:wait()
      end
      place:close()
    end)
  end)

  ---A command that reads on until it is killed; its output is counted and not kept.
  local function reader(...)
    local one
    one = support.command({ ... }, setmetatable({ on_output = function(field)
      one.answers = one.answers + 1
      if field == "stdout" then one.stdout = "" end
    end }, { __index = place:options() }))
    one.answers = 0
    readers[#readers + 1] = one
    return one
  end

  ---Connects to the control socket, asks for a plugin's log, and reads nothing of it.
  local function deaf_reader()
    local one = support.command({ "-c", [[
import socket, sys, time
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(b"GET /v1/plugins/hostile/logs?follow=1 HTTP/1.1\r\nHost: gantry\r\n\r\n")
time.sleep(86400)
]], place.runtime_dir .. "/.control.sock" }, { executable = "/usr/bin/python3" })
    readers[#readers + 1] = one
  end

  ---@param pid integer
  ---@return integer bytes that are its alone
  local function memory_of(pid)
    local total = 0
    for kibibytes in support.read(("/proc/%d/smaps_rollup"):format(pid)):gmatch "\nPrivate_%a+: +(%d+) kB" do
      total = total + kibibytes * 1024
    end
    return total
  end

  ---@param name string
  ---@param method string
  ---@param request string
  ---@return table? reply, string why
  local function call(name, method, request)
    local result = place:run("call", name, method, request)
    return result.code == 0 and json.decode(result.stdout) or nil, result.stderr
  end

  ---Calls a well-behaved plugin in a row.
  local function call_on(name, seen)
    for i = 1, math.huge do
      if not reading then return end
      local value = base64.encode(tostring(i))
      assert(call(name, "KV/Put", json.encode { key = "k", value = value }))
      assert.are.equal(value, assert(call(name, "KV/Get", '{"key":"k"}')).value)
      seen.calls = seen.calls + 2
    end
  end

  ---Asks for ps and metrics in a row.
  local function ask_on(seen)
    local http <close> = assert(core_http.new(task.loop(), { url = "http://gantry",
      unix_socket = place.runtime_dir .. "/.control.sock" }))
    while reading do
      for _, name in ipairs { "hostile", table.unpack(OTHERS) } do
        assert.are.equal("ready", place:plugin(name).state, name)
      end
      local response = assert(task.await(function(resume)
        local request = http:request { method = "GET", path = "/v1/metrics", timeout = 60,
          on_done = function(err, answer) resume(answer, err) end }
        return function() request:cancel() end
      end))
      assert.are.equal(200, response.status)
      seen.answers = seen.answers + 1
    end
  end

  ---Until the time is over: looks how much memory there is.
  local function watch(up, seen)
    local ends = core.loop.clock() + SECONDS
    while core.loop.clock() < ends do
      assert.is_nil(up.exit, "gantry up has ended")
      seen.memory = math.max(seen.memory, memory_of(up.process:pid()))
      task.sleep(0.2)
    end
    reading = false
  end

  local function start(arguments)
    place:policy("hostile", ("args = { '-babble', '%ds' }, health = { period = '1s', timeout = '10s', failures = 3 },")
      :format(SECONDS + 600))
    for _, name in ipairs(OTHERS) do place:policy(name) end
    local told = { bytes = 0 }
    local up
    up = place:up(nil, arguments, function(field, bytes)
      told.bytes = told.bytes + #bytes
      if told.bytes > 65536 then up[field] = "" end -- counted, not kept
    end)
    for _, name in ipairs { "hostile", table.unpack(OTHERS) } do place:await_state(name, "ready") end
    return up, told
  end

  ---What the plugin itself says that it wrote.
  ---@return integer lines, integer bytes
  local function babbled()
    local reply = assert(call("hostile", "KV/Get", '{"key":"babbled"}'))
    local lines, bytes = base64.decode(reply.value):match "^(%d+) (%d+)$"
    return math.tointeger(lines), math.tointeger(bytes)
  end

  ---A line of figures for whoever wants them.
  local function note(how, seen, told, followers)
    local lines, bytes = babbled()
    assert.is_true(bytes > 0)
    local text = ("%s: %d s; the plugin wrote %d lines, %d bytes; standard error had %d bytes; most memory %d KiB; "
      .. "%d calls on the others, %d answers of ps and metrics; reads: logs -f %d, logs -f --json %d, events %d\n")
      :format(how, SECONDS, lines, bytes, told.bytes, seen.memory // 1024, seen.calls, seen.answers,
        followers[1].answers, followers[2].answers, followers[3].answers)
    local path = os.getenv "GANTRY_HOSTILE_FIGURES"
    if not path then return end
    local file <close> = assert(io.open(path, "a"))
    assert(file:write(text))
  end

  local function endure(how)
    local up, told = start { "--log-format", how }
    local seen = { memory = 0, calls = 0, answers = 0 }
    local followers = { reader("logs", "-f", "hostile"), reader("logs", "-f", "--json", "hostile"), reader "events" }
    deaf_reader()
    task.all(function() watch(up, seen) end, function() call_on(OTHERS[1], seen) end,
      function() call_on(OTHERS[2], seen) end, function() ask_on(seen) end)
    note(how, seen, told, followers)
    assert.is_true(seen.calls > 0 and seen.answers > 0 and followers[1].answers > 0 and followers[2].answers > 0)
    for _, one in ipairs(readers) do assert.is_nil(one.exit, one.stderr) end
    assert.is_true(seen.memory < MOST_MEMORY, ("%d bytes"):format(seen.memory))
    local why = place:run("why", "hostile")
    assert.are.equal(0, why.code)
    assert.is_nil(why.stdout:find "fault", why.stdout)
    assert.is_nil(why.stdout:find "[^\t\n\32-\126\128-\255]", why.stdout)
    for _, name in ipairs { "hostile", table.unpack(OTHERS) } do
      assert.are.equal(1, place:plugin(name).generation, name)
    end
  end

  for _, how in ipairs { "text", "json" } do
    it("lives, and serves the others, with a log of " .. how, function() task.run(endure, how) end)
  end
end)
