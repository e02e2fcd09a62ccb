-- SPDX-License-Identifier: Apache-2.0
--
--- The mistakes that are made first, each on the real engine: the error has the remedy.

local core = require "gantry.core"
local gantry = require "gantry"
local support = require "engine.support"
local task = require "gantry.task"

describe("a first mistake", function()
  local root, runtime_dir

  before_each(function()
    root = support.temporary()
    runtime_dir = root .. "/run"
    assert(os.execute("mkdir -m 700 " .. runtime_dir))
  end)

  after_each(function()
    assert.are.same({}, support.containers(runtime_dir))
    support.remove(root)
  end)

  ---@param fields table over those of the test plugin; false takes one away
  ---@return gantry.Error
  local function failure(fields)
    local config = support.kv()
    for name, value in pairs(fields) do config[name] = value or nil end
    local plugin, err = gantry.launch(config, { runtime_dir = runtime_dir })
    assert.is_nil(plugin)
    return err
  end

  ---@param code string
  ---@param words string[]
  local function fails(fields, code, words)
    local err = failure(fields)
    assert.are.equal(code, err.code, err.message)
    for _, one in ipairs(words) do assert.matches(one, err.message, 1, true) end
  end

  ---A file of this test's, executed in the container: with an init, which says no more than its exit code, and without.
  ---@param content string
  ---@param mode string?
  ---@param more { source: string, target: string }[]?
  ---@param words string[]
  local function fails_to_run(content, mode, more, words)
    local path = support.write(root .. "/plugin", content)
    assert(os.execute(("chmod %s %s"):format(mode or "755", path)))
    local mounts = { { source = path, target = "/plugin", read_only = true }, table.unpack(more or {}) }
    for _, init in ipairs { "left out", false } do
      local fields = { entrypoint = { "/plugin" }, mounts = mounts }
      if init == false then fields.init = init end
      local config = support.kv()
      for name, value in pairs(fields) do config[name] = value end
      local plugin, err = gantry.launch(config, { runtime_dir = runtime_dir })
      assert.is_nil(plugin)
      assert.are.equal("START_FAILED", err.code, err.message)
      for _, one in ipairs(words) do assert.matches(one, err.message, 1, true) end
    end
  end

  -- A dynamic program of this machine, and its loader.
  local dynamic = support.read(assert(core.system.real_path "/usr/bin/lua5.4"))
  local loader = dynamic:match "(/lib[%w/._-]*/ld[%w._-]*so[%w._-]*)%z"

  it("is no cookie, or another one", function()
    fails({ cookie = false }, "EXITED_BEFORE_HANDSHAKE",
      { "(exit code 1, after", "the policy gives it no magic cookie; set cookie = { KEY, VALUE }" })
    fails({ cookie = { "OTHER_COOKIE", "x" } }, "EXITED_BEFORE_HANDSHAKE",
      { "does not take the policy's magic cookie OTHER_COOKIE" })
    fails({ args = { "-exit-now", "1" } }, "EXITED_BEFORE_HANDSHAKE", { "exited before its handshake (exit code 1" })
    assert.is_nil(failure({ args = { "-exit-now", "1" } }).message:find("cookie", 1, true))
  end)

  it("is an image that names no program", function()
    fails({ image = "gantry-test-bare", args = false }, "IMAGE_NO_ENTRYPOINT",
      { "image gantry-test-bare:latest names no program to run", 'set entrypoint = { "/path/in/the/image" }' })
    local plugin <close> = assert(gantry.launch({ name = "kv", image = "gantry-test-bare", cookie = support.cookie,
      entrypoint = { "/kv" }, disable_network = true }, { runtime_dir = runtime_dir }))
    assert.are.equal("ready", plugin.state)
  end)

  it("is a program that is not there", function()
    fails({ entrypoint = { "/nowhere" } }, "START_FAILED", { "'/nowhere' is not in the image; correct the entrypoint" })
    fails({ entrypoint = { "kvv" } }, "START_FAILED", { "'kvv' is not in the image, in no folder of its PATH" })
    fails({ entrypoint = { "/tmp" } }, "START_FAILED", { "'/tmp' is a folder, no program" })
    fails({ entrypoint = { "/nowhere" }, init = false }, "START_FAILED", { "'/nowhere' is not in the image" })
  end)

  it("is a dynamic program without its loader, or without a library", function()
    assert.is_string(loader)
    fails_to_run(dynamic, nil, nil, { "'/plugin' is a dynamic program, and the image lacks its loader " .. loader,
      "build it static (CGO_ENABLED=0 go build)" })
    fails_to_run(dynamic, nil, { { source = loader, target = loader, read_only = true } },
      { "'/plugin' is a dynamic program, and the image lacks a library of it" })
  end)

  it("is a script without its interpreter", function()
    fails_to_run("#!/bin/bash -e\n", nil, nil, { "'/plugin' is a script for '/bin/bash', which its image lacks" })
    fails_to_run("#!bash\n", nil, nil, { "'/plugin' is a script whose first line names no interpreter" })
  end)

  it("is a file that may not be executed, or is no program", function()
    fails_to_run(dynamic, "644", nil, { "'/plugin' may not be executed; build the image with it executable" })
    fails_to_run("a text\n", nil, nil, { "'/plugin' is neither a program (ELF) nor a script" })
    fails_to_run(dynamic:sub(1, 40), nil, nil, { "'/plugin' is cut off" })
  end)

  it("is a program for other machines", function()
    local sparc = dynamic:sub(1, 18) .. "\43\0" .. dynamic:sub(21)
    fails_to_run(sparc, nil, nil, { "'/plugin' is built for machine 43, and this machine is", "build with GOARCH=" })
  end)

  it("is a program that ran all the same", function()
    fails({ args = { "-exit-now", "127", "-say", "mine" } }, "EXITED_BEFORE_HANDSHAKE", { "(exit code 127" })
  end)

  it("is too little memory", function()
    fails({ memory = "24MiB", args = { "-allocate", "268435456", "-slow-handshake", "30s" } },
      "EXITED_BEFORE_HANDSHAKE", { "(out of memory, after", "its memory limit of 24MiB is too small; raise memory" })
  end)

  it("is a limit that not even the runtime can live with", function()
    fails({ ulimits = { { name = "nofile", soft = 5 } } }, "START_FAILED",
      { "the policy's ulimits hold for the runtime's own last steps too" })
  end)

  it("is a binary in the place of a policy", function()
    for _, verb in ipairs { "check", "run", "plan" } do
      local result = support.run { verb, core.system.real_path "/usr/bin/lua5.4" }
      assert.are.equal(3, result.code)
      assert.matches("is a program, and a policy is a Lua file that names it", result.stdout .. result.stderr, 1,
        true)
    end
  end)

  it("is an image that only another engine has", function()
    task.run(function()
      local engine = support.engine().endpoint.unix_socket
      local proxy <close> = support.command({ support.source .. "/tests/engine/fault_proxy.lua", root .. "/engine",
        engine, "/images/", "no such image" }, { executable = "/usr/bin/lua5.4" }).process
      assert(os.execute(("mkdir -m 700 %s/user && ln -s %s %s/user/docker.sock"):format(root, engine, root)))
      while not core.system.stat(root .. "/engine") do task.sleep(0.01) end
      local policy = support.write(root .. "/kv.lua", support.policy_text())
      local result = support.run({ "run", policy }, { runtime_dir = runtime_dir, environment = {
        "DOCKER_HOST=unix://" .. root .. "/engine", "XDG_RUNTIME_DIR=" .. root .. "/user" } })
      assert.are.equal(6, result.code, result.stderr)
      assert.matches(("image gantry-test-kv:latest is not on the engine at unix://%s/engine, but on that at unix://")
        :format(root), result.stderr, 1, true)
      assert.matches("name that one with --engine or DOCKER_HOST, or copy it: docker -H", result.stderr, 1, true)
      proxy:close()
    end)
  end)
end)
