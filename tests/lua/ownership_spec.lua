-- SPDX-License-Identifier: Apache-2.0
--
--- Who owns a container, and whether its owner lives.

local container = require "gantry.engine.container"
local core = require "gantry.core"
local launches = require "gantry.place.launches"
local machine = require "gantry.base.machine"
local ownership = require "gantry.place.ownership"

local function shell(command) assert(os.execute(command)) end

describe("the owner of a container", function()
  it("is this user of this machine, as the labels of a launch say", function()
    local owner = ownership.owner()
    assert.are.equal(("%d@%s"):format(core.system.euid(), machine.name()), owner)
    assert.are.same({ [container.LABEL.plugin] = "kv", [container.LABEL.owner] = owner,
      [container.LABEL.directory] = "/run/gantry/kv" }, ownership.labels("kv", "/run/gantry/kv"))
  end)

  it("is looked for among all plugins' containers", function()
    local asked
    local engine = { endpoint = { name = "e" }, list = function(_, labels)
      asked = labels
      return {}
    end }
    assert.are.same({}, ownership.containers(engine))
    assert.are.same({ [container.LABEL.plugin] = true }, asked)
    ownership.containers(engine, { labels = { more = "1" } })
    assert.are.same({ [container.LABEL.plugin] = true, more = "1" }, asked)
    local none, err = ownership.containers { list = function() return nil, "away" end }
    assert.is_nil(none)
    assert.are.equal("away", err)
  end)
end)

describe("a container with our labels", function()
  local environment, engine, listed

  before_each(function()
    environment = { GANTRY_STATE_DIR = "/tmp/gantry-ownership-state-" .. core.system.random(6) }
    engine = { endpoint = { name = "unix:///e" }, list = function() return { listed } end }
    listed = { id = ("ab"):rep(32), name = "gantry-kv-0011", labels = ownership.labels("kv", "/run/gantry/kv") }
  end)
  after_each(function() shell("rm -rf " .. environment.GANTRY_STATE_DIR) end)

  local function ours() return #assert(ownership.containers(engine, { environment = environment })) == 1 end
  local function keep(changes)
    local record = { container = "gantry-kv-0011", plugin = "kv", engine = "unix:///e", directory = "/run/gantry/kv" }
    for key, value in pairs(changes or {}) do record[key] = value end
    assert(launches.keep(record, environment))
  end

  it("is ours only where our own records have it", function()
    assert.is_false(ours())
    keep()
    assert.is_true(ours())
    ownership.forget(listed, environment)
    assert.is_false(ours())
  end)

  it("is not ours where the record is of another container, plugin or directory", function()
    for key, value in pairs { container = "gantry-kv-0012", plugin = "other",
      directory = "/run/gantry/other" } do
      keep { [key] = value }
      assert.is_false(ours(), key)
      shell("rm -rf " .. environment.GANTRY_STATE_DIR)
    end
  end)

  it("is ours under a name that was given to it by hand, once its id is known", function()
    keep { id = listed.id }
    listed.name = "renamed"
    assert.is_true(ours())
    ownership.forget(listed, environment)
    assert.are.same({}, launches.all(environment))
    assert.is_false(ours())
  end)

  it("is ours where another hostname was this machine's, but for an engine that other machines reach", function()
    keep()
    local uid = core.system.euid()
    for owner, expected in pairs { [uid .. "@a-hostname-of-before"] = { true, false },
      [("%d@%s"):format(uid, core.system.hostname())] = { true, true }, [ownership.owner()] = { true, true },
      [uid + 1 .. "@" .. machine.name()] = { false, false }, nonsense = { false, false } } do
      listed.labels[container.LABEL.owner] = owner
      for i, socket in ipairs { "/e", false } do
        engine.endpoint.unix_socket = socket or nil
        assert.are.equal(expected[i], ours(), owner)
      end
    end
  end)

  it("may have any shape: then it is not ours, and nobody falls over it", function()
    keep()
    for _, odd in ipairs { 1, "x", {}, { {} }, { 1, 2 }, "/../../x", "//" } do
      listed.name = odd
      assert.is_false(ours())
    end
    listed.name = "gantry-kv-0011"
    for _, odd in ipairs { 1, "x", {}, { ["gantry.plugin"] = {} }, { ["gantry.plugin"] = 7 } } do
      listed.labels = odd
      assert.is_false(ours())
    end
    listed.labels, listed.id = nil, {}
    assert.is_false(ours())
  end)

  it("is not ours by a record that another user could have written", function()
    keep()
    shell(("chmod o+w %s/launches/*"):format(environment.GANTRY_STATE_DIR))
    assert.is_false(ours())
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
    assert(core.socket_dir.make(root, "kv")):close()
    shell(("touch %s/plugin1"):format(path))
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
