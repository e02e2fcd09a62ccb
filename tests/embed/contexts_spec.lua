-- SPDX-License-Identifier: Apache-2.0
--
--- Two contexts in one process, each with an engine's connection and a runtime directory of its own: their plugins are
--- launched, called and stopped at the same time, from coroutines of gantry's, of luv's and of cqueues'.

local cqueues = require "cqueues"
local gantry = require "gantry"
local support = require "engine.support"
local task = require "gantry.task"
local uv = require "luv"

describe("two contexts", function()
  local roots

  before_each(function() roots = { support.temporary(), support.temporary() } end)

  after_each(function()
    for _, root in ipairs(roots) do
      assert.are.same({}, support.containers(root))
      assert.are.same({}, support.entries(root))
      support.remove(root)
    end
  end)

  ---Waits for the other of two. `wait` and `set` are the host's or gantry's own.
  local function barrier()
    local arrived, everybody = 0, task.event()
    return function()
      arrived = arrived + 1
      if arrived == 2 then everybody:set() end
      everybody:wait()
    end
  end

  ---What each of the two does, always one step together with the other.
  local function use(number, meet)
    local engine = assert(gantry.engine(support.engine().endpoint.name))
    local plugin <close> = assert(gantry.launch(support.kv(), { engine = engine, runtime_dir = roots[number] }))
    meet()
    for round = 1, 20 do
      local value = number .. "/" .. round
      assert(plugin:call("proto.KV/Put", { key = "key", value = value }))
      assert.are.equal(value, assert(plugin:call("proto.KV/Get", { key = "key" })).value)
    end
    meet()
    assert.are.equal(0, plugin:stop().code)
  end

  it("work side by side in tasks", function()
    local first, second = barrier(), barrier()
    local function both(number)
      local met = 0
      use(number, function()
        met = met + 1
        return (met == 1 and first or second)()
      end)
    end
    task.all(function() both(1) end, function() both(2) end)
  end)

  it("work side by side in coroutines of luv", function()
    local attached = require("gantry.luv").attach()
    local left, meet = 2, barrier()
    for number = 1, 2 do
      attached:spawn(function()
        use(number, meet)
        left = left - 1
        if left == 0 then attached:detach() end
      end)
    end
    uv.run()
    assert.are.equal(0, left)
  end)

  it("work side by side in coroutines of cqueues", function()
    local controller = cqueues.new()
    local attached = require("gantry.cqueues").attach(controller)
    local left, meet = 2, barrier()
    for number = 1, 2 do
      controller:wrap(function()
        use(number, meet)
        left = left - 1
        if left == 0 then attached:detach() end
      end)
    end
    assert(controller:loop(120))
    assert.are.equal(0, left)
  end)
end)

