-- SPDX-License-Identifier: Apache-2.0
--
--- What `gantry ps` shows of what plugins use and have done, over restarts of plugins and of the supervisor, and
--- without the engine; and that nothing is looked at while nobody looks.

local json = require "gantry.json"
local support = require "engine.support"
local supervision = require "engine.supervision"
local task = require "gantry.task"

local HEALTH <const> = "health = { period = '100ms', timeout = '5s' },"

describe("the figures of gantry ps", function()
  local place

  before_each(function() place = supervision.place() end)
  after_each(function() task.run(place.close, place) end)

  local function test(name, fn)
    it(name, function() task.run(fn) end)
  end

  ---@param name string
  ---@return table stats
  local function stats(name)
    return assert(place:plugin(name).stats)
  end

  ---@param ... string arguments of ps
  ---@return string[][] cells of each line; two blanks part them
  local function rows(...)
    local result = place:run("ps", ...)
    assert.are.equal(0, result.code, result.stderr)
    local list = {}
    for line in result.stdout:gmatch "([^\n]*)\n" do
      local cells = {}
      for cell in (line .. "  "):gmatch "(.-)  +" do cells[#cells + 1] = cell end
      list[#list + 1] = cells
    end
    return list
  end

  test("are columns, by which rows are sorted", function()
    place:policy("small", "memory = '64MiB', " .. HEALTH)
    place:policy("large", "memory = '128MiB', args = { '-allocate', '33554432' },")
    place:policy("down", "")
    place:up()
    place:await_state("small", "ready")
    place:await_state("large", "ready")
    place:await_state("down", "ready")
    place:run("stop", "down")
    support.eventually("it has allocated, and was asked for its health", function()
      return stats("large").memory_bytes > 32 << 20 and stats("small").health_checks > 0
    end)

    local function names(...)
      local list = {}
      for i, row in ipairs(rows("--columns", "name,memory", ...)) do list[i] = row[1] end
      return table.concat(list, " ")
    end
    assert.are.equal("NAME down large small", names())
    assert.are.equal("NAME large small down", names("--sort", "memory"))
    assert.are.equal("NAME down large small", names("--sort", "name"))

    local shown = rows("--columns", "name,cpu,cpu_time,memory,pids,handshake,start,health,output,causes")
    assert.are.same({ "NAME", "CPU", "CPU TIME", "MEMORY", "PIDS", "HANDSHAKE", "START", "HEALTH", "OUTPUT",
      "CAUSES" }, shown[1])
    assert.are.same({ "down", "-", "-", "-", "-" }, table.move(shown[2], 1, 5, 1, {}))
    assert.matches("^%d+%.%d%%|[%d.]+m?s|[%d.]+MiB/64MiB|%d+|[%d.]+m?s|[%d.]+m?s|[%d.]+m?s|[%d.]+K?i?B|%-$",
      table.concat(shown[4], "|", 2))
    assert.are.equal(18, #rows("--columns", "all")[1])

    for option, text in pairs { ["--columns"] = "name,memry", ["--sort"] = "memry" } do
      local refused = place:run("ps", option, text)
      assert.are.equal(2, refused.code)
      assert.matches("^gantry: " .. option:gsub("%-", "%%-") .. ": there is no column 'memry'; did you mean 'memory'%?",
        refused.stderr)
    end
  end)

  test("count restarts by cause, starts and output, also over the supervisor's death", function()
    place:policy("kv", [[args = { "-exit-after", "300ms", "-exit-code", "3" }, restart = function(exit, history)
      if history.restarts >= 2 then return "stop" end
      return "restart"
    end,]])
    place:policy("other", HEALTH)
    local up = place:up()
    place:await_state("kv", "ended")
    place:await_state("other", "ready")
    assert.are.equal(0, place:run("restart", "other").code)
    local ended = stats "kv"
    assert.are.same({ { exit = 2 }, nil, nil }, { ended.restarts_by_cause, ended.memory_bytes, ended.source })
    assert.is_true(ended.output_bytes > 0 and ended.ready_seconds >= ended.handshake_seconds)
    local before = stats "other"
    assert.are.same({ manual = 1 }, before.restarts_by_cause)

    up:kill "KILL"
    up:wait()
    place:up()
    place:await_state("other", "ready")
    local after = stats "other"
    assert.are.same({ exit = 2 }, stats("kv").restarts_by_cause)
    assert.are.same({ before.restarts_by_cause, before.handshake_seconds, before.ready_seconds },
      { after.restarts_by_cause, after.handshake_seconds, after.ready_seconds })
    assert.is_true(after.cpu_seconds >= before.cpu_seconds) -- it is the same generation's account
    support.eventually("it has run for a second", function() return (stats("other").cpu_share or 0) > 0 end)
  end)

  test("come again and again, until somebody has enough", function()
    place:policy "kv"
    place:up()
    place:await_state("kv", "ready")
    local table_after_table = support.command({ "ps", "--watch", "0.1", "--columns", "name,cpu" }, place:options())
    table_after_table:await("stdout", "NAME  CPU\nkv +%d+%.%d%%\n\nNAME  CPU\nkv +%d+%.%d%%\n\nNAME")
    table_after_table:kill "INT"
    table_after_table:wait()
    local lines = support.command({ "ps", "--watch", "0.1", "--json" }, place:options())
    local text = lines:await("stdout", "^[^\n]+\n([^\n]+)\n")
    lines:kill "INT"
    lines:wait()
    assert.is_true(assert(json.decode(text)).plugins[1].stats.cpu_seconds > 0)

    local last = support.command({ "ps", "--watch", "0.1" }, place:options())
    last:await("stdout", "\nkv ")
    place:run "down"
    assert.are_not.equal(0, last:wait().code)
    assert.matches("gantry: .+ gantry up ", last.stderr)
  end)

  test("are there while the engine is away", function()
    place:engine_comes()
    place:policy "kv"
    place:up(nil, nil, nil, { "DOCKER_HOST=unix://" .. place:engine_socket() })
    place:await_state("kv", "ready")
    place:engine_goes()
    support.eventually("it knows that the engine is away", function() return place:plugin("kv").trouble end)
    local found = stats "kv"
    assert.are.equal("cgroup", found.source)
    assert.is_true(found.memory_bytes > 0)
    place:engine_comes()
    support.eventually("the engine is back", function() return not place:plugin("kv").trouble end)
  end)

  test("are read by nobody while nobody looks", function()
    place:policy "kv"
    local up = place:up()
    place:await_state("kv", "ready")
    stats "kv"
    ---@return string how often it has read anything
    local function reads()
      return support.read(("/proc/%d/io"):format(up.process:pid())):match "\nsyscr: (%d+)"
    end
    support.eventually("it has read what came of its start", function()
      local before = reads()
      task.sleep(0.5)
      return reads() == before
    end)
    local before = reads()
    task.sleep(2)
    assert.are.equal(before, reads())
    stats "kv"
    assert.are_not.equal(before, reads())
  end)
end)
