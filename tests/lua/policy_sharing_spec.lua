-- SPDX-License-Identifier: Apache-2.0
--
-- policy_sharing_spec.lua: policies that are built on others: which files are bases, what is put over what, and which
-- policies an edit concerns.

local config = require "gantry.config"
local core = require "gantry.core"
local policy = require "gantry.policy"
local policies = require "gantry.supervisor.policies"
local task = require "gantry.task"

local EXECUTABLE <const> = os.getenv "GANTRY" or "build/gantry"
local folder, set

local function shell(text, ...)
  local pipe <close> = assert(io.popen(text:format(...)))
  return (pipe:read "a":gsub("\n$", ""))
end

local function write(name, text)
  local path = folder .. "/" .. name
  local file <close> = assert(io.open(path, "w"))
  file:write(text)
  file:close()
  assert(os.execute(("chmod 644 '%s'"):format(path)))
  return path
end

---@return gantry.PolicyChanges
local function scan()
  return assert(set:scan())
end

---@param changes gantry.PolicyChanges
---@return string names of the files that are told of
local function told(changes)
  local names = {}
  for i, one in ipairs(changes.broken) do names[i] = one.path:match "[^/]*$" end
  return table.concat(names, " ")
end

before_each(function()
  folder = ("%s/gantry-test-%s"):format(os.getenv "TMPDIR" or "/tmp", core.system.random(4))
  assert(core.files.make_directory(folder .. "/policies"))
  set = policies.new(folder .. "/policies", { engine = { describe = function() return { runtimes = {} } end } })
end)

after_each(function()
  set:close()
  assert(os.execute("rm -rf " .. folder))
end)

local EXTENDS <const> = 'return require "gantry".extend(require "%s", { image = "x" })'

