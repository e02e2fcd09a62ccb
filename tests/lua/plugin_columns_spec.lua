-- SPDX-License-Identifier: Apache-2.0
--
--- The columns of `gantry ps`: cells, and the order of rows.

local columns = require "gantry.text.plugin_columns"
local histogram = require "gantry.base.histogram"
local stats = require "gantry.plugin.stats"

local function cell(name, plugin, before)
  return columns.cell(assert(columns.find(name)), plugin, before)
end

local function plugin(name, figures, fields)
  local one = { name = name, state = "ready", generation = 1, stats = figures }
  for key, value in pairs(fields or {}) do one[key] = value end
  return one
end

describe("a column of ps", function()
  it("has a dash for what nobody told of", function()
    for _, column in ipairs(columns.all) do
      for _, one in ipairs { { name = "kv", state = "ready" }, plugin("kv", {}) } do
        assert.are.equal(column.name == "name" and "kv" or column.name == "state" and "ready" or "-",
          columns.cell(column, one), column.name)
      end
    end
  end)

  it("shows a share of one CPU: of the whole life at first, then since the last look", function()
    local first = plugin("kv", { clock = 10, cpu_seconds = 1, cpu_share = 0.05 })
    local second = plugin("kv", { clock = 12, cpu_seconds = 2.5, cpu_share = 0.06 })
    assert.are.equal("5.0%", cell("cpu", first))
    assert.are.equal("75.0%", cell("cpu", second, first))
    second.generation = 2 -- its account began anew
    assert.are.equal("6.0%", cell("cpu", second, first))
  end)

  it("shows limits, failures and causes beside what they are of", function()
    assert.are.equal("1.5MiB/64MiB", cell("memory", plugin("kv", { memory_bytes = 1572864,
      memory_limit_bytes = 64 << 20 })))
    assert.are.equal("1.5MiB", cell("memory", plugin("kv", { memory_bytes = 1572864 })))
    assert.are.equal("2ms, 3 failed", cell("health", plugin("kv", { health_seconds = 0.002, health_failures = 3 })))
    assert.are.equal("oom 5, exit 2, lost 2", cell("causes", plugin("kv", { restarts_by_cause = { exit = 2, oom = 5,
      lost = 2 } })))
  end)

  it("sorts numbers the largest first, texts by the alphabet, and nothing last", function()
    local function order(name, list, before)
      columns.sort(list, assert(columns.find(name)), before or {})
      local names = {}
      for i, one in ipairs(list) do names[i] = one.name end
      return table.concat(names, " ")
    end
    local function some()
      return { plugin("a", { memory_bytes = 1 }, { image = "z" }), plugin("b", nil, { image = "y" }),
        plugin("c", { memory_bytes = 3 }), plugin("d", { memory_bytes = 1 }, { image = "x" }), plugin("e") }
    end
    assert.are.equal("c a d b e", order("memory", some()))
    assert.are.equal("d b a c e", order("image", some()))
    assert.are.equal("a b c d e", order("name", some()))
    assert.are.equal("a b c d e", order("health", some()))
  end)

  it("is named as it is listed, or the nearest is told", function()
    assert.is_truthy(columns.parse "name,cpu, memory")
    assert.are.equal(#columns.all, #columns.parse "all")
    for _, text in ipairs { "", "name,", "memry", "name cpu", ("x"):rep(10000) } do
      local found, reason = columns.parse(text)
      assert.is_nil(found)
      assert.matches("^there is no column '", reason)
    end
    assert.matches("did you mean 'memory'", select(2, columns.find "memry"))
  end)
end)

describe("a share of the CPU", function()
  it("is only that of two readings of one account, in their order", function()
    local one, two = { clock = 1, cpu_seconds = 1 }, { clock = 3, cpu_seconds = 2 }
    assert.are.equal(0.5, stats.share(one, two))
    for _, case in ipairs { { nil, two }, { one, nil }, { two, one }, { one, one }, { { clock = 1 }, two },
      { one, { clock = 3 } }, { { clock = 1, cpu_seconds = 9 }, two } } do
      assert.is_nil(stats.share(case[1], case[2]))
    end
  end)
end)

describe("a histogram", function()
  it("counts a bound with what is below it", function()
    local one = histogram.new { 1, 2 }
    for _, value in ipairs { 0, 1, 1.5, 2, 2.5, 100 } do one:observe(value) end
    assert.are.same({ { 2, 2, 2 }, 6, 107.0 }, { one.counts, one.count, one.sum })
  end)
end)
