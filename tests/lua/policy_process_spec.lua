-- SPDX-License-Identifier: Apache-2.0
--
--- Policies of a supervisor, evaluated in a process of their own: hostile ones cost their own decision and no more.

local core = require "gantry.core"
local data = require "gantry.policy.data"
local policies = require "gantry.supervisor.policies"
local restart_asker = require "gantry.restart.asker"
local decider = require "gantry.restart.decider"
local task = require "gantry.task"

local folder, set

local function write(name, text)
  local path = folder .. "/" .. name
  local file <close> = assert(io.open(path, "w"))
  file:write(text)
  file:close()
  assert(os.execute(("chmod 644 '%s'"):format(path)))
end

local function open_set()
  set = policies.new(folder, { engine = function() return { describe = function() return { runtimes = {} } end } end })
  return set
end

---@param policy gantry.RemotePolicy
---@param exit table?
local function decide(policy, exit)
  local state = decider.new_state()
  decider.started(state, 1)
  decider.ready(state, 1)
  return decider.decide(restart_asker.of_policy(policy), state, exit or { cause = "exit", code = 1 }, 3), state
end

---Runs a function as a task; a timer of the loop has to fire all the while.
---@return integer ticks
local function beside_a_timer(fn)
  local ticks = 0
  task.run(function()
    task.first(fn, function()
      while true do
        task.sleep(0.05)
        ticks = ticks + 1
      end
    end)
  end)
  return ticks
end

before_each(function()
  folder = ("%s/gantry-test-%s"):format(os.getenv "TMPDIR" or "/tmp", core.system.random(4))
  assert(core.files.make_directory(folder))
end)

after_each(function()
  if set then set:close() end
  set = nil
  assert(os.execute("rm -rf " .. folder))
end)

describe("data between two processes", function()
  it("comes out as it went in, equal data in equal bytes", function()
    local value = { 1, 2.0, 1 << 63, -0.5, "text\0\xff", true, { [2] = "fail", name = { {} } }, [-3] = math.huge }
    local bytes = assert(data.encode(value))
    local back = assert(data.decode(bytes))
    assert.are.same(value, back)
    assert.are.equal("float", math.type(back[2]))
    assert.are.equal(data.encode { a = 1, b = 2, c = 3 }, data.encode { c = 3, b = 2, a = 1 })
  end)

  it("is refused in one piece where it is none", function()
    local endless = {}
    endless[1] = endless
    for _, value in ipairs { endless, print, coroutine.create(print), { [print] = 1 } } do
      local bytes, reason = data.encode(value)
      assert.is_nil(bytes)
      assert.is_string(reason)
    end
    local bytes = assert(data.encode { a = { 1, "x", 2.5 }, b = true })
    for cut = 0, #bytes - 1 do assert.is_string(select(2, data.decode(bytes:sub(1, cut)))) end
    for _, text in ipairs { "T\xff\xff\xff\xff", "s\xff\xff\xff\xffx", "F\1\0\0\0", "?", bytes .. "n", "T\1\0\0\0ni",
      ("T\1\0\0\0t"):rep(1000) } do
      assert.is_string(select(2, data.decode(text)))
    end
  end)

  it("runs no method of a table", function()
    local ran = false
    local function run() ran = true end
    local value = setmetatable({ 1 }, { __pairs = run, __index = run, __len = run, __tostring = run, __gc = run })
    assert.is_string(data.encode(value))
    assert.is_false(ran)
  end)
end)

