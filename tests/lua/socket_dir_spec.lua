-- SPDX-License-Identifier: Apache-2.0
--
--- gantry.core.socket_dir: the directory of a plugin's socket, from Lua.

local core = require "gantry.core"
local socket_dir = core.socket_dir

local function shell(command) assert(os.execute(command)) end

local function exists(path) return core.system.stat(path) ~= nil end

local function write(path)
  local file <close> = assert(io.open(path, "w"))
  file:write("x")
end

describe("a socket directory", function()
  local root

  before_each(function()
    root = "/tmp/gantry-sockets-" .. core.system.random(6)
    assert(socket_dir.root(root))
  end)
  after_each(function() shell("rm -rf " .. root) end)

  it("has a root of the caller's alone", function()
    assert.are.equal(tonumber("700", 8), core.system.stat(root).mode)
    assert.is_true(socket_dir.root(root))
    shell("chmod 777 " .. root)
    local ok, err = socket_dir.root(root)
    assert.is_nil(ok)
    assert.are.equal("RUNTIME_DIR_UNSAFE", err.code)
    shell("chmod 700 " .. root)
    ok, err = socket_dir.root(root .. "/no/parent")
    assert.is_nil(ok)
    assert.are.equal("RUNTIME_DIR_FAILED", err.code)
    assert.are.equal("integer", math.type(err.os_error))
  end)

  it("is made, linked to and removed", function()
    local dir = assert(socket_dir.make(root, "kv", { mode = tonumber("770", 8), group = core.group.effective() }))
    assert.are.equal(root .. "/kv", dir:path())
    assert.is_true(dir:fresh())
    local status = core.system.stat(dir:path())
    assert.are.equal(tonumber("770", 8), status.mode)
    assert.are.equal(core.group.effective(), status.gid)

    write(dir:path() .. "/plugin1")
    assert.is_true(dir:link("kv.sock", "kv/plugin1"))
    assert.are.equal(root .. "/kv/plugin1", core.system.real_path(root .. "/kv.sock"))
    assert.is_true(dir:remove())
    assert.is_false(exists(root .. "/kv"))
    shell("test -z \"$(ls -A " .. root .. ")\"")
  end)

  it("is 0700 where no mode is given", function()
    local dir <close> = assert(socket_dir.make(root, "kv"))
    assert.are.equal(tonumber("700", 8), core.system.stat(dir:path()).mode)
  end)

  it("is held by one at a time, until it is closed or collected", function()
    local first = assert(socket_dir.make(root, "kv"))
    local second, err = socket_dir.make(root, "kv")
    assert.is_nil(second)
    assert.are.equal("SOCKET_DIR_BUSY", err.code)
    assert.is_truthy(err.message:find(root .. "/kv", 1, true))
    write(root .. "/kv/left")

    first:close()
    first:close()
    second = assert(socket_dir.make(root, "kv"))
    assert.is_false(second:fresh())
    assert.is_false(exists(root .. "/kv/left"))

    second = nil -- luacheck: ignore
    collectgarbage()
    local third <close> = assert(socket_dir.make(root, "kv"))
    assert.is_false(third:fresh())
  end)

  it("is of no use once it is given back", function()
    local dir = assert(socket_dir.make(root, "kv"))
    assert.is_true(dir:remove())
    assert.is_true(dir:remove())
    dir:close()
    assert.has_error(function() dir:path() end, "socket directory closed")
    assert.has_error(function() dir:fresh() end, "socket directory closed")
    assert.has_error(function() dir:link("kv.sock", "kv/plugin1") end, "socket directory closed")
    assert.has_error(function() dir:default_acl(0) end, "socket directory closed")
  end)

  it("is removed with all that a plugin put there, and only where gantry made it", function()
    local dir = assert(socket_dir.make(root, "kv"))
    shell("mkdir -p " .. dir:path() .. string.rep("/d", 200))
    assert.is_true(dir:remove())
    shell(("mkdir %s/kv && touch %s/kv/thesis"):format(root, root))
    local none, err = socket_dir.make(root, "kv")
    assert.is_nil(none)
    assert.are.equal("SOCKET_DIR_FOREIGN", err.code)
    assert.is_truthy(err.message:find(root .. "/kv", 1, true))
    assert.is_table(core.system.stat(root .. "/kv/thesis"))
  end)

  it("needs a path in which a socket fits", function()
    local long = root .. "/" .. string.rep("x", 70)
    assert(socket_dir.root(long))
    local dir, err = socket_dir.make(long, "kv")
    assert.is_nil(dir)
    assert.are.equal("SOCKET_PATH_TOO_LONG", err.code)
    assert.is_truthy(err.message:find("107", 1, true))
    assert.is_false(exists(long .. "/kv"))
  end)

  it("has a name that cannot lead elsewhere", function()
    for _, name in ipairs { "", "..", ".hidden", "a/b", "a b" } do
      local dir, err = socket_dir.make(root, name)
      assert.is_nil(dir)
      assert.are.equal("SOCKET_NAME_INVALID", err.code)
    end
    local dir <close> = assert(socket_dir.make(root, "kv"))
    local ok, err = dir:link("kv.sock", "../elsewhere")
    assert.is_nil(ok)
    assert.are.equal("SOCKET_NAME_INVALID", err.code)
  end)

  it("can be opened to another user, where the file system lets it", function()
    local dir <close> = assert(socket_dir.make(root, "kv"))
    local ok, err = dir:default_acl(54321)
    assert.is_true(ok or err.code == "ACL_UNSUPPORTED")
  end)

  it("raises on wrong arguments", function()
    local dir <close> = assert(socket_dir.make(root, "kv"))
    for _, options in ipairs { { mode = -1 }, { mode = 1 << 20 }, { mode = "x" }, { mode = 0.5 }, { group = -1 },
      { group = 1 << 32 }, { group = "root" } } do
      assert.has_error(function() socket_dir.make(root, "other", options) end)
    end
    assert.has_error(function() socket_dir.make(root, "other", { mode = -1 }) end,
      "mode must be an integer from 0 to 4095, got -1")
    assert.has_error(function() socket_dir.make(root, "other", 448) end)
    assert.has_error(function() socket_dir.make(root, "a\0b") end)
    assert.has_error(function() socket_dir.root(root .. "\0") end)
    assert.has_error(function() dir:default_acl(-1) end)
    assert.has_error(function() dir:link("kv.sock") end)
    assert.is_false(exists(root .. "/other"))
  end)
end)