describe("a base", function()
  it("is a file without an image that another builds on, and is not told of", function()
    write("policies/base.lua", "return { memory = '64MiB' }")
    write("policies/kv.lua", EXTENDS:format "base")
    write("policies/maker.lua", "return function(options) return { image = assert(options.it) } end")
    write("policies/made.lua", 'return require "maker" { it = "x" }')
    write("policies/tools.lua", "return { double = function(n) return 2 * n end }")
    write("policies/uses.lua", 'return { image = "x", pids_limit = require "tools".double(8) }')
    write("policies/lonely.lua", "return { memory = '64MiB' }")
    task.run(function()
      local found = scan()
      assert.equal("lonely.lua", told(found))
      assert.equal(1, #set:findings())
      assert.same({ "kv", "made", "uses" }, (function()
        local names = {}
        for name in pairs(found.set) do names[#names + 1] = name end
        table.sort(names)
        return names
      end)())
      assert.equal("", told(scan()))
    end)
  end)

  it("that nobody builds on any more is told of, and one that is built on again is not", function()
    write("policies/base.lua", "return { memory = '64MiB' }")
    write("policies/kv.lua", EXTENDS:format "base")
    task.run(function()
      assert.equal("", told(scan()))
      write("policies/kv.lua", "return { image = 'x' }")
      assert.equal("base.lua", told(scan()))
      write("policies/kv.lua", EXTENDS:format "base")
      assert.equal("", told(scan()))
      assert.same({}, set:findings())
    end)
  end)

  it("is no policy that lost its image, nor a file that is no Lua", function()
    write("policies/base.lua", "return { image = 'y' }")
    write("policies/kv.lua", EXTENDS:format "base")
    task.run(function()
      assert.equal("", told(scan()))
      write("policies/base.lua", "return { memory = '64MiB' }")
      local found = scan()
      assert.equal("base.lua", told(found))
      assert.is_truthy(found.set.base)
      write("policies/base.lua", "return {")
      assert.equal("base.lua kv.lua", told(scan()))
    end)
  end)

  it("is said to be one by `gantry check`, with or without what builds on it", function()
    local base = write("policies/base.lua", "return { memory = '64MiB', frobnicate = true }")
    local user = write("policies/kv.lua",
      'local base = require "base" base.frobnicate = nil return require "gantry".extend(base, { image = "x" })')
    assert.equal("0", shell("%s check %s %s >/dev/null 2>&1; echo $?", EXECUTABLE, base, user))
    assert.matches("frobnicate", shell("%s check %s 2>&1", EXECUTABLE, base))
    assert.matches('"base":true', shell("cd %s/policies && %s check --json base.lua ./kv.lua", folder,
      core.system.real_path(EXECUTABLE)))
  end)

  it("may not require itself over another", function()
    write("policies/one.lua", 'return require "two"')
    write("policies/two.lua", 'return require "one"')
    write("policies/kv.lua", EXTENDS:format "one")
    local _, err = policy.load(folder .. "/policies/kv.lua")
    assert.equal("POLICY_ERROR", err.code)
    assert.matches("module 'one' requires itself: one %-> two %-> one; move what both", err.message)
  end)
end)

describe("what a policy was made from", function()
  it("is looked at for that policy alone: modules, files that it read, and what was not there", function()
    write("list.txt", "1")
    write("policies/base.lua", "return {}")
    write("policies/modules.lua", EXTENDS:format "base")
    write("policies/reads.lua", ([[local file = io.open(%q)
      return { image = "x", labels = { v = file and file:read "a" or "none" } }]]):format(folder .. "/list.txt"))
    write("policies/lines.lua", ([[local count = 0
      if pcall(io.lines, %q) then count = 1 end
      return { image = "x", labels = { v = tostring(count) } }]]):format(folder .. "/missing.txt"))
    write("policies/plain.lua", "return { image = 'x' }")
    task.run(function()
      local before = scan().set
      ---@param names string of those that were loaded anew
      local function expect(names)
        local after, changed = scan().set, {}
        for name, one in pairs(after) do
          if before[name] ~= one then changed[#changed + 1] = name end
        end
        table.sort(changed)
        assert.equal(names, table.concat(changed, " "))
        before = after
      end
      expect ""
      write("list.txt", "22")
      expect "reads"
      assert.equal("22", before.reads.config.labels.v)
      write("missing.txt", "")
      expect "lines"
      assert.equal("1", before.lines.config.labels.v)
      os.remove(folder .. "/list.txt")
      expect "reads"
      assert.equal("none", before.reads.config.labels.v)
      write("policies/base.lua", "return { memory = '64MiB' }")
      expect "modules"
      assert.is_truthy(set:folders()[folder])
    end)
  end)

  it("is watched where a link leads to, and so are credentials that plugins restart for", function()
    assert(core.files.make_directory(folder .. "/shared"))
    assert(core.files.make_directory(folder .. "/secrets"))
    write("shared/base.lua", "return { image = 'x' }")
    shell("ln -s ../shared/base.lua %s/policies/base.lua", folder)
    write("policies/kv.lua", ([[return require "gantry".extend(require "base", { name = "kv",
      credentials = { a = { file = %q, on_change = "restart" }, b = "/nowhere/else/b" } })]]):format(folder
      .. "/secrets/a"))
    task.run(function()
      scan()
      local folders = set:folders()
      assert.is_truthy(folders[folder .. "/shared"])
      assert.is_truthy(folders[folder .. "/secrets"])
      assert.is_nil(folders["/nowhere/else"])
    end)
  end)

  it("is told once a file, however often the policy opens it", function()
    write("list.txt", "1")
    local path, count = folder .. "/list.txt", 0
    local text = ("for _ = 1, 100 do io.open(%q):close() end return { image = 'x' }"):format(path)
    assert(policy.load(write("kv.lua", text), nil, {
      on_read = function(read) count = count + (read == path and 1 or 0) end }))
    assert.equal(1, count)
  end)
end)

describe("the documented rule for merging", function()
  it("gives what its table says", function()
    local file <close> = assert(io.open((os.getenv "GANTRY_SOURCE" or ".") .. "/docs/sharing.md"))
    local rows = 0
    for line in file:lines() do
      local base, over, result = line:match "| `({.+})` | `({.+})` | `({.+})` |$"
      if base then
        local function value(text)
          return assert(load("return " .. text, line, "t", { without = config.without,
            restart = require "gantry.restart" }))()
        end
        assert.same(value(result), config.extend(value(base), value(over)), line)
        rows = rows + 1
      end
    end
    assert.equal(7, rows)
  end)
end)

describe("gantry.without", function()
  local extend, without = config.extend, config.without

  it("takes away a field, an entry of a map, a variable; whatever is there", function()
    local base = { image = "x", pids_limit = 5, labels = { a = "1", b = "2" }, env = { "A=1", "B=2" }, args = { "x" },
      health = { period = "1s", failures = 2 } }
    assert.same({ image = "x", labels = { b = "2" }, env = { B = "2" }, health = { period = "1s" } },
      extend(base, { pids_limit = without, labels = { a = without }, env = { A = without }, args = without,
        health = { failures = without }, runtime = without, networks = without }))
    assert.same({ "A=1", "B=2" }, base.env)
    assert.same({}, extend({ env = { A = "1" } }, { env = without }))
    assert.same({ labels = {} }, extend({}, { labels = { a = without } }))
    assert.same({ pids_limit = 7 }, extend(extend({ pids_limit = 5 }, { pids_limit = without }), { pids_limit = 7 }))
    assert.same({ memory = "1GiB" }, extend({ pids_limit = without, memory = "1GiB" }, {}))
  end)

  it("cannot be changed, and leaves nothing where there was nothing to take away", function()
    assert.equal("gantry.without", tostring(without))
    assert.has_error(function() without.x = 1 end)
    local found = assert(policy.load(write("kv.lua", [[local without = require "gantry".without
      return { image = "x", pids_limit = without, labels = { a = without } }]])))
    assert.is_nil(found.config.pids_limit)
    assert.same({}, found.config.labels)
  end)
end)
