-- SPDX-License-Identifier: Apache-2.0
--
--- Bad input on the command line: one clear error that names the thing and the remedy, its exit code, nothing left.

local support = require "engine.support"

describe("bad input", function()
  local runtime_dir, folder

  before_each(function()
    runtime_dir, folder = support.temporary(), support.temporary()
  end)

  after_each(function()
    assert.are.same({}, support.containers(runtime_dir))
    assert.are.same({}, support.entries(runtime_dir))
    support.remove(runtime_dir)
    support.remove(folder)
  end)

  ---@param text string the policy
  local function policy(text) return support.write(folder .. "/kv.lua", text) end

  ---Runs the command; the error must be one line that begins with `gantry: `, without a traceback.
  local function fails(code, arguments, options)
    options = options or {}
    options.runtime_dir = options.runtime_dir or runtime_dir
    local result = support.run(arguments, options)
    assert.are.equal(code, result.code, result.stderr)
    assert.is_nil(result.stderr:find("traceback", 1, true), result.stderr)
    local message = result.stderr:match("gantry: ([^\n]+)\n")
    assert.is_truthy(message, result.stderr)
    return message
  end

  local function has(message, ...)
    for _, part in ipairs { ... } do assert.is_truthy(message:find(part, 1, true), message) end
  end

  it("no engine answers", function()
    local message = fails(5, { "run", "--engine", "unix://" .. folder .. "/none.sock", policy(support.policy_text()) })
    has(message, "no engine answers", "--engine", folder .. "/none.sock", "no such socket", "DOCKER_HOST")
  end)

  it("DOCKER_HOST names what does not answer", function()
    local message = fails(5, { "run", policy(support.policy_text()) },
      { environment = { "DOCKER_HOST=tcp://127.0.0.1:1" } })
    has(message, "no engine answers", "DOCKER_HOST", "nothing listens there")
  end)

  it("an address that is none", function()
    has(fails(5, { "run", "--engine", "docker.sock", policy(support.policy_text()) }), "docker.sock", "unix:///path")
  end)

  it("no image", function()
    has(fails(6, { "run", policy "return { image = 'gantry-no-such-image' }" }), "gantry-no-such-image:latest",
      "docker pull")
  end)

  it("a pin that does not match", function()
    has(fails(6, { "run", policy(support.policy_text("sha256 = '" .. ("0"):rep(64) .. "'")) }), "not the pinned one",
      "sha256:")
  end)

  it("no policy", function() has(fails(3, { "run", folder .. "/missing.lua" }), folder .. "/missing.lua") end)

  it("a policy that is not Lua", function() has(fails(3, { "run", policy "return {" }), "kv.lua:1:") end)

  it("a policy with a runtime error", function() has(fails(3, { "run", policy "\nerror 'no luck'" }), "kv.lua:2:",
    "no luck") end)

  it("a policy that returns a number", function()
    has(fails(3, { "run", policy "return 1" }), "kv.lua:1:", "must return a table", "returned 1")
  end)

  it("an unknown field", function()
    has(fails(3, { "run", policy(support.policy_text("memmory = 1")) }), "kv.lua:3:", "unknown field 'memmory'",
      "did you mean 'memory'?")
  end)

  it("a wrong type", function() has(fails(3, { "run", policy(support.policy_text("labels = 3")) }), "kv.lua:3:",
    "labels") end)

  it("negative memory", function() has(fails(3, { "run", policy(support.policy_text("memory = -1")) }), "kv.lua:3:",
    "memory") end)

  it("an empty image", function() has(fails(3, { "run", policy "return { image = '' }" }), "kv.lua:1:", "image") end)

  it("a binary chunk", function()
    has(fails(3, { "run", policy(string.dump(assert(load "return {}"))) }), "kv.lua", "binary")
  end)

  it("a policy that others may write", function()
    local path = policy(support.policy_text())
    assert(os.execute("chmod 666 " .. path))
    has(fails(3, { "run", path }), path, "chmod go-w")
  end)

  it("an unknown runtime", function()
    has(fails(5, { "run", policy(support.policy_text("runtime = 'nope'")) }), "no runtime 'nope'", "runc")
  end)

  it("a socket path over 107 bytes", function()
    local long = folder .. "/" .. ("x"):rep(100)
    assert(os.execute("mkdir -m 700 " .. long))
    has(fails(7, { "run", policy(support.policy_text()) }, { runtime_dir = long }), "107", long)
    assert.are.same({}, support.entries(long))
  end)

  it("a runtime directory that is a symlink to elsewhere", function()
    assert(os.execute(("mkdir -m 700 %s/real && ln -s real %s/link"):format(folder, folder)))
    has(fails(7, { "run", policy(support.policy_text()) }, { runtime_dir = folder .. "/link" }), folder .. "/link",
      "symlink")
    assert.are.same({}, support.entries(folder .. "/real"))
  end)

  it("a runtime directory that is not writable", function()
    has(fails(7, { "run", policy(support.policy_text()) }, { runtime_dir = "/proc/gantry" }), "/proc/gantry")
  end)

  it("a name that is none", function()
    for _, name in ipairs { "../x", "", ".hidden", "a b", ("x"):rep(65) } do
      has(fails(3, { "run", "--name", name, policy(support.policy_text()) }), "name must ")
    end
  end)

  it("a mistyped verb or flag", function()
    has(fails(2, { "rnu" }), "unknown verb 'rnu'", "did you mean 'run'?")
    has(fails(2, { "run", "--jsn", "x" }), "--jsn", "--json")
    has(fails(2, { "run" }), "policy")
  end)

  it("is told to programs with --json", function()
    local result = support.run({ "run", "--json", folder .. "/missing.lua" }, { runtime_dir = runtime_dir })
    assert.are.equal(3, result.code)
    local told = assert(require("gantry.json").decode(result.stdout))
    assert.are.equal("string", type(told.errors[1].code))
    assert.are.equal("", result.stderr)
  end)
end)
