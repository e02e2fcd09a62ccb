-- SPDX-License-Identifier: Apache-2.0
--
-- context_spec.lua: ctx: what is in it, and what may stand in for it.

local context = require "gantry.policy.context"
local core = require "gantry.core"
local sha256 = require "gantry.base.sha256"

local files = {}

---@param text string
---@return string path
local function write(text)
  local path = ("%s/gantry-ctx-%s.json"):format(os.getenv "TMPDIR" or "/tmp", core.system.random(6))
  local file <close> = assert(io.open(path, "w"))
  file:write(text)
  files[#files + 1] = path
  return path
end

describe("ctx", function()
  teardown(function()
    for _, path in ipairs(files) do os.remove(path) end
  end)

  it("tells of this machine and user, and hides the machine's id", function()
    local facts = assert(context.settle(context.of({ verb = "run" }, function() end), "a/b.lua", "b"))
    local host = facts.host
    assert.are.equal(core.system.euid(), host.uid)
    assert.matches("^[%w_]+$", host.architecture)
    assert.are.equal("table", type(host.groups))
    assert.matches("^%x+$", host.machine_id)
    assert.are.equal(32, #host.machine_id)
    local file = io.open("/etc/machine-id", "r")
    if file then
      assert.are_not.equal(file:read "l", host.machine_id)
      file:close()
    end
    assert.are.equal(core.system.current_directory() .. "/a/b.lua", facts.path)
    assert.are.equal(core.system.current_directory() .. "/a", facts.folder)
    assert.are.same({ "b", "run", {} }, { facts.name, facts.verb, facts.args })
  end)

  it("hashes as others do", function()
    assert.are.equal("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", sha256 "abc")
    assert.are.equal("31eba51c313a5c08226adf18d4a359cfdfd8d2e816b13f4af952f7ea6584dcfb", sha256(("a"):rep(119)))
  end)

  it("may be read from a file, whose gaps are filled", function()
    local path = write '{"verb": "up", "engine": {"runtimes": ["runsc"]}, "env": {"STAGE": "prod"}}'
    local facts = assert(context.settle(context.of({ ctx = path }, error), "x.lua", "x"))
    assert.are.same({ runsc = true }, facts.engine.runtimes)
    assert.are.same({ "docker", 2, "up" }, { facts.engine.kind, facts.engine.cgroup_version, facts.verb })
    assert.are.same({ STAGE = "prod" }, facts.env)
  end)

  for text, message in pairs {
    ['{"engin": {}}'] = "'engin'.*engine",
    ['{"engine": {"runtime": []}}'] = "runtime.*runtimes",
    ['{"host": 5}'] = "host must be a table of facts about the host, got 5",
    ['{"engine": {"kind": "qemu"}}'] = "engine.kind",
    ["[]"] = ".",
    ["5"] = "it must be a table of the fields of ctx",
    ["{"] = "is no JSON",
    ["null"] = "got nothing",
    ['{"verb": "exce"}'] = "verb must be .*; did you mean 'exec'",
    [(" "):rep(1 << 20) .. "{}"] = "is larger than 1 MiB",
  } do
    it("is refused where a file has " .. text:sub(1, 60), function()
      local facts, err = context.settle({ instead = function() return context.read(write(text)) end }, "x.lua", "x")
      if text == "[]" then return assert.is_table(facts) end -- nothing in it: nothing stands in
      assert.is_nil(facts)
      assert.are.equal("POLICY_CONTEXT", err.code)
      assert.matches(message, err.message)
    end)
  end

  it("may begin with a byte order mark", function()
    assert.are.same({ env = { A = "b" } }, context.read(write '\xEF\xBB\xBF{"env": {"A": "b"}}'))
  end)

  it("is refused where there is no file", function()
    local _, directory = context.read "/"
    assert.are.equal("--ctx /: is a directory; it is a JSON file", directory.message)
    local facts, err = context.read "/no/such/file"
    assert.is_nil(facts)
    assert.matches("^%-%-ctx /no/such/file: cannot be read: ", err.message)
  end)
end)
