-- SPDX-License-Identifier: Apache-2.0
--
--- The engine without a daemon, as far as it needs no runtime: its addresses, which runtime it takes, what runtimes and
--- monitors have said.

local cgroups = require "gantry.engine.oci.cgroups"
local core = require "gantry.core"
local endpoint = require "gantry.engine.endpoint"
local layout = require "gantry.engine.oci.layout"
local monitors = require "gantry.engine.oci.monitors"
local runtime_calls = require "gantry.engine.oci.runtime_calls"
local runtimes = require "gantry.engine.oci.runtimes"

describe("the engine without a daemon", function()
  local root, place

  before_each(function()
    root = ("%s/gantry-test-%s"):format(os.getenv "TMPDIR" or "/tmp", core.system.random(4))
    place = layout.of { GANTRY_RUNTIME_DIR = root, HOME = "/nonexistent" }
  end)
  after_each(function() os.execute("rm -rf " .. root) end)

  it("has addresses that name a runtime, or none", function()
    for text, runtime in pairs { ["oci:"] = false, ["oci:crun"] = "crun", ["oci:runc"] = "runc",
      ["oci:runsc"] = "runsc" } do
      local where = assert(endpoint.parse(text, "--engine", {}))
      assert.are.same({ "oci", runtime or nil, text }, { where.kind, where.runtime, where.name })
    end
    for _, text in ipairs { "oci:youki", "oci:/usr/bin/runc", "oci" } do
      local _, err = endpoint.parse(text, "GANTRY_ENGINE", {})
      assert.are.equal("ENGINE_ADDRESS", err.code)
      assert.is_truthy(err.message:find("oci:", 1, true))
    end
  end)

  it("is tried where no socket answers, and last", function()
    local list = assert(endpoint.candidates(nil, { HOME = "/nonexistent" }))
    assert.are.equal("oci:", list[#list].name)
    assert.are.equal("default", list[#list].source)
  end)

  it("takes the runtime that was asked for, or says what to install", function()
    local runc = { name = "runc", path = "/usr/bin/runc" }
    assert.are.equal(runc, assert(runtimes.choose({ runc = runc }, "runc")).runtime)
    assert.are.equal(runc, assert(runtimes.choose { runc = runc }).runtime)
    for wanted, package in pairs { runsc = "runsc", crun = "crun" } do
      local _, err = runtimes.choose({ runc = runc }, wanted)
      assert.are.equal("RUNTIME_MISSING", err.code)
      assert.is_truthy(err.message:find("apt install " .. package, 1, true))
    end
    local _, err = runtimes.choose {}
    assert.are.equal("RUNTIME_MISSING", err.code)
    assert.matches("apt install c?run", err.message)
  end)

  it("knows the runtimes that there are, and those that could be", function()
    local found = { runc = { name = "runc", path = "/usr/bin/runc" } }
    assert.is_nil(runtimes.check(nil, found))
    assert.is_nil(runtimes.check("runc", found))
    assert.are.equal("RUNTIME_MISSING", runtimes.check("crun", found).code)
    assert.are.equal("RUNTIME_UNKNOWN", runtimes.check("kata", found).code)
  end)

  it("looks for runtimes where packages put them, and in absolute folders alone", function()
    os.execute(("mkdir -p %s/bin && printf '#!/bin/sh\\n' > %s/bin/runsc"):format(root, root))
    local before = runtimes.find { PATH = root .. "/bin" }
    os.execute(("chmod +x %s/bin/runsc"):format(root))
    local there = core.system.stat "/usr/bin/runsc" and "/usr/bin/runsc" or root .. "/bin/runsc"
    assert.are.equal(there, runtimes.find({ PATH = "relative:" .. root .. "/bin" }).runsc.path)
    assert.are_not.equal(root .. "/bin/runsc", before.runsc and before.runsc.path)
  end)

  it("reads the last failure of a runtime's log, whatever is in it", function()
    assert.are.equal("second one?", runtime_calls.last_message([[
{"level":"warning","msg":"not this"}
{"level":"error","msg":"first"}
no JSON at all
{"level":"error","msg":"second\tone\u0007"}
{"level":"debug","msg":"nor this"}
[1,2]
{"level":"error","msg":{"a":1}}]]))
    assert.is_nil(runtime_calls.last_message "")
    assert.are.equal("of crun", runtime_calls.last_message '{"msg":"of crun","time":"2026-01-01T00:00:00.0Z"}')
    assert.are.equal('of "}{" gVisor', runtime_calls.last_message('{"msg":"first","level":"error","time":"x"}'
      .. '{"msg":"of \\"}{\\" gVisor","level":"error"}{"msg":"nor this","level":"debug"}'))
  end)

  it("sees that a process has ended whom nobody has reaped, and takes no name for a state", function()
    assert(os.execute(("mkdir -p %s && cp /bin/sleep '%s/a) Z 1'"):format(root, root)))
    local pipe = assert(io.popen(("echo $$; '%s/a) Z 1' 60 & echo $!; sleep 0 & echo $!; exec sleep 60"):format(root)))
    local parent, lives, ended = pipe:read("n", "n", "n")
    local until_when = core.loop.clock() + 20
    repeat local seen = cgroups.is_ending(ended) until seen or core.loop.clock() > until_when
    local found = { cgroups.is_ending(ended), cgroups.is_ending(lives), cgroups.is_ending(parent) }
    os.execute(("kill -9 %d %d"):format(lives, parent))
    pipe:close()
    assert.are.same({ true, false, false }, found)
    assert.is_true(cgroups.is_ending(parent))
  end)

  it("reads how a container ended", function()
    assert.are.same({ code = 3, at = 1700000000.5 }, monitors.parse_exit "exit 3 0 1700000000500000000 12\n")
    assert.are.equal(137, monitors.parse_exit("exit 0 9 1700000000500000000 12\n").code)
    for _, text in ipairs { "", "exit", "exit 3 0 17", "exit 3 0 1700000000500000000 12", "exit -1 0 1 1\n" } do
      assert.is_nil(monitors.parse_exit(text))
    end
  end)

  it("gives a name to one container at a time, and takes over that of one that is gone", function()
    assert(core.files.make_directory(root, tonumber("700", 8)))
    assert(place:make())
    local one, other = ("a"):rep(64), ("b"):rep(64)
    assert(core.files.make_directory(place:container(one), tonumber("700", 8)))
    assert(place:take_name("kv", one))
    assert.are.equal(one, place:named "kv")
    local _, err = place:take_name("kv", other)
    assert.are.equal("CONFLICT", err.code)
    os.remove(place:container(one))
    assert.is_nil(place:named "kv")
    assert(core.files.make_directory(place:container(other), tonumber("700", 8)))
    assert(place:take_name("kv", other))
    place:drop_name("kv", one)
    assert.are.equal(other, place:named "kv")
    place:drop_stale_names()
    assert.are.equal(other, place:named "kv")
    os.remove(place:container(other))
    local lock = assert(core.files.lock(place:name_path "kv"))
    assert(core.files.make_directory(place:container(one), tonumber("700", 8)))
    assert.are.equal("CONFLICT", select(2, place:take_name("kv", one)).code)
    place:drop_stale_names()
    place:drop_name("kv", other)
    assert.are.equal(other, core.files.read(place:name_path "kv", 65))
    lock:close()
    os.remove(place:container(one))
    place:drop_stale_names()
    assert.are.same({}, core.files.list(place.path .. "/names"))
    assert(core.files.make_directory(place:container(other), tonumber("700", 8)))
    assert(place:take_name("kv", other))
    place:drop_name("kv", other)
    assert.is_nil(place:named "kv")
    for _, name in ipairs { "", "../kv", ".kv", "a/b", ("x"):rep(201) } do
      assert.are.equal("ENGINE_REFUSED", select(2, place:take_name(name, one)).code)
      assert.is_nil(place:named(name))
    end
  end)

  it("keeps its folders to itself", function()
    assert(core.files.make_directory(root, tonumber("700", 8)))
    assert(place:make())
    assert(place:make())
    assert.are.equal(root .. "/.oci", place.path)
    for _, name in ipairs { "", "/containers", "/names", "/runtime" } do
      assert.are.equal(tonumber("700", 8), core.system.stat(place.path .. name).mode)
    end
    os.execute(("chmod 777 %s"):format(place.path))
    local _, err = place:make()
    assert.are.equal("RUNTIME_DIR_UNSAFE", err.code)
  end)
end)