describe("in luv", function()
  local attached

  before_each(function() attached = require("gantry.luv").attach() end)
  after_each(function()
    attached:detach()
    uv.run()
  end)

  it("calls outside of coroutines drive gantry's loop", function()
    task.sleep(0.01)
    assert.are.equal("done", task.run(function() return "done" end))
  end)

  it("an error of a coroutine that gantry resumed is raised in uv.run, with where it was raised", function()
    -- luv ends the process for an error in a callback, so this one is looked at where it is raised.
    local raised
    local resume_woken = attached.resume_woken
    function attached.resume_woken(self)
      local ok, err = pcall(resume_woken, self)
      if not ok then raised = err end
    end
    attached:spawn(function()
      local _ <close> = attached
      local _ <close> = setmetatable({}, { __close = function() task.sleep(0.001) end })
      task.sleep(0.001)
      error "on purpose"
    end)
    uv.run()
    assert.is_truthy(tostring(raised):find("on purpose\nstack traceback:", 1, true), raised)
    assert.is_true(attached.detached)
  end)

  it("a coroutine of the host's own that nobody asked about is left alone, and drives gantry's loop", function()
    local yielded = {}
    local function numbers() -- a generator, whose waits are no values of it
      return coroutine.wrap(function()
        for number = 1, 3 do
          task.sleep(0.001)
          coroutine.yield(number)
        end
      end)
    end
    attached:spawn(function()
      local _ <close> = attached
      for number in numbers() do yielded[#yielded + 1] = number end
    end)
    for number in numbers() do yielded[#yielded + 1] = number end
    uv.run()
    assert.are.same({ 1, 2, 3, 1, 2, 3 }, yielded)
  end)

  it("a coroutine that did not begin before gantry was taken out begins all the same", function()
    local began
    attached:spawn(function(value) began = value end, "value")
    attached:detach()
    uv.run()
    assert.are.equal("value", began)
    assert.has_error(function() attached:spawn(print) end, "gantry was taken out of this loop")
  end)

  it("says what it needs", function()
    assert.has_error(function() attached:spawn "no" end, "spawn needs a function, got string")
    assert.has_error(function() attached:adopt "no" end, "adopt needs a coroutine, got string")
  end)

  it("a wait in a C function is explained", function()
    local _, err = coroutine.resume(coroutine.create(function()
      attached:adopt()
      table.sort({ 1, 2 }, function() task.sleep(0) end)
    end))
    assert.is_truthy(tostring(err):find("await inside a C function", 1, true), err)
  end)

  it("a coroutine that somebody else resumes goes on waiting, and is resumed once", function()
    local log = {}
    local thread = coroutine.create(function()
      attached:adopt()
      task.sleep(0.02)
      log[#log + 1] = "slept"
      log[#log + 1] = coroutine.yield()
      attached:detach()
    end)
    coroutine.resume(thread)
    coroutine.resume(thread, "too early")
    local timer = uv.new_timer()
    timer:start(200, 0, function()
      timer:close()
      coroutine.resume(thread, "by its owner")
    end)
    uv.run()
    assert.are.same({ "slept", "by its owner" }, log)
  end)

  it("root tasks run without anybody driving", function()
    local ran
    task.spawn(function()
      task.sleep(0.001)
      ran = true
      attached:detach()
    end)
    uv.run()
    assert.is_true(ran)
  end)

  it("who waits while gantry is taken out gets an error", function()
    local err, got
    local answer = task.event()
    local thread = attached:spawn(function() err = select(2, pcall(task.sleep, 3600)) end)
    attached:spawn(function() got = answer:wait() end)
    attached:spawn(function()
      answer:set "just in time"
      attached:detach()
    end)
    uv.run()
    assert.are.equal("DETACHED", err.code)
    assert.are.equal("dead", coroutine.status(thread))
    assert.are.equal("just in time", got)
  end)

  it("detaching twice is allowed, and gantry drives again after it", function()
    attached:detach()
    attached:detach()
    local thread = coroutine.create(function()
      task.sleep(0.001)
      return "driven"
    end)
    assert.are.same({ true, "driven" }, { coroutine.resume(thread) })
  end)
end)

describe("in cqueues", function()
  it("refuses what is no controller", function()
    assert.has_error(function() require("gantry.cqueues").attach "no" end,
      "gantry.cqueues.attach needs a controller of cqueues, got string")
  end)

  it("serves the coroutines of controllers within the controller", function()
    local outer, inner = cqueues.new(), cqueues.new()
    local attached = require("gantry.cqueues").attach(outer)
    local log = {}
    inner:wrap(function()
      task.sleep(0.01)
      log[#log + 1] = "inner"
    end)
    outer:wrap(function()
      assert(inner:loop(60))
      log[#log + 1] = "outer"
      attached:detach()
    end)
    assert(outer:loop(60))
    assert.are.same({ "inner", "outer" }, log)
  end)

  it("a coroutine of a coroutine's own is left alone, and drives gantry's loop", function()
    local controller, yielded = cqueues.new(), {}
    local attached = require("gantry.cqueues").attach(controller)
    attached:spawn(function()
      local _ <close> = attached
      for number in coroutine.wrap(function()
        for number = 1, 3 do
          task.sleep(0.001)
          coroutine.yield(number)
        end
      end) do yielded[#yielded + 1] = number end
    end)
    assert(controller:loop(60))
    assert.are.same({ 1, 2, 3 }, yielded)
  end)

  it("a coroutine that fails closes what it holds, which may wait", function()
    local controller, closed = cqueues.new(), false
    local attached = require("gantry.cqueues").attach(controller)
    attached:spawn(function()
      local _ <close> = attached
      local _ <close> = setmetatable({}, { __close = function()
        task.sleep(0.001)
        closed = true
      end })
      error("on purpose", 0)
    end)
    local ok, err = controller:loop(60)
    assert.is_falsy(ok)
    assert.matches("^on purpose", err)
    assert.are.same({ true, true }, { closed, attached.detached })
    assert(controller:loop(60))
  end)

  it("an error of a task that nobody waits for is told of by the controller, and gantry is served on", function()
    local controller = cqueues.new()
    local attached = require("gantry.cqueues").attach(controller)
    local went_on
    controller:wrap(function()
      task.detach(function()
        task.sleep(0.01)
        error("boom", 0)
      end)
      cqueues.sleep(0.05)
      task.sleep(0.01)
      went_on = true
      attached:detach()
    end)
    local ok, err = controller:loop(60)
    assert.is_falsy(ok)
    assert.matches("boom", tostring(err))
    assert(controller:loop(60))
    assert.is_true(went_on)
  end)

  it("who waits while gantry is taken out gets an error", function()
    local controller = cqueues.new()
    local attached = require("gantry.cqueues").attach(controller)
    local err
    controller:wrap(function() err = select(2, pcall(task.sleep, 3600)) end)
    controller:wrap(function()
      cqueues.sleep(0.02) -- the other one waits by now
      attached:detach()
    end)
    assert(controller:loop(60))
    assert.are.equal("DETACHED", err.code)
  end)

  it("a coroutine that is thrown away while it waits takes its wait back", function()
    local controller = cqueues.new()
    local attached = require("gantry.cqueues").attach(controller)
    controller:wrap(function() task.sleep(3600) end)
    controller:step(0)
    attached:detach()
    controller:close()
    collectgarbage()
    task.sleep(0.001)
  end)
end)
