-- SPDX-License-Identifier: Apache-2.0
--
--- A walk through every request that gantry makes of the engine, each answered in every wrong way that fault_proxy.lua
--- has: the outcome is one clear error or recovery; no trace, no hang, nothing left behind, and no running plugin is
--- removed. GANTRY_FULL_WALK=1 walks it all; otherwise a sample of it.

local core = require "gantry.core"
local support = require "engine.support"
local supervision = require "engine.supervision"
local task = require "gantry.task"

local FULL <const> = os.getenv "GANTRY_FULL_WALK" == "1"
local FAULTS <const> = {
  "500", "cut in the head", "cut in the body", "twice", "garbage", "garbage for JSON", "array", "null", "a text",
  "odd items", "numbers", "a path for an id", "endless", "drop", "lose", "hang",
}
-- In which something was found once: walked each time.
local FOUND <const> = { ["5 cut in the body"] = true }
-- More than a launch and a stop take, and than `up` makes until it rests.
local MOST_REQUESTS <const> = 40
-- Seconds; a removal that is never answered takes as long as the longest timeout, and then the next attempt.
local TIMEOUT <const> = 200

describe("with an engine that answers wrongly once,", function()
  local place, proxy

  before_each(function() place = supervision.place() end)
  after_each(function()
    task.run(function()
      if proxy then proxy.process:close() end
      proxy = nil
      place:close()
    end)
  end)

  ---Stands in front of the engine.
  local function proxy_for(number, fault)
    os.remove(place:engine_socket())
    local ready = task.event()
    local one = { said = "" }
    one.process = assert(core.process.spawn(task.loop(), { "lua5.4",
      support.source .. "/tests/engine/fault_proxy.lua", place:engine_socket(), support.engine().endpoint.unix_socket,
      "#" .. number, fault, input = "null", output = "pipe", error = "inherit",
      on_output = function(_, bytes)
        one.said = one.said .. bytes
        ready:set()
      end, on_exit = function() end }))
    ready:wait()
    if proxy then proxy.process:close() end
    proxy = one
  end

  ---@return string? request that was broken
  local function broken()
    return proxy.said:match "request %d+ ([^\n]*)\nbroken\n"
  end

  ---What nobody is to read.
  local function check_text(where, text)
    for _, sign in ipairs { "stack traceback", "fault of gantry", "attempt to", "%.lua:%d+:", "bad argument" } do
      assert.is_nil(text:find(sign), where .. ": " .. text)
    end
  end

  ---Which requests are broken in which way. Each fault once, and each request now and then, make the sample.
  ---@param step integer of the sample
  local function each_case(step, try)
    local beyond, count = MOST_REQUESTS, 0
    for number = 1, MOST_REQUESTS do
      for i, fault in ipairs(FAULTS) do
        local chosen = (number * 7 + i * 5) % step == 0 and fault ~= "hang" or FOUND[number .. " " .. fault]
        if number < beyond and (FULL or chosen) then
          count = count + 1
          if not try(number, fault) then beyond = number end
        end
      end
    end
    assert.is_true(count > 0)
  end

  ---Runs a plugin until it is ready, and stops it.
  ---@return boolean broken
  local function try_run(number, fault)
    proxy_for(number, fault)
    local policy = support.write(place.root .. "/kv.lua", support.policy_text "name = 'kv', start_timeout = 5,")
    local one = support.command({ "run", policy, "--engine", "unix://" .. place:engine_socket() }, place:options())
    task.deadline(TIMEOUT, function()
      while not one.exit and not one.stdout:find "\n" do one.changed:wait() end
    end)
    one:kill "TERM"
    local ended = task.deadline(TIMEOUT, one.wait, one)
    local request = broken()
    local where = ("request %d (%s), %s"):format(number, request, fault)
    if not ended then one:kill "KILL" end
    assert(ended, where .. " hangs: " .. one.stderr)
    check_text(where, one.stderr)
    assert.is_nil(ended.signal, where)
    local why = one.stderr:find "gantry: " or one.stderr:find "; it runs on)\n"
    assert.is_true(ended.code == 0 or why ~= nil, where .. ": " .. one.stderr)
    local said_so = one.stderr:find("left on the engine", 1, true) or one.stderr:find("gantry gc", 1, true)
    local left = place:containers()
    assert.is_true(#left == 0 or said_so ~= nil, where .. ", a container is left without a word: " .. one.stderr)
    for _, container in ipairs(left) do assert(support.engine():remove(container.id)) end
    if #left == 0 then assert.are.same({}, support.entries(place.runtime_dir), where .. one.stderr) end
    return request ~= nil
  end

  it("gantry run ends with one error, or well, and leaves nothing", function()
    task.run(each_case, 13, try_run)
  end)

  ---@return support.Command
  local function start_up(number, fault)
    proxy_for(number, fault)
    return place:start_up(nil, { "--engine", "unix://" .. place:engine_socket() })
  end

  ---Starts it with an engine in order, and waits until it serves.
  ---@return support.Command
  local function start_well()
    local up = start_up(MOST_REQUESTS, "drop")
    up:await("stderr", "supervises")
    return up
  end

  ---Whether the supervisor ended at once with one error: what it asks an engine first tells whether there is one.
  ---@param sign string of its standard error, where it goes on
  ---@return boolean
  local function refused(up, sign, number, fault)
    task.deadline(TIMEOUT, function()
      while not up.exit and not up.stderr:find(sign, 1, true) do up.changed:wait() end
    end)
    if not up.exit then return false end
    local where = ("request %d (%s), %s: %s"):format(number, broken(), fault, up.stderr)
    check_text(where, up.stderr)
    assert.is_truthy(up.exit.code and up.exit.code > 0 and up.stderr:find "gantry: ", where)
    return true
  end

  ---@return boolean broken
  local function try_up(number, fault)
    place:policy("kv", "start_timeout = 5, restart = function() return 'restart', { after = 0 } end,")
    local up = start_up(number, fault)
    if refused(up, "kv: ready: ", number, fault) then
      assert.are.same({}, place:containers())
      return true
    end
    local first = place:await_state("kv", "ready")
    assert(support.engine():kill(first.container, "KILL"))
    local where = ("request %d, %s"):format(number, fault)
    support.eventually(where .. ": a new generation is ready", function()
      local one = place:plugin "kv"
      return one.state == "ready" and one.container ~= first.container
    end, TIMEOUT)
    check_text(where, up.stderr)
    support.eventually(where .. ": one container is left", function() return #place:containers() == 1 end, TIMEOUT)
    assert.are.equal(0, place:run("down").code)
    up:wait()
    return broken() ~= nil
  end

  ---What a supervisor that was killed had running is taken over, as it is.
  local function try_adoption(up, number, fault)
    local before = place:await_state("kv", "ready")
    up:kill "KILL"
    up:wait()
    up = start_up(number, fault)
    local was_refused = refused(up, "kv: adopt: ", number, fault)
    local hit = broken() ~= nil
    if was_refused then up = start_well() end
    local after = place:await_state("kv", "ready")
    local where = ("request %d, %s"):format(number, fault)
    check_text(where, up.stderr)
    assert.are.same({ before.container, before.generation }, { after.container, after.generation },
      where .. ": " .. up.stderr)
    up:kill "KILL"
    up:wait()
    return hit
  end

  it("gantry up comes to have its plugin ready, and again after a crash", function()
    task.run(each_case, 67, try_up)
  end)

  it("gantry up takes over what runs", function()
    task.run(function()
      place:policy "kv"
      local up = start_well()
      place:await_state("kv", "ready")
      each_case(53, function(number, fault)
        local hit = try_adoption(up, number, fault)
        up = start_well()
        return hit
      end)
    end)
  end)
end)
