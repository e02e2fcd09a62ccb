-- SPDX-License-Identifier: Apache-2.0
--
--- `gantry why` as people read it: what happened with the evidence, what was decided and by whom, and what came of it.

local support = require "engine.support"
local supervision = require "engine.supervision"
local task = require "gantry.task"

describe("gantry why", function()
  local place

  before_each(function() place = supervision.place() end)
  after_each(function() task.run(place.close, place) end)

  local function test(name, fn)
    it(name, function() task.run(fn) end)
  end

  local PART <const> = { TIME = "%d%d:%d%d:%d%d", UP = "up [%d.hms]+", GENERATION = "generation %d+" }

  ---The lines of `why`, each with time, kind and text; those that merely say that it became ready are left out.
  ---@return string[]
  local function lines_of(name)
    local lines = {}
    for line in place:run("why", name).stdout:gmatch "([^\n]+)\n" do
      local kind = assert(line:match("^" .. PART.TIME .. "  (%l+) +%S"), line)
      assert.matches("^" .. PART.TIME .. "  " .. (kind .. "        "):sub(1, math.max(8, #kind)) .. "  %S", line)
      if kind ~= "ready" then lines[#lines + 1] = line:match "^%S+  (.*)$" end
    end
    return lines
  end

  ---@param pattern string one of Lua's, with the words of PART
  ---@return string
  local function spelled_out(pattern)
    return "^" .. pattern:gsub("%u%u+", PART) .. "$"
  end

  ---Whether patterns match lines that follow each other.
  ---@param lines string[]
  ---@param patterns string[]
  local function follow_each_other(lines, patterns)
    for first = 1, #lines - #patterns + 1 do
      local all = true
      for i, pattern in ipairs(patterns) do all = all and lines[first + i - 1]:find(spelled_out(pattern)) ~= nil end
      if all then return true end
    end
    return false
  end

  ---Waits until `why` tells this, line after line.
  ---@param name string
  ---@param ... string patterns
  local function await_told(name, ...)
    local patterns, lines = { ... }, nil
    local told = task.deadline(60, function()
      repeat
        lines = lines_of(name)
        local found = follow_each_other(lines, patterns)
        if not found then task.sleep(0.05) end
      until found
      return true
    end)
    assert(told, ("no such lines within 60 s:\n%s\n--- but:\n%s"):format(table.concat(patterns, "\n"),
      table.concat(lines, "\n")))
  end

  test("tells of memory that ran out, and of what was changed", function()
    -- A busy engine loses the news of some for good: then the next one is to tell.
    place:policy("jwt", [[
  memory = "32MiB", args = { "-allocate", "268435456", "-allocate-after", "300ms" },
  restart = function(exit, history)
    if exit.cause ~= "oom" then return "restart", { after = "200ms" } end
    if history.config.memory > 40 * 1024 * 1024 then return "restart", { after = "1h" } end
    return "restart", { after = "1.5s", memory = "48MiB", reason = "out of memory, slowing down" }
  end,]])
    place:up()
    await_told("jwt", "exit      out of memory: engine says OOMKilled, limit 32MiB, UP, GENERATION",
      "decision  restart after 1%.5s: policy jwt%.lua:7 'out of memory, slowing down'.*",
      "start     GENERATION, memory 48MiB %(was 32MiB%)")
    await_told("jwt", "exit      out of memory: engine says OOMKilled, limit 48MiB, UP, GENERATION",
      "decision  restart after 1h: policy jwt%.lua:4 %(%d+ restarts? in 10m%)")
    assert.matches("\njwt +backoff +%- +%- +%- +%- +%d+ +gantry%-test%-kv:latest +out of memory %(limit 48MiB%), "
      .. "next try in [%d.hms]+\n", place:run("ps").stdout)
  end)

  test("does not call somebody's kill a lack of memory", function()
    for name, memory in pairs { limited = "memory = '64MiB',", free = "" } do
      place:policy(name, memory .. "restart = 'never',")
    end
    place:up()
    for _, name in ipairs { "limited", "free" } do
      assert(support.engine():kill(place:await_state(name, "ready").container, "KILL"))
      await_told(name, "exit      killed by SIGKILL, UP, generation 1",
        "decision  stay down: policy " .. name .. "%.lua:3 'never restarted'")
    end
  end)

  test("tells of a backoff that grows, attempt by attempt", function()
    place:policy("crash", "args = { '-exit-now', '3' }, restart = require('gantry.restart').backoff {\n"
      .. "first = '150ms', factor = 2, max = '500ms', jitter = 0 },")
    place:up()
    local exit = "exit      exit code 3: exited before it was ready, UP, generation "
    local decision = "decision  restart after %s: policy crash%%.lua:3 'backoff, attempt %d'"
    await_told("crash", "start     generation 1",
      exit .. "1", decision:format("150ms", 1), "start     generation 2",
      exit .. "2", decision:format("300ms", 2) .. " %(1 restart in 10m%)", "start     generation 3",
      exit .. "3", decision:format("500ms", 3) .. " %(2 restarts in 10m%)", "start     generation 4")
  end)

  test("names file and line of a policy that failed, and what holds instead", function()
    place:policy("kv", "args = { '-exit-after', '100ms', '-exit-code', '4' }, restart = function(exit)\n"
      .. "return exit.nothing.at_all end,")
    place:policy("odd", "args = { '-exit-after', '100ms', '-exit-code', '4' }, restart = function()\n"
      .. "return 'restrat' end,")
    place:up()
    await_told("kv", "exit      exit code 4, UP, generation 1",
      "decision  restart after [%d.]+ms: %S*kv%.lua:4: attempt to index a nil value %(field 'nothing'%); "
      .. "the default holds: backoff, attempt 1.*", "start     generation 2")
    await_told("odd", "decision  restart after [%d.]+ms: odd%.lua:3: the restart function's answer is not usable: .*"
      .. "got 'restrat'; the default holds: backoff, attempt 1.*")
  end)

  test("has the remedy of a first mistake", function()
    support.write(place.policies .. "/bare.lua", "return { image = 'gantry-test-kv', restart = 'never' }")
    support.write(place.policies .. "/nowhere.lua",
      "return { image = 'gantry-test-kv', entrypoint = { '/nowhere' }, restart = 'never' }")
    place:up()
    local before = "exited before it was ready: "
    await_told("bare", "exit      exit code 1: " .. before .. "the policy gives it no magic cookie; .*, UP, GENERATION")
    -- Some engines look at the command before they start anything.
    await_told("nowhere", "exit      [^\n]*'/nowhere' is not in the image; .*, GENERATION")
  end)

  test("has what a policy printed, when it was read and when it was asked", function()
    place:policy("kv", "restart = function(exit) print('ended by', exit.cause) return 'stop' end,",
      "print('read', 1)\n")
    place:up()
    assert(support.engine():kill(place:await_state("kv", "ready").container, "KILL"))
    await_told("kv", "print     read\t1", "start     GENERATION", "print     ended by\tsignal",
      "exit      killed by SIGKILL, UP, GENERATION")
  end)

  test("tells that a policy went, and still does when the plugin is gone", function()
    place:policy "kv"
    place:policy("waits", "args = { '-exit-now', '3' }, restart = function() return 'restart', { after = '1h' } end,")
    place:up()
    place:await_state("kv", "ready")
    place:await_state("waits", "backoff")
    os.remove(place.policies .. "/kv.lua")
    os.remove(place.policies .. "/waits.lua")
    support.eventually("both are gone", function() return #place:ask("ps").plugins == 0 end)
    await_told("kv", "start     generation 1", "policy    its policy is gone: stopped",
      "exit      exit code 0, UP, generation 1", "decision  stay down: asked for")
    await_told("waits", "decision  restart after 1h: policy waits%.lua:3.*", "policy    its policy is gone: stopped")
    local unknown = place:run("why", "never")
    assert.are.equal(1, unknown.code)
    assert.matches("no plugin 'never' is supervised", unknown.stderr)
  end)

  test("tells how a plugin was found to be unhealthy", function()
    place:policy("sick", "args = { '-health', 'not-serving' },")
    -- Without an init, which would be what is frozen.
    place:policy("frozen", "health = { period = '100ms', timeout = '200ms', failures = 2 }, init = false,\n"
      .. "restart = function() return 'restart', { after = '250ms', reason = 'fresh air' } end,")
    place:up()
    await_told("sick", "exit      unhealthy: .*NOT_SERVING instead of SERVING, generation 1",
      "decision  restart after [%d.]+ms: backoff, attempt 1.*")
    assert(support.engine():kill(place:await_state("frozen", "ready").container, "STOP"))
    await_told("frozen", "health    check 1 of 2 failed: .+", "health    check 2 of 2 failed: .+",
      "exit      unhealthy: .+, generation 1", "decision  restart after 250ms: policy frozen%.lua:4 'fresh air'",
      "start     generation 2")
    assert.are.equal("unhealthy", place:plugin("frozen").last_exit.cause)
  end)

  test("does not invent an end that nobody saw", function()
    place:policy("kv", "restart = function(exit)\n"
      .. "return 'restart', { after = '250ms', reason = 'it was ' .. exit.cause } end,")
    local up = place:up()
    local before = place:await_state("kv", "ready")
    up:kill "KILL"
    up:wait()
    assert(support.engine():remove(before.container))
    place:up()
    await_told("kv", "exit      its end is unknown: the container was removed while nobody watched, generation 1",
      "decision  restart after 250ms: policy kv%.lua:3 'it was lost'", "start     generation 2")
    assert.is_nil(place:plugin("kv").last_exit.code)
  end)
end)
