-- SPDX-License-Identifier: Apache-2.0
--
-- budget_spec.lua: calls that cannot run or grow for ever, and leave the state as it was.

local budget = require("gantry.core").budget

local MIB <const> = 1024 * 1024

local function forever()
  while true do end -- luacheck: ignore 542
end

local function grow()
  local list = {}
  repeat list[#list + 1] = { #list } until not list
end

describe("budget.call", function()
  it("gives the results of a call within its bounds", function()
    local limits = { instructions = 1000, bytes = MIB }
    local results = table.pack(budget.call(limits, function(...) return ... end, 1, nil, 3, nil))
    assert.same({ true, 1, nil, 3, nil, n = 5 }, results)
    assert.same({ true, n = 1 }, table.pack(budget.call({}, function() end)))
  end)

  it("takes many results", function()
    local list = {}
    for i = 1, 5000 do list[i] = i end
    assert.equal(5001, select("#", budget.call({}, table.unpack, list)))
  end)

  it("ends an endless loop and says where", function()
    local ok, err = budget.call({ instructions = 100000 }, forever)
    assert.is_false(ok)
    assert.equal("POLICY_BUDGET_INSTRUCTIONS", err.code)
    assert.equal("the policy ran more than 100000 instructions", err.message)
    assert.matches("budget_spec.lua:10$", err.places[1])
  end)

  it("counts small budgets as well", function()
    local function count(n)
      for _ = 1, n do end -- luacheck: ignore 542
    end
    assert.is_true((budget.call({ instructions = 100 }, count, 20)))
    assert.is_false((budget.call({ instructions = 100 }, count, 500)))
  end)

  it("cannot be outlived with pcall", function()
    local _, err = budget.call({ instructions = 100000 }, function()
      while true do pcall(forever) end
    end)
    assert.equal("POLICY_BUDGET_INSTRUCTIONS", err.code)
    _, err = budget.call({ instructions = 100000 }, function()
      pcall(pcall, pcall, forever)
      return "all is well"
    end)
    assert.equal("POLICY_BUDGET_INSTRUCTIONS", err.code)
  end)

  it("holds in coroutines", function()
    local _, err = budget.call({ instructions = 100000 }, function()
      return coroutine.resume(coroutine.create(forever))
    end)
    assert.equal("POLICY_BUDGET_INSTRUCTIONS", err.code)
    _, err = budget.call({ instructions = 100000 }, function() coroutine.wrap(pcall)(forever) end)
    assert.equal("POLICY_BUDGET_INSTRUCTIONS", err.code)
  end)

  it("holds in a coroutine of an earlier call", function()
    local kept
    assert.is_true((budget.call({ instructions = 100000 }, function()
      kept = coroutine.create(function() coroutine.yield() forever() end)
      coroutine.resume(kept)
    end)))
    local _, err = budget.call({ instructions = 100000 }, coroutine.resume, kept)
    assert.equal("POLICY_BUDGET_INSTRUCTIONS", err.code)
  end)

  it("bounds memory", function()
    local before = collectgarbage("count")
    for _, fn in ipairs { grow, function() return ("x"):rep(100 * MIB) end,
      function() return (table.concat({ ("x"):rep(MIB) }, ("y"):rep(MIB))):rep(3) end } do
      local ok, err = budget.call({ bytes = 2 * MIB }, fn)
      assert.is_false(ok)
      assert.equal("POLICY_BUDGET_MEMORY", err.code)
      assert.matches("more than 2097152 bytes", err.message)
    end
    collectgarbage()
    assert.is_true(collectgarbage("count") - before < 512)
  end)

  it("does not count garbage that can be collected", function()
    local ok, count = budget.call({ bytes = MIB }, function()
      local total = 0
      for i = 1, 200000 do total = total + #{ i } end
      return total
    end)
    assert.is_true(ok)
    assert.equal(200000, count)
  end)

  it("leaves memory that outlives the call in order", function()
    local kept = {}
    for i = 1, 50 do
      local _, list = budget.call({ bytes = MIB }, function()
        local made = {}
        for j = 1, 1000 do made[j] = { i, j } end
        return made
      end)
      kept[i] = list
      if i % 3 == 0 then kept[i - 1] = nil end
    end
    collectgarbage()
    assert.equal(1000, kept[50][1000][2])
  end)

  it("turns errors into objects, whatever was raised", function()
    local _, err = budget.call({}, error, "the reason", 0)
    assert.equal("POLICY_ERROR", err.code)
    assert.equal("the reason", tostring(err))
    for _, value in ipairs { {}, true, print } do
      _, err = budget.call({}, error, value)
      assert.equal("the policy raised a " .. type(value) .. " instead of a message", err.message)
    end
    _, err = budget.call({}, error)
    assert.equal("POLICY_ERROR", err.code)
  end)

  it("runs no method of an error value", function()
    local ran = false
    local value = setmetatable({}, { __tostring = function() ran = true return "x" end })
    budget.call({}, error, value)
    assert.is_false(ran)
  end)

  it("passes error objects on", function()
    local _, first = budget.call({}, error, "x", 0)
    local ok, err = budget.call({}, error, first)
    assert.is_false(ok)
    assert.equal(first, err)
    first.message = {}
    _, err = budget.call({}, error, first)
    assert.equal("the policy raised a table instead of a message", err.message)
  end)

  it("lets nothing yield out of it", function()
    local task = coroutine.create(function() return budget.call({}, coroutine.yield, 5) end)
    local resumed, ok, err = coroutine.resume(task)
    assert.is_true(resumed)
    assert.is_false(ok)
    assert.matches("attempt to yield", err.message)
    assert.equal("dead", coroutine.status(task))
  end)

  it("puts a hook back that was there before", function()
    local previous = table.pack(debug.gethook())
    local function hook() end
    debug.sethook(hook, "", 12345)
    budget.call({ instructions = 10000 }, forever)
    budget.call({ instructions = 10000 }, error)
    local found, mask, count = debug.gethook()
    debug.sethook(table.unpack(previous, 1, previous.n))
    assert.equal(hook, found)
    assert.equal("", mask)
    assert.equal(12345, count)
    assert.is_true(#("x"):rep(64 * MIB) == 64 * MIB)
  end)

  it("raises on misuse and changes nothing", function()
    local wrong = { { instructions = 0 }, { bytes = -1 }, { bytes = 1.5 } }
    for _, limits in ipairs(wrong) do
      assert.has_error(function() budget.call(limits, print) end)
    end
    assert.has_error(function() budget.call({}, nil) end)
    assert.has_error(function() budget.call(nil, print) end)
    assert.is_false((budget.call({}, budget.call, {}, print))) -- calls do not nest
    assert.is_true(budget.call({}, function() return true end))
  end)
end)
