-- SPDX-License-Identifier: Apache-2.0
--
--- Other users of the machine: what they put where gantry keeps or reads something is refused with its name, never
--- used, and holds nobody up. Run as root, which can be somebody else; elsewhere the other user is root.

local core = require "gantry.core"
local file = require "gantry.policy.file"
local launches = require "gantry.place.launches"
local reattach_data = require "gantry.place.reattach_data"
local state_dir = require "gantry.place.state_dir"
local store = require "gantry.supervisor.store"

local GANTRY <const> = assert(os.getenv "GANTRY")
local OTHER <const> = 65534

local is_root = core.system.euid() == 0
local test = is_root and it or pending

describe("another user of the machine", function()
  local folder

  local function shell(command, ...) return assert(os.execute(command:format(...))) end
  local function as_other(command, ...)
    return shell("setpriv --reuid %d --regid %d --clear-groups sh -c '%s'", OTHER, OTHER, command:format(...))
  end

  ---@return string output of the verb, standard error included
  local function gantry(variables, arguments)
    local pipe = assert(io.popen(("cd / && env DOCKER_HOST=unix:///nowhere %s timeout 20 %s %s </dev/null 2>&1"):format(
      variables, GANTRY, arguments)))
    local output = pipe:read "a"
    pipe:close()
    return output
  end

  before_each(function()
    folder = "/tmp/gantry-neighbours-" .. core.system.random(6)
    shell("mkdir -m 1777 %s", folder)
    shell("chmod 1777 %s", folder)
  end)
  after_each(function() shell("rm -rf %s", folder) end)

  test("cannot lend a directory", function()
    as_other("mkdir %s/theirs && ln -s /tmp %s/link && mkdir -m 777 %s/open", folder, folder, folder)
    shell("mkdir -m 777 %s/ours && chmod 777 %s/ours", folder, folder)
    for _, path in ipairs { "theirs", "theirs/in", "link/x", "open/x", "ours", "ours/x" } do
      local made, err = core.files.make_directory(folder .. "/" .. path, tonumber("700", 8))
      assert.is_nil(made, path)
      assert.are.equal("DIRECTORY_UNSAFE", err.code)
      assert.is_truthy(err.message:find(folder .. "/" .. path:match "^[^/]+", 1, true), err.message)
      if path ~= "theirs" and path ~= "ours" then
        local root, unsafe = core.socket_dir.root(folder .. "/" .. path)
        assert.is_nil(root, path)
        assert.are.equal("RUNTIME_DIR_UNSAFE", unsafe.code)
      end
    end
    assert.is_true(core.files.make_directory(folder .. "/new/deep", tonumber("700", 8)))
  end)

  test("cannot have a state directory taken for ours, also where there is no HOME", function()
    as_other("mkdir -p %s/state/up", folder)
    local opened, err = store.open(folder .. "/state/up")
    assert.is_nil(opened)
    assert.is_truthy(err.message:find(folder .. "/state belongs to another user", 1, true), err.message)
    assert.is_truthy(err.message:find("--state", 1, true), err.message)
    opened, err = store.open ""
    assert.is_nil(opened)
    assert.is_truthy(err.message:find("its path is empty", 1, true), err.message)
    assert.is_nil(state_dir.path({ XDG_STATE_HOME = "" }):find "^/tmp/")
  end)

  test("cannot write a record that is believed", function()
    local environment = { GANTRY_STATE_DIR = folder .. "/state" }
    assert(launches.keep({ container = "gantry-kv-1", plugin = "kv", engine = "e", directory = "/run/gantry/kv" },
      environment))
    assert.is_table(launches.of("gantry-kv-1", nil, environment))
    shell("chown %d %s/state/launches/gantry-kv-1.json", OTHER, folder)
    assert.is_nil(launches.of("gantry-kv-1", nil, environment))
    local id = ("c"):rep(64)
    shell("mkdir %s/state/reattach", folder)
    shell("printf '{\"version\":1,\"container\":\"%s\",\"name\":\"kv\"}' > %s/state/reattach/%s.json", id, folder,
      id)
    assert.is_table(reattach_data.of(id, environment))
    shell("mv %s/state/reattach/%s.json %s/state/m && ln -s ../m %s/state/reattach/%s.json", folder, id, folder, folder,
      id)
    assert.is_nil(reattach_data.of(id, environment))
  end)

  test("cannot flip a link so that a policy of theirs is run", function()
    shell("printf 'return { image = \"good\" }' > %s/good.lua", folder)
    as_other("printf evil > %s/evil.lua", folder)
    as_other("(while [ -e %s/good.lua ]; do ln -sf good.lua %s/l1 && mv -T %s/l1 %s/policy.lua; "
      .. "ln -sf evil.lua %s/l2 && mv -T %s/l2 %s/policy.lua; done) >/dev/null 2>&1 &", folder, folder, folder, folder,
      folder, folder, folder)
    local good, refused = 0, 0
    repeat
      local text, err = file.read(folder .. "/policy.lua")
      if text then
        assert.is_truthy(text:find("good", 1, true))
        good = good + 1
      else
        assert.is_true(err.code == "POLICY_UNSAFE" or err.code == "POLICY_NOT_FOUND", err.code)
        refused = refused + 1
      end
    until good >= 300 and refused >= 300 or good + refused > 200000
    assert.is_true(good > 0 and refused > 0)
  end)

  test("cannot hold a policy's reader up with a FIFO, a device or a directory", function()
    shell("mkfifo %s/fifo.lua && mkdir %s/dir.lua && ln -s /dev/zero %s/zero.lua && ln -s nowhere %s/none.lua", folder,
      folder, folder, folder)
    for name, code in pairs { fifo = "POLICY_NOT_A_FILE", dir = "POLICY_NOT_A_FILE", zero = "POLICY_NOT_A_FILE",
      none = "POLICY_NOT_FOUND" } do
      local text, err = file.read(("%s/%s.lua"):format(folder, name))
      assert.is_nil(text)
      assert.are.equal(code, err.code)
    end
    local output = gantry("", ("check %s/fifo.lua %s/zero.lua"):format(folder, folder))
    assert.is_truthy(output:find("is no regular file", 1, true), output)
  end)

  test("keeps what lies beside a directory of gantry's", function()
    shell("mkdir -p %s/home/docs %s/home/work && chmod 700 %s/home && touch %s/home/docs/thesis %s/home/work/code",
      folder, folder, folder, folder, folder)
    local output = gantry(("GANTRY_RUNTIME_DIR=%s/home GANTRY_STATE_DIR=%s/state"):format(folder, folder), "gc --all")
    assert.is_nil(output:find("traceback", 1, true), output)
    assert.is_table(core.system.stat(folder .. "/home/docs/thesis"))
    assert.is_table(core.system.stat(folder .. "/home/work/code"))
    local made, err = core.socket_dir.make(folder .. "/home", "docs")
    assert.is_nil(made)
    assert.are.equal("SOCKET_DIR_FOREIGN", err.code)
  end)
end)
