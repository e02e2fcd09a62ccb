-- SPDX-License-Identifier: Apache-2.0
--
-- config_spec.lua: validation as a whole, its findings, and gantry.extend.

local config = require "gantry.config"
local errors = require "gantry.base.errors"

describe("config.validate", function()
  it("leaves the table alone and gives a plain copy", function()
    local function make()
      return { image = "kv", env = { A = "1" }, memory = "64MiB", args = { "a" },
        endpoints_config = { n = { Links = { "x" } } } }
    end
    local given = make()
    local found = assert(config.validate(given))
    assert.same(make(), given)
    assert.is_nil(getmetatable(found))
    found.args[1], found.endpoints_config.n.Links[1] = "b", "y"
    assert.equal("a", given.args[1])
    assert.equal("x", given.endpoints_config.n.Links[1])
  end)

  it("takes the name from the config, else from the origin, else from the image", function()
    assert.equal("a", config.validate({ name = "a", image = "x/c" }, { name = "b" }).name)
    assert.equal("b", config.validate({ image = "x/c" }, { name = "b" }).name)
    assert.equal("c", config.validate({ image = "x/c:1" }).name)
  end)

  it("gives all findings, as error objects", function()
    local found, errs = config.validate { memmory = 1, tag = "1", sha256 = "12" }
    assert.is_nil(found)
    assert.equal(3, #errs)
    for _, err in ipairs(errs) do
      assert.is_true(errors.is(err))
      assert.equal("CONFIG_INVALID", err.code)
    end
    assert.equal("image is missing", errs[1].message)
    assert.equal("image", errs[1].field)
    assert.equal("sha256 must be 64 hex digits, got 2", errs[2].message)
    assert.equal("unknown field 'memmory'; did you mean 'memory'?", errs[3].message)
    assert.is_nil(errs[3].file)
  end)

  it("says where, by line", function()
    local lines = { image = 9, ["mounts[1].source"] = 3 }
    local _, errs = config.validate({ image = "", mounts = { { source = "a", target = "/a" } } }, {
      locate = function(at) return "policies/kv.lua", lines[at] end,
    })
    assert.equal("policies/kv.lua:3: mounts[1].source must be an absolute path, got 'a'", errs[1].message)
    assert.equal("policies/kv.lua", errs[1].file)
    assert.equal(3, errs[1].line)
    assert.equal("mounts[1].source", errs[1].field)
    assert.equal("policies/kv.lua:9: image must not be empty", errs[2].message)
  end)

  it("suggests by spelling, case and the names of other tools, and nothing far away", function()
    local expected = {
      GroupAdd = "; did you mean 'group_add'?", memroy = "; did you mean 'memory'?",
      command = "; did you mean 'entrypoint'?", cgroupParent = "; did you mean 'cgroup_parent'?",
      environment = "; did you mean 'env'?", zebra = "",
    }
    for name, hint in pairs(expected) do
      local _, errs = config.validate { image = "kv", [name] = 1 }
      assert.equal(("unknown field '%s'%s"):format(name, hint), errs[1].message)
    end
  end)

  it("shows values short and on one line", function()
    local hostile = ("x"):rep(50) .. "\n\27[31m" .. ("x"):rep(200)
    local _, errs = config.validate { image = "kv", runtime = { 1 }, working_dir = hostile, user = "a\0b" }
    for _, err in ipairs(errs) do
      assert.is_nil(err.message:find("%c"))
      assert.is_true(#err.message < 150)
    end
    assert.equal(3, #errs)
  end)

  it("raises where it is not given a table", function()
    assert.has_error(function() config.validate(5) end, "config.validate: the fields must be a table, got number")
  end)
end)

describe("gantry.extend", function()
  it("merges maps deeply and replaces lists", function()
    local base = { memory = "1GiB", labels = { a = "1", b = "2" }, args = { "x", "y" }, deep = { er = { one = 1 } } }
    local changes = { labels = { b = "3", c = "4" }, args = { "z" }, deep = { er = { two = 2 } }, image = "kv" }
    assert.same({
      memory = "1GiB", labels = { a = "1", b = "3", c = "4" }, args = { "z" }, deep = { er = { one = 1, two = 2 } },
      image = "kv",
    }, config.extend(base, changes))
  end)

  it("changes neither argument, and shares nothing with them", function()
    local base, changes = { labels = { a = "1" }, args = { "x" } }, { labels = { b = "2" }, env = { A = "1" } }
    local result = config.extend(base, changes)
    result.labels.a, result.args[1], result.env.A = "9", "9", "9"
    assert.same({ labels = { a = "1" }, args = { "x" } }, base)
    assert.same({ labels = { b = "2" }, env = { A = "1" } }, changes)
  end)

  it("takes an empty table as an empty list where the base has a list", function()
    assert.same({ args = {} }, config.extend({ args = { "x" } }, { args = {} }))
    assert.same({ labels = { a = "1" } }, config.extend({ labels = { a = "1" } }, { labels = {} }))
  end)

  it("replaces where the shapes differ", function()
    assert.same({ user = 5 }, config.extend({ user = { 1 } }, { user = 5 }))
    assert.same({ debug = false }, config.extend({ debug = true }, { debug = false }))
  end)

  it("merges environments by variable, whichever way each is written", function()
    local map, list = { A = "2", B = "3" }, { "A=2", "B=3" }
    for _, base in ipairs { map, list } do
      for _, changes in ipairs { { A = "1" }, { "A=1" } } do
        assert.same({ env = { A = "1", B = "3" } }, config.extend({ env = base }, { env = changes }))
      end
    end
    assert.same({ env = { A = "2", B = "3" } }, config.extend({ env = map }, { env = {} }))
    for _, wrong in ipairs { 5, { "A" }, { 5 }, { "A=1", "A=2" } } do -- for the schema to tell of
      assert.same({ env = wrong }, config.extend({ env = map }, { env = wrong }))
    end
  end)

  it("replaces a strategy whole", function()
    local restart = require("gantry.restart")
    local window = restart.window { max = 5, per = "10m" }
    assert.same({ restart = window }, config.extend({ restart = restart.backoff { max = "1m" } }, { restart = window }))
    local first = restart.first_of(restart.on_code { [2] = "fail" }, restart.backoff {})
    assert.same({ restart = first }, config.extend({ restart = window }, { restart = first }))
    assert.same({ restart = restart.on_code { [3] = "fail" } },
      config.extend({ restart = restart.on_code { [2] = "fail" } }, { restart = restart.on_code { [3] = "fail" } }))
  end)

  it("extends a policy that is a function", function()
    local function base(ctx) return { runtime = ctx.wanted, labels = { a = "1" } } end
    local extended = config.extend(base, { labels = { b = "2" } })
    assert.same({ runtime = "runsc", labels = { a = "1", b = "2" } }, extended { wanted = "runsc" })
  end)

  it("raises at the caller's line on anything else", function()
    local ok, message = pcall(function() config.extend(nil, {}) end)
    assert.is_false(ok)
    assert.matches("config_spec.lua:%d+: gantry.extend: the base must be a table, got nil", message)
  end)
end)