describe("a supervisor's policies", function()
  it("are loaded, asked and remembered in another process", function()
    write("lib.lua", "return { image = 'x', memory = '64MiB' }")
    write("a.lua", [[
local gantry, restart = require "gantry", require "gantry.restart"
return gantry.extend(require "lib", {
  restart = restart.first_of(restart.on_code { [3] = "fail" }, function(exit, history)
    history.state.n = (history.state.n or 0) + 1
    return "restart", { after = history.state.n, memory = "128MiB",
      reason = ("seen %d of %s"):format(history.within "1m", history.config.image) }
  end),
  on_exit = function(exit, decision) return { "/bin/echo", exit.cause, decision.action } end,
})]])
    write("b.lua", "return function(ctx) return { image = ctx.verb, name = ctx.name .. '-2', restart = 'never' } end")
    task.run(function()
      local found = assert(open_set():scan())
      assert.are.same({}, found.broken)
      local policy = found.set.a
      assert.are.equal(67108864, policy.config.memory)
      assert.are.equal("up", found.set["b-2"].config.image)
      local decision, state = decide(policy)
      assert.are.same({ "restart", 1, "seen 0 of x", "a.lua:3" }, { decision.action, decision.delay, decision.reason,
        decision.place })
      assert.are.same({ n = 1 }, state.memory)
      assert.are.same({ memory = "128MiB" }, state.changes)
      assert.are.equal("fail", decide(policy, { cause = "exit", code = 3 }).action)
      assert.are.same({ "/bin/echo", "oom", "restart" },
        policy:command(policy.config.on_exit, { cause = "oom" }, { action = "restart" }))
    end)
  end)

  it("are what they were, in a process that is started again, although their files have changed", function()
    write("lib.lua", "return 'the old one'")
    write("a.lua", "local text = require 'lib'\nreturn { image = 'x',\n  restart = function() return 'fail', "
      .. "{ reason = text } end }")
    task.run(function()
      local policy = assert(open_set():scan()).set.a
      write("lib.lua", "return 'the new one'")
      os.remove(folder .. "/a.lua")
      for _ = 1, 3 do
        assert.are.equal("the old one", decide(policy).reason)
        local process = set.evaluator.child.process
        process:signal "KILL"
      end
    end)
  end)

  it("take effect as soon as any file that one needs is repaired, and only those that need it", function()
    write("kv.lua", "return (require 'gantry').extend(require 'lib.common', { tag = '1' })")
    write("other.lua", "return { image = 'x' }")
    task.run(function()
      local found = assert(open_set():scan())
      assert.are.equal(1, #found.broken)
      local other = found.set.other
      assert.are.same({}, assert(set:scan()).broken) -- told once
      assert(core.files.make_directory(folder .. "/lib"))
      write("lib/common.lua", "return { image = 'x' memory = '64MiB' }")
      found = assert(set:scan())
      assert.is_truthy(found.broken[1].errors[1].message:find("lib/common.lua:1", 1, true))
      write("lib/common.lua", "return { image = 'x', memory = '64MiB' }")
      found = assert(set:scan())
      assert.are.equal(67108864, found.set.kv.config.memory)
      write("lib/common.lua", "return { image = 'x', memory = 128MiB }")
      assert.are.equal("kv", assert(set:scan()).broken[1].name)
      write("lib/common.lua", "return { image = 'x', memory = '128MiB' }")
      found = assert(set:scan())
      assert.are.equal(134217728, found.set.kv.config.memory)
      assert.are.equal(other, found.set.other)
      assert.are.same({}, set:findings())
    end)
  end)

  it("are loaded one after the other, whoever asks at the same time", function()
    for i = 1, 5 do write(("p%d.lua"):format(i), "return { image = 'x' }") end
    task.run(function()
      open_set()
      local left, right = task.all(function() return set:scan() end, function() return set:scan() end)
      for i = 1, 5 do
        local name = ("p%d"):format(i)
        assert.are.equal(left[1].set[name], right[1].set[name])
      end
    end)
  end)

  it("are given up with whoever asked: the next one gets its own answer", function()
    write("slow.lua", "return { image = 'x', restart = function() string.rep('', 1 << 62) end }")
    write("good.lua", "return { image = 'x', restart = function() return 'fail' end }")
    task.run(function()
      local found = assert(open_set():scan())
      task.deadline(0.1, decide, found.set.slow)
      assert.are.equal("fail", decide(found.set.good).action)
    end)
  end)
end)

describe("a hostile restart function", function()
  local HANG = {
    ["repeats nothing for ever"] = 'string.rep("", "9223372036854775807")',
    ["has a pattern that goes back and back"] = '(("a"):rep(60)):find(("a?"):rep(60) .. ("a"):rep(60) .. "b")',
    ["has long sets of characters"] = 'local s = "[" .. ("x-y"):rep(2e5) .. "]"\n(("a"):rep(2e5)):find(s .. "b")',
    ["sorts what is slow to compare"] = 'local t, p = {}, ("a"):rep(1e6)\nfor i = 1, 60 do t[i] = p .. i end\n'
      .. 'for _ = 1, 1000 do table.sort(t, function(a, b) return a > b end) end',
    ["moves more than there is"] = "table.move({}, 1, 1 << 62, 2)",
  }
  local REFUSED = {
    ["loops"] = "while true do end",
    ["loops in coroutines"] = "while true do coroutine.wrap(function() for _ = 1, 500 do end end)() end",
    ["loops behind pcall"] = "while true do pcall(function() while true do end end) end",
    ["takes all memory"] = 'local s = "x" while true do s = s .. s end',
    ["takes all memory, in many pieces, behind pcall"] =
      'local t = {} while true do pcall(function() t[#t + 1] = ("x"):rep(1e6) end) end',
    ["calls itself"] = "local function f() return 1 + f() end f()",
    ["compiles long chains"] = 'load("return " .. ("-"):rep(1e6) .. "1")() load("return " .. ("a."):rep(1e5) .. "b")()',
    ["raises what hides in an error"] = 'local _, err = pcall(require, "broken")\nerr.places = setmetatable({}, '
      .. '{ __index = function() while true do end end })\nerror(err)',
    ["raises a table"] = "error(setmetatable({}, { __tostring = function() while true do end end }))",
    ["answers with a table that never ends"] = 'return "restart", setmetatable({}, { __pairs = function() '
      .. "return function(_, i) return (i or 0) + 1, {} end end })",
    ["closes for ever"] = "local x <close> = setmetatable({}, { __close = function() while true do end end })",
    ["answers with a function"] = 'return function() end',
    ["keeps what nobody can keep"] = "history.state = setmetatable({}, { __index = function() end, __pairs = "
      .. "function() error(setmetatable({}, {})) end }) return 'restart'",
    ["keeps a number that is none"] = "history.state.n = 0 / 0 return 'restart'",
    ["keeps too much"] = "history.state.n = ('x'):rep(1e6) return 'restart'",
  }

  local function policy_with(statement)
    return ("return { image = 'x',\n restart = function(exit, history)\n  %s\n end }"):format(statement)
  end

  it("gets the default, named by file and line, and holds up nobody but those who ask after it", function()
    local count, decisions = 0, {}
    for _, kinds in ipairs { HANG, REFUSED } do
      for _, statement in pairs(kinds) do
        count = count + 1
        write(("h%d.lua"):format(count), policy_with(statement))
        decisions[count] = { statement = statement }
      end
    end
    write("broken.txt", "")
    write("good.lua", policy_with "return 'fail', { reason = 'as it should' }")
    local ticks = beside_a_timer(function()
      local found = assert(open_set():scan())
      set.evaluator.options.seconds = 0.5
      for i, one in ipairs(decisions) do
        one.decision, one.state = decide(found.set["h" .. i])
        one.good = decide(found.set.good)
      end
    end)
    for i, one in ipairs(decisions) do
      assert.are.equal("restart", one.decision.action, one.statement)
      assert.is_truthy(one.decision.fault, one.statement)
      assert.is_truthy(one.decision.reason:find(("h%d.lua"):format(i), 1, true), one.decision.reason)
      assert.is_truthy(one.decision.reason:find "h%d+%.lua:%d", one.decision.reason)
      assert.are.same({}, one.state.memory, one.statement)
      assert.are.equal("as it should", one.good.reason, one.statement)
    end
    assert.is_true(ticks >= 10, ticks)
  end)

  it("that only just stays within its bounds, call for call, starves nobody", function()
    write("hoard.lua", "local kept = {}\n"
      .. policy_with "kept[#kept + 1] = ('x'):rep(3e6) .. #kept return 'fail', { reason = tostring(#kept) }")
    write("good.lua", policy_with "return 'fail', { reason = 'as it should' }")
    task.run(function()
      local found = assert(open_set():scan())
      for _ = 1, 60 do
        assert.is_nil(decide(found.set.hoard).fault)
        assert.are.equal("as it should", decide(found.set.good).reason)
      end
    end)
  end)

  it("keeps integers of any size, or is told that it cannot", function()
    write("a.lua", policy_with "history.state.n = history.state.n or (1 << 63) return 'restart'")
    task.run(function()
      local _, state = decide(assert(open_set():scan()).set.a)
      assert.is_string(require("gantry.json").encode(state.memory))
    end)
  end)

  it("changes nothing of the end that it is told of", function()
    write("a.lua", "return { image = 'x', restart = function(exit) exit.cause = setmetatable({}, {}) exit.code = nil "
      .. "return 'fail' end,\n on_exit = function(exit) exit.signal = setmetatable({}, { __tostring = function() "
      .. "while true do end end }) exit.cause = exit return { '/bin/true' } end }")
    task.run(function()
      local policy = assert(open_set():scan()).set.a
      local exit = { cause = "exit", code = 1 }
      decide(policy, exit)
      assert.are.same({ "/bin/true" }, policy:command(policy.config.on_exit, exit, { action = "fail" }))
      assert.are.same({ cause = "exit", code = 1 }, exit)
    end)
  end)
end)

describe("the command after an end", function()
  it("is asked for in that process, about a copy of the end, and waited for by nobody", function()
    write("a.lua", "return { image = 'x', on_exit = function(exit) exit.signal = setmetatable({}, { __tostring = "
      .. "function() while true do end end }) return { '/usr/bin/touch', '" .. folder .. "/done' } end }")
    write("b.lua", "return { image = 'x', on_exit = function() string.rep('', 1 << 62) end }")
    local hook = require "gantry.supervisor.hook"
    local notes = {}
    local ticks = beside_a_timer(function()
      local found = assert(open_set():scan())
      local scope <close> = task.scope()
      local exit = { cause = "exit", code = 1 }
      for _, name in ipairs { "b", "a" } do
        local policy = found.set[name]
        hook.after({ name = name, policy = policy, config = policy.config, supervisor = { scope = scope },
          note = function(_, kind, text) notes[#notes + 1] = kind .. ": " .. text end }, exit, { action = "stop" })
      end
      assert.are.same({ cause = "exit", code = 1 }, exit)
      scope:wait()
    end)
    assert.is_true(ticks >= 5, ticks)
    assert.are.equal(1, #notes)
    assert.is_truthy(notes[1]:find("warning: on_exit: b.lua:1: ", 1, true), notes[1])
    assert.is_table(core.system.stat(folder .. "/done"))
  end)
end)

describe("what a policy prints", function()
  local printed

  before_each(function()
    printed = {}
    set = policies.new(folder, { engine = function()
      return { describe = function() return { kind = "docker", runtimes = {} } end }
    end, print = function(path, text) printed[#printed + 1] = path:match "[^/]*$" .. ": " .. text end })
  end)

  it("is handed on once, also where it is read again for the engine, and where its functions are asked", function()
    write("a.lua", "print('read', 1, nil)\nreturn function(ctx) print(ctx.engine.kind) return { image = 'x',\n"
      .. "restart = function(exit) print(exit.cause) return 'stop' end } end")
    task.run(function()
      local found = assert(set:scan())
      assert.are.same({ "a.lua: read\t1\tnil", "a.lua: docker" }, printed)
      decide(found.set.a)
      assert.are.equal("a.lua: exit", printed[3])
    end)
  end)

  it("is there of a policy that is broken", function()
    write("a.lua", "print 'so far'\nreturn nil")
    task.run(function() assert(set:scan()) end)
    assert.are.same({ "a.lua: so far" }, printed)
  end)

  it("has an end, and harms nobody", function()
    write("a.lua", "for i = 1, 2000 do print(i, ('x'):rep(5000)) end\nreturn { image = 'x' }")
    write("b.lua", "print('\\0\\xff')\nreturn { image = 'x' }")
    task.run(function()
      local found = assert(set:scan())
      assert.are.same({}, found.broken)
      assert.is_table(found.set.a)
    end)
    assert.are.equal(101, #printed)
    assert.are.equal("a.lua: what it prints beyond this is left out", printed[100])
    assert.are.equal("b.lua: \0\xff", printed[101])
    assert.is_true(#printed[1] < 1100)
  end)
end)

describe("a hostile policy", function()
  it("that hangs while it is loaded is told of once, and the others are loaded", function()
    write("a.lua", "print(('x'):rep(1e5))\nstring.rep('', 1 << 62)\nreturn { image = 'x' }")
    write("b.lua", "return { image = 'x' }")
    local ticks = beside_a_timer(function()
      local found = assert(open_set():scan())
      assert.is_table(found.set.b)
      assert.are.equal("POLICY_TIMEOUT", found.broken[1].errors[1].code)
      assert.is_truthy(found.broken[1].errors[1].message:find("a.lua", 1, true))
      assert.are.same({}, assert(set:scan()).broken)
      write("a.lua", "return { image = 'x' }")
      assert.is_table(assert(set:scan()).set.a)
    end)
    assert.is_true(ticks >= 10, ticks)
  end)

  it("may give fields of any kind: one message each", function()
    local values = { "coroutine.create(print)", "print", "1 << 63", "0 / 0", "io.open('/proc/version')",
      "('x'):rep(1e5)", "{ {}, x = 1 }", "setmetatable({}, { __index = function() while true do end end })" }
    for i, value in ipairs(values) do
      write(("v%d.lua"):format(i), ("return { image = 'x', env = { A = %s } }"):format(value))
      write(("w%d.lua"):format(i), ("return { image = 'x', restart = %s, on_exit = %s }"):format(value, value))
    end
    task.run(function()
      local found = assert(open_set():scan())
      for _, one in ipairs(found.broken) do
        for _, err in ipairs(one.errors) do assert.is_string(err.message) end
      end
      for _, policy in pairs(found.set) do assert.is_string(policies.digest(policy.config)) end
    end)
  end)
end)
