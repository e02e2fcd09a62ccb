-- SPDX-License-Identifier: Apache-2.0
--
--- What a plugin writes is shown, whatever it is, and what raises over it ends nobody.

local guard = require "gantry.supervisor.guard"
local hclog = require "gantry.base.hclog"
local journal = require "gantry.supervisor.journal"
local json = require "gantry.json"
local log_files = require "gantry.supervisor.log_files"
local progress = require "gantry.text.progress"
local restart = require "gantry.restart"
local ring = require "gantry.supervisor.ring"
local task = require "gantry.task"

local VALUES <const> = { "true", "false", "null", "1", "-0", "1.50", "18446744073709551615", "1e400", '""', '"x y"',
  '"\\u0000\\u001b[2J"', "[]", "{}", "[1,[2,null]]", '{"a":{"b":[]}}', '"\xff\xfe"' }

describe("a log line", function()
  local function shown(line)
    local out = {}
    local log = progress.log("kv", function(text) out[#out + 1] = text end)
    log:feed("stderr", line .. "\n")
    return table.concat(out)
  end

  it("is text whatever hclog's own keys hold", function()
    for _, key in ipairs { "@level", "@message", "@module", "@timestamp", "@caller", "a key", "" } do
      for _, value in ipairs(VALUES) do
        local line = ('{"@level":"info","@message":"said","@module":"m","%s":%s}'):format(key, value)
        assert.matches("^kv: ", shown(line))
        local entry = hclog.parse(line)
        assert.equal("string", type(entry.message))
        assert.equal("string", type(hclog.format(entry)))
        assert.is_true(json.decode(json.line(entry)) ~= nil)
      end
    end
  end)

  it("shows what is not hclog's among the fields", function()
    assert.equal('kv: [INFO]  x: @module={"a":1}\n', shown '{"@level":"info","@message":"x","@module":{"a":1}}')
    assert.equal("kv: [INFO]  x: @module=true\n", shown '{"@level":"info","@message":"x","@module":true}')
    assert.equal('kv: {"@message":7}\n', shown '{"@message":7}')
  end)

  it("keeps the digits of its numbers", function()
    local line = '{"@level":"info","@message":"leased","lease_ns":1732825647123456789,'
      .. '"big":18446744073709551615,"f":1.10}'
    assert.equal("kv: [INFO]  leased: big=18446744073709551615 f=1.10 lease_ns=1732825647123456789\n", shown(line))
    assert.equal('{"big":18446744073709551615,"f":1.10,"lease_ns":1732825647123456789}\n',
      json.line(hclog.parse(line).fields))
  end)

  it("is total over random bytes", function()
    math.randomseed(11)
    local seeds = { '{"@level":"warn","@message":"x","k":[1,{"a":null}],"@module":"m"}', '{"@message":"\\ud800"}' }
    for round = 1, 3000 do
      local bytes = { seeds[round % 2 + 1]:byte(1, -1) }
      for _ = 1, math.random(6) do bytes[math.random(#bytes)] = math.random(0, 255) end
      local line = string.char(table.unpack(bytes)):gsub("\n", " ")
      assert.equal("string", type(hclog.format(hclog.parse(line))))
    end
  end)
end)

describe("what takes of a plugin", function()
  local function unit()
    local one = { journal = journal.new() }
    function one:note(kind, text) self.journal:add(kind, text) end
    return one
  end

  it("may raise: the journal tells once, and the others take on", function()
    local one, taken = unit(), 0
    local lines = ring.new(function(...) guard.call(one, ...) end)
    lines:follow(function() error("boom", 0) end)
    lines:follow(function() taken = taken + 1 end)
    for _ = 1, 25 do lines:add("stdout", { "a line" }) end
    assert.equal(25, taken)
    local texts = {}
    for i, entry in ipairs(one.journal.entries) do texts[i] = entry.kind .. ": " .. entry.text end
    assert.same({ "fault: a fault of gantry: boom", "fault: a fault of gantry, 10 times: boom" }, texts)
  end)

  it("is told of in bounded room", function()
    local one = unit()
    for i = 1, 5000 do guard.call(one, error, "fault number " .. i, 0) end
    assert.is_true(#one.journal.entries < 30)
  end)

  it("may raise what cannot even be shown, or is as long as can be", function()
    local one = unit()
    for _, raised in ipairs { setmetatable({}, { __tostring = function() error "again" end }),
      setmetatable({}, { __tostring = function() return {} end }), ("x"):rep(1000000), "kinds", false } do
      guard.call(one, error, raised, 0)
    end
    assert.equal(4, #one.journal.entries) -- what cannot be shown is of one kind
    for _, entry in ipairs(one.journal.entries) do assert.is_true(#entry.text < 1100) end
    assert.matches("an error of type table that cannot be shown", one.journal.entries[1].text, 1, true)
  end)

  it("ends no loop where somebody takes errors", function()
    local seen = {}
    task.on_error = function(err) seen[#seen + 1] = tostring(err):match "^[^\n]*" end
    local result = task.run(function()
      task.loop():timer(0, function() error("in a callback", 0) end)
      task.sleep(0.02)
      return "went on"
    end)
    task.on_error = nil
    assert.equal("went on", result)
    assert.same({ "in a callback" }, seen)
  end)

  it("still raises where nobody does", function()
    local ok, err = pcall(task.run, function()
      task.loop():timer(0, function() error("in a callback", 0) end)
      task.sleep(0.5)
    end)
    assert.is_false(ok)
    assert.matches("^in a callback", err)
  end)
end)

describe("a log file that cannot be opened for a while", function()
  local folder, told, files

  before_each(function()
    folder, told = os.tmpname(), {}
    os.remove(folder)
    files = assert(log_files.open(folder, { longest = 200, on_failure = function(text) told[#told + 1] = text end }))
  end)

  after_each(function()
    files:close()
    os.execute("rm -r " .. folder)
  end)

  local function away(fn)
    assert(os.rename(folder, folder .. ".away"))
    fn()
    assert(os.rename(folder .. ".away", folder))
  end

  local function content()
    local file <close> = assert(io.open(folder .. "/kv.log"))
    return (file:read("a"):gsub("%f[^\n%z]%S+Z ", ""))
  end

  it("is tried again, and says what it lacks", function()
    away(function()
      files:add("kv", "stderr", { "one" })
      files:add("kv", "stderr", { "two" })
    end)
    assert.equal(1, #told)
    assert.matches("kv.log: No such file", told[1])
    files:add("kv", "stderr", { "three" })
    assert.matches("^stderr gantry: %d+ bytes were lost here\nstderr three\n$", content())
    assert.equal(1, #told)
  end)

  it("goes on after a rotation that failed", function()
    files:add("kv", "stderr", { ("x"):rep(150) })
    away(function() files:add("kv", "stderr", { ("y"):rep(50) }) end)
    assert.equal(1, #told)
    files:add("kv", "stderr", { ("z"):rep(50) })
    files:add("kv", "stderr", { "after" })
    assert.matches("stderr z+\nstderr after\n$", content())
    assert.equal(1, #told)
  end)

  it("does not continue a line that was cut", function()
    files:add("kv", "stderr", { "whole" })
    local handle = files.files.kv.handle
    files.files.kv.handle = { write = function() return handle:write "half" end, close = function() handle:close() end,
      flush = function()
        handle:flush()
        return nil, "No space left on device"
      end }
    files:add("kv", "stderr", { "cut" })
    assert.matches("No space left on device$", told[1])
    files:add("kv", "stderr", { "next" })
    assert.matches("^stderr whole\nhalf\nstderr gantry: %d+ bytes were lost here\nstderr next\n$", content())
  end)
end)

describe("restart.first_of", function()
  it("refuses a hole in its list", function()
    assert.has_error(function() restart.first_of(restart.never, nil, restart.backoff {}) end)
    assert.has_error(function() restart.first_of(restart.never, nil) end)
  end)
end)
