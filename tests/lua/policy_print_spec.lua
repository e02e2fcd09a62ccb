-- SPDX-License-Identifier: Apache-2.0
--
--- What a policy prints under verbs that people run: on standard error, whatever the verb says on standard output.

local core = require "gantry.core"
local json = require "gantry.json"
local policies = require "gantry.policy"

local executable = assert(os.getenv "GANTRY", "GANTRY must name the executable under test (ctest sets it)")

describe("print in a policy", function()
  local folder

  local function write(name, text)
    local file <close> = assert(io.open(folder .. "/" .. name, "w"))
    assert(file:write(text))
    return folder .. "/" .. name
  end

  ---@return integer code, string stdout, string stderr
  local function run(command)
    local pipe = assert(io.popen(("cd %s && env -u GANTRY_SITE DOCKER_HOST=unix:///nowhere '%s' %s 2>err"):format(
      folder, executable, command)))
    local out = pipe:read "a"
    local code = select(3, pipe:close())
    local file <close> = assert(io.open(folder .. "/err"))
    return code, out, file:read "a"
  end

  before_each(function()
    folder = ("%s/gantry-test-%s"):format(os.getenv "TMPDIR" or "/tmp", core.system.random(4))
    assert(os.execute("mkdir -m 700 " .. folder))
    write("kv.lua", "print('memory', 64)\nreturn { image = 'kv', restart = function() print 'asked' end }")
  end)
  after_each(function() assert(os.execute("rm -r " .. folder)) end)

  it("goes to standard error, with the policy's path", function()
    for _, command in ipairs { "check", "plan --offline", "simulate --exit 1", "doctor" } do
      local verb, rest = command:match "^(%l+)(.*)$"
      for _, form in ipairs { "", " --json" } do
        local _, out, err = run(verb .. " kv.lua" .. rest .. form)
        assert.matches("kv.lua: memory\t64\n", err, 1, true)
        assert.is_nil(out:find("64\n", 1, true), out)
        if form ~= "" then assert.is_table(json.decode(out)) end
      end
    end
    assert.matches("kv.lua: asked\n", select(3, run "simulate kv.lua --exit 1"), 1, true)
    local _, out, err = run "-e 'check \"kv.lua\"'"
    assert.are.same({ "kv.lua: ok\n", "kv.lua: memory\t64\n" }, { out, err })
  end)

  it("comes of the site policy too", function()
    write("site.lua", "return function(config) print('site', config.image) return config end")
    assert.matches("kv.lua: memory\t64\nsite.lua: site\tkv\n", select(3, run "check --site site.lua kv.lua"), 1, true)
  end)

  it("is told once, also where the policy is gone through again for the engine", function()
    local path = write("kv.lua", "print 'a'\nreturn function(ctx) print(ctx.engine.kind) return { image = 'kv' } end")
    local lines = {}
    local found = assert(policies.load(path, { engine = function() return { kind = "podman" } end }, { site = false,
      print = function(text, from) lines[#lines + 1] = from .. ": " .. text end }))
    assert.are.same({ path .. ": a", path .. ": podman" }, lines)
    assert.are.equal("kv", found.name)
    local code, out, err = run "check kv.lua"
    assert.are.same({ 5, "kv.lua: a\n" }, { code, err })
    assert.matches("ctx.engine: no engine answers", out, 1, true)
  end)

  it("goes to a program that launches the policy, where it says so, and else nowhere", function()
    local gantry, lines = require "gantry", {}
    local options = { offline = true, print = function(text, path)
      lines[#lines + 1] = path:match "[^/]*$" .. ": " .. text
    end }
    assert.is_table(gantry.plan(folder .. "/kv.lua", options))
    assert.is_table(gantry.load(folder .. "/kv.lua", { print = options.print }))
    assert.are.same({ "kv.lua: memory\t64", "kv.lua: memory\t64" }, lines)
    assert.is_table(policies.load(folder .. "/kv.lua", {}, { site = false }))
  end)
end)
