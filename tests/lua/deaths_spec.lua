-- SPDX-License-Identifier: Apache-2.0
--
--- What the engine's events tell of ends, from an engine that is a table and says what it is told to.

local deaths = require "gantry.engine.deaths"
local records = require "gantry.engine.docker.records"
local task = require "gantry.task"

---An engine whose stream of events is the test's: open, send, close.
local function engine()
  local made = { asked = 0 }
  function made:events(which, handlers)
    self.which, self.handlers, self.asked, self.ended = which, handlers, self.asked + 1, task.event()
    if self.down then return nil, "away" end
    handlers.on_open()
    self.ended:wait()
    return true
  end
  function made:send(action, id, fields)
    fields = fields or {}
    self.handlers.on_event { kind = action, id = id, labels = {}, at = fields.at or 0,
      exit_code = math.tointeger(tonumber(fields.code)) }
  end
  return made
end

describe("the engine's events", function()
  local source, followed

  local function test(name, fn)
    it(name, function()
      task.run(function()
        source = engine()
        followed = deaths.new(source, { owner = "me" })
        local scope <close> = task.scope()
        scope:spawn(followed.run, followed)
        task.sleep(0)
        fn()
        scope:cancel()
      end)
    end)
  end

  test("tell of a pause by hand, until it is over in whichever way", function()
    local told = {}
    followed.on_pause = function(id, paused) told[#told + 1] = id .. (paused and " pauses" or " goes on") end
    assert.is_false(followed:is_paused "a")
    source:send("pause", "a")
    assert.is_true(followed:is_paused "a")
    assert.is_false(followed:is_paused "b")
    source:send("unpause", "a")
    assert.is_false(followed:is_paused "a")
    source:send("pause", "a")
    source:send("die", "a", { at = 1, code = "137" })
    assert.is_false(followed:is_paused "a")
    assert.are.same({ "a pauses", "a goes on", "a pauses" }, told)
  end)

  test("tell code, memory and time of a death", function()
    assert.are.same({ labels = { owner = "me" }, kinds = { "start", "oom", "die", "pause",
      "unpause" } }, source.which)
    source:send("start", "a", { at = 100 })
    source:send("die", "a", { at = 103.5, code = "7" })
    assert.are.same({ code = 7, oom = false, uptime = 3.5 }, followed:await("a", 1))
    source:send("oom", "b")
    source:send("die", "b", { at = 104, code = "137" })
    assert.are.same({ code = 137, oom = true }, followed:await("b", 1))
  end)

  test("are waited for, each by who wants it, and not for ever", function()
    local told, untold = task.all(function() return followed:await("a", 5) end, function()
      task.sleep(0)
      source:send("die", "b", { code = "1" })
      source:send("die", "a", { code = "2" })
      return followed:await("c", 0.01)
    end)
    assert.are.equal(2, told[1].code)
    assert.is_nil(untold[1])
  end)

  test("forget a death once the container has been started again", function()
    source:send("die", "a", { code = "1" })
    source:send("start", "a", { at = 5 })
    assert.is_nil(followed:await("a", 0.01))
  end)

  test("tell nothing while the stream is away, and follow again", function()
    source.down = true
    source.ended:set()
    assert.is_nil(followed:await("a", 60))
    assert.is_false(followed.connected)
    source.down = false
    while not followed.connected do task.sleep(0.02) end
    assert.is_true(source.asked >= 2)
    source:send("die", "a", { code = "0" })
    assert.are.equal(0, followed:await("a", 1).code)
  end)

  test("with a death that tells no code need not be waited for", function()
    source:send("die", "a")
    assert.is_nil(followed:await("a", 60)) -- it did die: nobody need wait for how
  end)

  test("are read of Docker's and Podman's, with a code that can be one", function()
    for attributes, code in pairs { [{ exitCode = "3" }] = 3, [{ containerExitCode = "4" }] = 4,
      [{ exitCode = "x" }] = false, [{ exitCode = "-1" }] = false, [{ exitCode = "99999999999" }] = false,
      [{}] = false } do
      local event = records.event { Action = "die", timeNano = 15e8, Actor = { ID = "a", Attributes = attributes } }
      assert.are.same({ "die", "a", 1.5, code }, { event.kind, event.id, event.at, event.exit_code or false })
    end
  end)

  test("keep a bounded number of containers in mind", function()
    for i = 1, 10000 do source:send("start", "id" .. i) end
    for _, kept in ipairs { followed.known, followed.order } do
      local count = 0
      for _ in pairs(kept) do count = count + 1 end
      assert.are.equal(4096, count)
    end
    source:send("die", "id10000", { code = "3" })
    assert.are.equal(3, followed:await("id10000", 1).code)
  end)
end)
