-- SPDX-License-Identifier: Apache-2.0
--
--- Who owns a container, and whether its owner lives.

local container = require "gantry.container"
local core = require "gantry.core"
local ownership = require "gantry.ownership"

local function shell(command) assert(os.execute(command)) end

describe("the owner of a container", function()
  it("is this user of this machine, as the labels of a launch say", function()
    local owner = ownership.owner()
    assert.are.equal(("%d@%s"):format(core.system.euid(), core.system.hostname()), owner)
    assert.are.same({ [container.LABEL.plugin] = "kv", [container.LABEL.owner] = owner,
      [container.LABEL.directory] = "/run/gantry/kv" }, ownership.labels("kv", "/run/gantry/kv"))
  end)

  it("is what the engine is asked for", function()
    local asked
    local list = { { Id = "a" } }
    local engine = { list = function(_, labels)
      asked = labels
      return list
    end }
    assert.are.equal(list, ownership.containers(engine))
    assert.are.same({ [container.LABEL.owner] = ownership.owner() }, asked)
    local none, err = ownership.containers { list = function() return nil, "away" end }
    assert.is_nil(none)
    assert.are.equal("away", err)
  end)
end)

describe("the owner of a socket directory", function()
  local root, path

  before_each(function()
    root = "/tmp/gantry-ownership-" .. core.system.random(6)
    path = root .. "/kv"
    assert(core.socket_dir.root(root))
  end)
  after_each(function() shell("rm -rf " .. root) end)

  it("lives while it holds the lock", function()
    local held = assert(core.socket_dir.make(root, "kv"))
    local directory, state = ownership.lock(path)
    assert.is_nil(directory)
    assert.are.equal("alive", state)
    assert.are.equal("alive", ownership.state(path))
    held:close()
    assert.are.equal("dead", ownership.state(path))
  end)

  it("is dead where nobody holds the lock, which is then the caller's", function()
    shell(("mkdir %s && touch %s/plugin1"):format(path, path))
    local directory, state = ownership.lock(path)
    assert.are.equal("dead", state)
    assert.are.equal(path, directory:path())
    assert.is_table(core.system.stat(path .. "/plugin1"))
    assert.are.equal("alive", ownership.state(path))
    directory:close()
    for _ = 1, 2 do assert.are.equal("dead", ownership.state(path)) end
    assert.is_table(core.system.stat(path .. "/plugin1"))
  end)

  it("cannot be asked for where there is no directory, and none is made", function()
    assert.are.equal("no_directory", ownership.state(path))
    assert.are.equal("no_directory", ownership.state(root .. "/no/such"))
    assert.is_nil(core.system.stat(path))
  end)

  it("is unknown where there is something that cannot be locked", function()
    shell("touch " .. path)
    assert.are.equal("unknown", ownership.state(path))
    shell(("rm %s && mkdir %s && chmod 777 %s"):format(path, path, root))
    assert.are.equal("unknown", ownership.state(path))
  end)

  it("is unknown where the label is no path", function()
    for _, label in ipairs { false, "", "kv", "/", root .. "/" } do
      local directory, state = ownership.lock(label or nil)
      assert.is_nil(directory)
      assert.are.equal("unknown", state)
    end
  end)

  it("is found by the two parts of the path", function()
    assert.are.same({ "/run/gantry", "kv" }, { ownership.split "/run/gantry/kv" })
    assert.is_nil((ownership.split(nil)))
    assert.is_nil((ownership.split "/run/gantry/"))
  end)
end)
