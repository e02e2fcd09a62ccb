-- SPDX-License-Identifier: Apache-2.0
--
--- What policies say about restarts, from their files to decisions: strategies, functions, also those that misbehave.

local decider = require "gantry.restart.decider"
local errors = require "gantry.base.errors"
local gantry = require "gantry"
local json = require "gantry.json"
local system = require("gantry.core").system
local text = require "gantry.restart.text"

local folder, count

local function load_policy(content)
  count = count + 1
  local path = ("%s/p%d.lua"):format(folder, count)
  local file <close> = assert(io.open(path, "w"))
  assert(file:write(content))
  file:close()
  return gantry.load(path)
end

---Loads a policy and gives it ends, 5 s apart; returns the last decision.
local function decide(content, exits)
  local policy = assert(load_policy(content))
  local state, now, decision = decider.new_state(), 1000, nil
  local asker = require("gantry.restart.asker").of_policy(policy)
  for _, exit in ipairs(exits) do
    decider.started(state, now, state.generation > 0)
    decider.ready(state, now)
    now = now + 5
    decision = decider.decide(asker, state, exit, now, { random = function() return 0 end })
    now = now + (decision.delay or 0)
  end
  return decision, state, policy
end

local CRASH <const> = { cause = "exit", code = 1 }

describe("gantry.restart", function()
  setup(function()
    count, folder = 0, ("%s/gantry-test-%s"):format(os.getenv "TMPDIR" or "/tmp", system.random(4))
    assert(os.execute("mkdir -m 700 " .. folder))
  end)
  teardown(function() assert(os.execute("rm -rf " .. folder)) end)

  local function policy_text(rule)
    return ([[
local restart = require "gantry.restart"
return {
  image = "x",
  memory = "64MiB",
  restart = %s,
}
]]):format(rule)
  end

  it("backs off without a word in the policy", function()
    local decision = decide("return { image = 'x' }", { CRASH, CRASH, CRASH })
    assert.are.equal("restart", decision.action)
    assert.are.equal(0.4, decision.delay)
  end)

  for _, case in ipairs {
    { "restart.never", { CRASH }, "stop" },
    { "'never'", { CRASH }, "stop" },
    { "restart.on_failure", { { cause = "exit", code = 0 } }, "stop" },
    { "restart.on_failure", { CRASH }, "restart", 0.1 },
    { "restart.on_failure(restart.backoff { first = '3s' })", { CRASH }, "restart", 3 },
    { "restart.always", { { cause = "exit", code = 0 } }, "restart", 0.1 },
    { "restart.backoff { first = '1s', factor = 3, max = '5s' }", { CRASH, CRASH, CRASH }, "restart", 5 },
    { "restart.backoff { first = '1m' }", { CRASH }, "restart", 60 },
    { "restart.backoff { first = '1m' }", { CRASH, CRASH, CRASH }, "restart", 60 },
    { "restart.backoff { max = '200ms' }", { CRASH, CRASH, CRASH }, "restart", 0.2 },
    { "restart.backoff { first = '1s', reset_after = '4s' }", { CRASH, CRASH, CRASH }, "restart", 1 },
    { "restart.on_code { [2] = 'fail', [75] = restart.backoff { first = '9s' } }", { { cause = "exit", code = 2 } },
      "fail" },
    { "restart.on_code { [2] = 'fail', [75] = restart.backoff { first = '9s' } }", { { cause = "exit", code = 75 } },
      "restart", 9 },
    { "restart.on_code { [2] = 'fail' }", { CRASH }, "restart", 0.1 },
    { "restart.on_cause { oom = 'stop' }", { { cause = "oom", code = 137 } }, "stop" },
    { "restart.window { max = 2, per = '1m', then_ = 'fail' }", { CRASH, CRASH, CRASH }, "fail" },
    { "restart.window { max = 2, per = '1m' }", { CRASH, CRASH, CRASH }, "restart", 60 - 5 - 0.2 - 5 },
    { "restart.first_of(restart.on_code { [2] = 'fail' }, restart.never)", { CRASH }, "stop" },
    { "function(exit) return exit.code == 1 and 'fail' or 'stop' end", { CRASH }, "fail" },
    { "restart.first_of(function(exit) if exit.code == 3 then return 'fail' end end, restart.never)", { CRASH },
      "stop" },
  } do
    it(("%s gives %s"):format(case[1], case[3]), function()
      local decision = decide(policy_text(case[1]), case[2])
      assert.are.equal(case[3], decision.action)
      if case[4] then assert.is_true(math.abs(case[4] - decision.delay) < 1e-6, tostring(decision.delay)) end
    end)
  end

  it("tells of a delay that is shortened", function()
    local decision = decide(policy_text "function() return 'restart', { after = '60d' } end", { CRASH })
    assert.are.same({ 30 * 86400, "at most 30d" }, { decision.delay, decision.floor })
  end)

  it("runs the function of the manual", function()
    local policy = [[
return {
  image = "x", memory = "64MiB",
  restart = function(exit, history)
    if exit.cause == "oom"   then return "restart", { memory = "512MiB", reason = "out of memory, doubling" } end
    if exit.code == 2        then return "fail",    { reason = "bad configuration: a restart cannot help" } end
    if history.within "10m" > 5 then return "restart", { after = "5m", reason = "crash loop, slowing down" } end
    return "restart", { after = history.backoff { first = "100ms", max = "30s" } }
  end,
}
]]
    local decision, state = decide(policy, { { cause = "oom", code = 137 } })
    assert.are.same({ memory = "512MiB" }, decision.changes)
    assert.are.same({ memory = "512MiB" }, state.changes)
    assert.are.equal(("p%d.lua:4"):format(count), decision.place)
    assert.are.equal(("restart after 100ms: policy p%d.lua:4 'out of memory, doubling'"):format(count),
      text.decision(decision))

    decision = decide(policy, { { cause = "exit", code = 2 } })
    assert.are.equal("fail", decision.action)
    assert.are.equal("bad configuration: a restart cannot help", decision.reason)
    local crashes = {}
    for i = 1, 7 do crashes[i] = CRASH end
    assert.are.equal(300, decide(policy, crashes).delay)
  end)

  it("keeps what is unhealthy, and not what its launch found to be so", function()
    for ready, wanted in pairs { [true] = "keep", [false] = "stop" } do
      local state = decider.new_state()
      decider.started(state, 1000)
      local decision = decider.decide({ restart = function() return "keep" end }, state, { cause = "unhealthy",
        ready = ready }, 1005)
      assert.are.equal(wanted, decision.action)
      assert.are.equal(ready, state.live ~= nil)
    end
  end)

  it("tells which image each end had, and which ends were asked for", function()
    local state, seen = decider.new_state(), nil
    local asker = { restart = function(_, history) seen = history.exits return "restart" end }
    for i, exit in ipairs { { cause = "exit", code = 0, requested = true }, { cause = "manual" }, { cause = "oom" } } do
      decider.started(state, 1000 + i)
      exit.image_id = "sha256:" .. i
      decider.decide(asker, state, exit, 1000 + i)
    end
    local told = {}
    for i, one in ipairs(seen) do told[i] = { one.cause, one.image_id, one.requested } end
    assert.are.same({ { "oom", "sha256:3", false }, { "manual", "sha256:2", true }, { "exit", "sha256:1", true } },
      told)
  end)

  it("keeps history.state from one decision to the next", function()
    local _,
      state = decide(policy_text [[function(_, history)
        history.state.seen = (history.state.seen or 0) + 1
        return 'restart'
      end]],
      { CRASH, CRASH, CRASH })
    assert.are.same({ seen = 3 }, state.memory)
  end)

  it("shows the config and the last ends", function()
    local decision = decide(policy_text [[function(exit, history)
      if history.last then
        return "restart", { memory = history.config.memory * 2, reason = history.last.cause .. " before "
          .. exit.cause }
      end
      return "restart"
    end]], { { cause = "lost" }, CRASH })
    assert.are.same({ memory = 128 * 1024 * 1024 }, decision.changes)
    assert.are.equal("lost before exit", decision.reason)
  end)

  for name, case in pairs {
    ["loops"] = { "function() while true do end end", "POLICY_BUDGET_INSTRUCTIONS" },
    ["catches and loops"] = { "function() while true do pcall(function() while true do end end) end end",
      "POLICY_BUDGET_INSTRUCTIONS" },
    ["errors"] = { "function() return nil + 1 end", "POLICY_ERROR" },
    ["raises a table"] = { "function() error {} end", "POLICY_ERROR" },
    ["allocates without end"] = { "function() local t = {} while true do t[#t + 1] = ('x'):rep(10000) .. #t end end",
      "POLICY_BUDGET_MEMORY" },
    ["yields"] = { "function() coroutine.yield() end", "POLICY_ERROR" },
    ["returns nonsense"] = { "function() return 42 end", "POLICY_ANSWER" },
    ["returns an unknown action"] = { "function() return 'restrat' end", "POLICY_ANSWER" },
    ["returns a bad delay"] = { "function() return 'restart', { after = -5 } end", "POLICY_ANSWER" },
    ["returns an endless delay"] = { "function() return 'restart', { after = 1/0 } end", "POLICY_ERROR" },
    ["changes an unknown field"] = { "function() return 'restart', { memmory = 1 } end", "POLICY_ANSWER" },
    ["changes a field to nonsense"] = { "function() return 'restart', { memory = 'much' } end", "POLICY_ANSWER" },
    ["renames itself"] = { "function() return 'restart', { name = 'other' } end", "POLICY_ANSWER" },
    ["keeps a function"] = { "function(_, history) history.state.f = print return 'restart' end", "POLICY_ERROR" },
    ["keeps an endless table"] = { "function(_, history) history.state.t = history.state return 'restart' end",
      "POLICY_ERROR" },
    ["answers with a trap"] = {
      "function() return 'restart', setmetatable({}, { __pairs = function() while true do end end }) end",
      "POLICY_BUDGET_INSTRUCTIONS" },
  } do
    it("falls back to the default when the function " .. name, function()
      local decision, state = decide(policy_text(case[1]), { CRASH, CRASH })
      assert.are.equal("restart", decision.action)
      assert.are.equal(0.2, decision.delay)
      assert.is_truthy(errors.is(decision.fault, case[2]), decision.fault and decision.fault.code .. ": "
        .. decision.fault.message)
      assert.is_truthy(decision.reason:find(("p%d.lua"):format(count), 1, true), decision.reason)
      if case[2] ~= "POLICY_ANSWER" then assert.are.same({}, state.memory) end
    end)
  end

  it("does not read a method of an answer outside the bounds", function()
    local decision = decide(policy_text [[function()
      return setmetatable({}, { __tostring = function() while true do end end })
    end]], { CRASH })
    assert.are.equal("POLICY_ANSWER", decision.fault.code)
  end)

  for rule, message in pairs {
    ["restart.backoff { frist = 1 }"] = "unknown parameter 'frist'; did you mean 'first'?",
    ["restart.backoff { factor = 0.5 }"] = "factor must be a number from 1 to 1000, got 0.5",
    ["restart.backoff { first = '1m', max = '30s' }"] = "first must not be above max, got '1m' and '30s'",
    ["restart.window { per = '1m' }"] = "max is missing",
    ["restart.on_cause { omo = 'fail' }"] = "no cause 'omo'; did you mean 'oom'?",
    ["restart.first_of()"] = "needs at least one strategy",
    ["'on-failure'"] = "no strategy 'on-failure'; did you mean 'on_failure'?",
    ["{ strategy = 'backoff', first = 'soon' }"] = "first must be a duration",
    ["{}"] = "must be a strategy of gantry.restart or a function, got a table",
    ["5"] = "restart must be a strategy of gantry.restart or a function, got 5",
  } do
    it("refuses " .. rule, function()
      local policy, err = load_policy(policy_text(rule))
      assert.is_nil(policy)
      local found = errors.is(err) and err or err[1]
      assert.is_truthy(found.message:find(message, 1, true), found.message)
      assert.is_truthy(found.message:find(("p%d.lua:5: "):format(count), 1, true), found.message)
    end)
  end

  it("says of a start what is other than before, and nothing of what is not", function()
    local changes = { memory = "128MiB", env = { TRY = "1" }, runtime = "runsc" }
    local before = { memory = 64 << 20, env = { "TRY=1" }, runtime = "runc" }
    local after = { memory = 128 << 20, env = { "TRY=1" }, runtime = "runsc" }
    assert.are.equal("memory 128MiB (was 64MiB), runtime runsc (was runc)", text.changes(changes, before, after))
    assert.are.equal("", text.changes(changes, after, after))
    before.env = { "TRY=0" }
    assert.are.equal("env changed, memory 128MiB (was 64MiB), runtime runsc (was runc)",
      text.changes(changes, before, after))
    assert.are.equal("", text.changes(nil, before, after))
  end)

  it("takes a command or a function for on_exit, and nothing else", function()
    assert.are.same({ "/bin/true", "x" },
      load_policy("return { image = 'x', on_exit = { '/bin/true', 'x' } }").config.on_exit)
    assert.are.equal("function", type(load_policy("return { image = 'x', on_exit = function() end }").config.on_exit))
    local _, findings = load_policy("return { image = 'x',\n on_exit = { 'alert' } }")
    assert.is_truthy(findings[1].message:find("lua:2: on_exit: the program must be an absolute path, got 'alert'", 1,
      true))
  end)

  it("asks a function that begins on the first line and gives no reason", function()
    local decision = decide('return { image = "x", restart = function() return "restart" end }', { CRASH })
    assert.are.equal("restart", decision.action)
    assert.is_nil(decision.fault)
    assert.is_truthy(decision.place:find("%.lua:1$"), decision.place)
  end)

  it("merges what a decision changes as extend does", function()
    local apply = require("gantry.restart.changes").apply
    local config = assert(require("gantry.config").validate { image = "x", env = { A = "1", B = "2" },
      labels = { a = "1" }, args = { "x" }, health = { period = "3s" } })
    local changed = assert(apply(config, { env = { "A=5" }, labels = { b = "2" }, args = { "y" },
      health = { failures = 7 } }))
    assert.are.same({ "A=5", "B=2" }, changed.env)
    assert.are.same({ a = "1", b = "2" }, changed.labels)
    assert.are.same({ "y" }, changed.args)
    assert.are.same({ 3, 7 }, { changed.health.period, changed.health.failures })
    assert.are.same({ "A=1", "B=2" }, config.env)
  end)

  it("takes away what a decision takes away, also once it was kept as JSON", function()
    local config = assert(require("gantry.config").validate { image = "x", tag = "1", cpus = 2, stop_timeout = "3s",
      env = { A = "1", B = "2" } })
    local without = require("gantry").without
    local kept = assert(json.decode(assert(json.encode { tag = without, env = { A = without }, cpus = without,
      stop_timeout = without, memory = "8MiB" })))
    local written = { tag = without, env = { A = without }, cpus = without, stop_timeout = without }
    for _, fields in ipairs { written, kept } do
      local changed = assert(require("gantry.restart.changes").apply(config, fields))
      assert.are.same({ nil, { "B=2" }, nil, 10 }, { changed.tag, changed.env, changed.nano_cpus,
        changed.stop_timeout })
    end
    assert.are.equal("memory 8MiB, tag taken away", text.changes({ tag = without, memory = "8MiB" }, config, kept))
    assert.are.equal("", text.changes({ tag = without }, {}, {}))
    local none, reason = require("gantry.restart.changes").apply(config, { image = without })
    assert.are.same({ nil, "image is missing" }, { none, reason })
  end)
end)
