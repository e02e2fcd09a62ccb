-- SPDX-License-Identifier: Apache-2.0
--
-- secrets_spec.lua: files of secrets: what they may be, what is taken from them, and that nothing of them is shown.

local archive = require "gantry.engine.docker.archive"
local config = require "gantry.config"
local core = require "gantry.core"
local credentials = require "gantry.plugin.credentials"
local env_files = require "gantry.plugin.env_files"
local environment = require "gantry.plugin.environment"
local launches = require "gantry.place.launches"
local masking = require "gantry.plugin.masking"
local memory_dir = require "gantry.place.memory_dir"
local records = require "gantry.engine.docker.records"
local secret_file = require "gantry.plugin.secret_file"

local SECRET <const> = "hunter2-sesame"
local folder

local function shell(text, ...)
  local pipe <close> = assert(io.popen(text:format(...)))
  return (pipe:read "a":gsub("\n$", ""))
end

local function write(name, text)
  local path = folder .. "/" .. name
  local file <close> = assert(io.open(path, "wb"))
  assert(file:write(text))
  return path
end

before_each(function() folder = shell "mktemp -d /tmp/gantry-secrets-XXXXXX" end)
after_each(function() shell("rm -rf %s", folder) end)

describe("a file of variables", function()
  local function read(text) return env_files.read { env_files = { write("x.env", text) } } end

  it("is taken as docker takes it: lines, comments, CRLF, the value as it stands", function()
    local found = assert(read "\xEF\xBB\xBF# a comment\r\nA=1\r\n\n  B= two words = 2 \nEMPTY=\nA=3\nC='q'\nlast.one=x")
    assert.same({ A = "3", B = " two words = 2 ", EMPTY = "", C = "'q'", ["last.one"] = "x" }, found.values)
    assert.equal(1, #found.warnings)
    assert.matches("x.env:7: the quotes are part of C's value", found.warnings[1])
    assert.is_nil(found.warnings[1]:find("q'", 1, true))
  end)

  it("is refused by the line, of which nothing is shown", function()
    for line, reason in pairs {
      [SECRET] = "has no '='", ["=" .. SECRET] = "has no name before",
      ["9 " .. SECRET .. "=="] = "has no name of a variable",
      ["PLUGIN_MIN_PORT=" .. SECRET] = "go%-plugin's handshake", ["A=" .. SECRET .. "\xff"] = "is not UTF%-8",
      ["A=" .. SECRET .. "\0"] = "holds a zero byte", ["two words=" .. SECRET] = "has no name of a variable",
    } do
      local found, err = read("# one\n" .. line .. "\n")
      assert.is_nil(found)
      assert.equal("ENV_FILE_INVALID", err.code)
      assert.matches("^env_files%[1%]: " .. folder:gsub("%-", "%%-") .. "/x.env:2: the line .*" .. reason, err.message)
      assert.is_nil(err.message:find(SECRET, 1, true))
    end
  end)

  it("counts less than env, pass_env and the cookie; the later file counts over the earlier one", function()
    local found = assert(env_files.read { env_files = { write("1.env", "A=1\nB=1\nC=1\nD=1\nE=1"),
      write("2.env", "E=2") } })
    local given = assert(config.validate { image = "x", env = { A = "env" }, pass_env = { "B" },
      cookie = { "C", "c" } })
    local entries = environment.build(given, { directory = "/d", group = 0, caller = { B = "caller" },
      files = found.values })
    local seen = {}
    for _, entry in ipairs(entries) do
      local name, value = entry:match "^([^=]*)=(.*)$"
      assert.is_nil(seen[name], name)
      seen[name] = value
    end
    assert.same({ "env", "caller", "c", "1", "2" }, { seen.A, seen.B, seen.C, seen.D, seen.E })
    assert.equal("D E", masking.label(entries, found.values))
  end)

  it("has its values masked in a request, by where they came from", function()
    local spec = { env = { "D=" .. SECRET, "TOKEN=shown" }, labels = { ["gantry.masked"] = "D E" } }
    assert.same({ "D=********", "TOKEN=shown" }, masking.spec(spec).env)
    assert.equal("D=" .. SECRET, spec.env[1])
    for _, labels in ipairs { {}, { ["gantry.masked"] = 5 }, false } do assert.same({}, masking.names(labels)) end
  end)
end)

describe("a secret file", function()
  it("is refused for what is wrong with it, by its name", function()
    local large = write("large", ("x"):rep(1024 * 1024 + 1))
    shell("mkfifo %s/fifo; mkdir %s/folder", folder, folder)
    local group = write("group", SECRET)
    shell("chmod 620 %s", group)
    local all = write("all", SECRET)
    shell("chmod 602 %s", all)
    for name, expected in pairs {
      missing = { "SECRET_MISSING", "does not exist" }, ["group/inner"] = { "SECRET_MISSING", "does not exist" },
      folder = { "SECRET_NOT_A_FILE", "is a directory" }, fifo = { "SECRET_NOT_A_FILE", "is no regular file" },
      group = { "SECRET_UNSAFE", "by its group; run: chmod go%-w" },
      all = { "SECRET_UNSAFE", "by everybody; run: chmod go%-w" },
      large = { "SECRET_TOO_LARGE", "larger than 1 MiB" },
    } do
      local path = folder .. "/" .. name
      for _, how in ipairs { secret_file.check, secret_file.read } do
        local ok, err = how(path, "credentials.token")
        assert.is_nil(ok)
        assert.equal(expected[1], err.code, name)
        assert.matches("^credentials%.token: /.*" .. expected[2], err.message)
      end
      local ok, err = secret_file.copy(path, folder .. "/copy", { mode = 256 }, "credentials.token")
      assert.is_nil(ok)
      assert.equal(expected[1], err.code, name)
      assert.is_nil(core.system.stat(folder .. "/copy"))
    end
    assert.is_true(#large > 0)
  end)

  it("cannot be read by somebody else, which is told with the user", function()
    local path = write("private", SECRET)
    shell("chmod 755 %s; chmod 400 %s", folder, path)
    local program = ([[local ok, err = require("gantry.plugin.secret_file").check(%q, "credentials.t")
      print(ok, err and err.code, err and err.message)]]):format(path)
    if core.system.euid() ~= 0 then return pending "needs root to be somebody else" end
    local said = shell("setpriv --reuid 64999 --regid 64998 --clear-groups lua5.4 -e '%s' 2>&1", program)
    assert.matches("SECRET_UNREADABLE.*cannot be read by user 64999", said)
  end)

  it("of at most 1 MiB is copied whole, with the mode that was asked for", function()
    for _, size in ipairs { 0, 1, 4097, 1024 * 1024 } do
      local path, copy = write("from", ("s"):rep(size)), folder .. "/to" .. size
      assert(secret_file.copy(path, copy, { mode = 256 }, "credentials.t"))
      assert.equal(size, core.system.stat(copy).size)
      assert.equal(256, core.system.stat(copy).mode)
      shell("cmp %s %s && echo same", path, copy)
      assert.equal("same", shell("cmp %s %s && echo same", path, copy))
    end
    local taken = write("taken", "kept")
    local ok, err = secret_file.copy(write("from", "new"), taken, { mode = 256 }, "credentials.t")
    assert.is_nil(ok)
    assert.equal("WRITE_FAILED", err.code)
    assert.equal("kept", shell("cat %s", taken))
  end)

  it("is checked for each credential before anything is made", function()
    local given = assert(config.validate { image = "x", credentials = { a = write("a", "1"), b = folder .. "/b" } })
    local ok, err = credentials.check(given)
    assert.is_nil(ok)
    assert.matches("^credentials%.b: .*/b does not exist", err.message)
    write("b", "2")
    assert.is_true(credentials.check(given))
  end)
end)

describe("credentials belong to", function()
  ---@param changes table of the config
  ---@param engine table
  ---@return table? status of the file, gantry.Error?
  local function fill(changes, engine, more)
    local target = shell("mktemp -d %s/filled-XXXXXX", folder)
    local given = { image = "x", credentials = { it = write("it", SECRET) } }
    for name, value in pairs(changes) do given[name] = value end
    local plugin = { config = assert(config.validate(given)), engine = engine, container = "c", group = 4242,
      image = {}, credentials = { source = target, target = "/run/credentials/x" } }
    for name, value in pairs(more or {}) do plugin[name] = value end
    local ok, err = credentials.fill(plugin)
    return ok and core.system.stat(target .. "/it"), err
  end

  local function docker(options, root)
    local info = records.info({ SecurityOptions = options, DockerRootDir = root }, "docker")
    return { kind = "docker", info = function() return info end,
      read_file = function() return "root:x:0:0::/:\nkv:x:77:77::/:\n" end }
  end

  it("the plugin's user as this machine knows it", function()
    if core.system.euid() ~= 0 then return pending "only root can give files away" end
    local plain, mapped = docker { "name=seccomp" }, docker({ "name=userns" }, "/var/lib/docker/100000.200000")
    for _, case in ipairs { { {}, plain, 0 }, { { user = "root:5" }, plain, 0 }, { { user = "65532:1" }, plain, 65532 },
      { { user = "kv" }, plain, 77 }, { {}, mapped, 100000 }, { { user = "kv" }, mapped, 100077 },
      { { user = "kv", userns_mode = "host" }, mapped, 77 } } do
      local status = assert(fill(case[1], case[2]))
      assert.same({ case[3], tonumber("400", 8) }, { status.uid, status.mode })
    end
    local _, err = fill({ user = "nobody-here" }, plain)
    assert.equal("USER_UNKNOWN", err.code)
    _, err = fill({}, docker({ "name=userns" }, "/somewhere"))
    assert.equal("ENGINE_UNSUPPORTED", err.code)
  end)

  it("the caller where root of a rootless engine's container is the caller, else to the shared group", function()
    local rootless = { rootless_engine = true, group = core.group.effective() }
    local own = assert(fill({}, docker {}, rootless))
    assert.same({ core.system.euid(), tonumber("400", 8) }, { own.uid, own.mode })
    local shared = assert(fill({ user = "65532" }, docker {}, rootless))
    assert.same({ core.system.euid(), core.group.effective(), tonumber("440", 8) },
      { shared.uid, shared.gid, shared.mode })
  end)
end)

describe("the folder of a launch's credentials", function()
  it("is in memory, this user's alone, and goes with the record of the launch", function()
    local path = assert(memory_dir.path(folder, "kv", "0123abcd"))
    assert.is_true(core.system.in_memory(path:match "^(/[^/]+/[^/]+)/"))
    assert(memory_dir.make(path))
    local above = core.system.stat(path:match "^(.*)/")
    assert.same({ tonumber("700", 8), core.system.euid() }, { above.mode, above.uid })
    local environment_of_test = { GANTRY_STATE_DIR = folder .. "/state" }
    assert(launches.keep({ container = "gantry-kv-1", plugin = "kv", engine = "unix:///e", directory = folder .. "/kv",
      credentials = path }, environment_of_test))
    assert(secret_file.copy(write("from", SECRET), path .. "/token", { mode = 256 }, "credentials.token"))
    launches.forget("gantry-kv-1", folder .. "/kv", environment_of_test)
    assert.is_nil(core.system.stat(path))
    assert.is_nil(launches.of("gantry-kv-1", folder .. "/kv", environment_of_test))
  end)

  it("goes where its maker was killed before it had said that it is gantry's", function()
    shell("mkdir -m 700 %s/begun %s/begun/kv-0123abcd", folder, folder)
    memory_dir.remove(folder .. "/begun/kv-0123abcd")
    assert.same({}, core.files.list(folder .. "/begun"))
  end)

  it("is nothing that gantry did not make", function()
    shell("mkdir -m 700 %s/theirs; touch %s/theirs/file", folder, folder)
    for _, path in ipairs { folder .. "/theirs", folder .. "/none", "relative/path", "/", "", "/a" } do
      memory_dir.remove(path)
    end
    assert.is_truthy(core.system.stat(folder .. "/theirs/file"))
  end)

  it("has a short path, whatever the plugin's name and the runtime directory are", function()
    for _, root in ipairs { folder, ("/dev/shm/%s"):format(("x"):rep(80)), "/dev/shm" } do
      assert.is_true(#assert(memory_dir.path(root, ("n"):rep(64), "0123abcd")) <= 107 - 17)
    end
  end)
end)

describe("an engine's archive", function()
  it("gives the first regular file, and nothing of what is damaged", function()
    write("passwd", "root:x:0:0::/:/bin/sh\nkv:x:1234:5::/:\n")
    shell("mkdir -p %s/d", folder)
    local tar = shell("cd %s && tar -cf t.tar --format=pax d passwd && cat t.tar", folder) .. "\n"
    assert.matches("^root:x:0.*kv:x:1234", archive.first_file(tar))
    for _, size in ipairs { 0, 100, 511, 512, 1000 } do archive.first_file(tar:sub(1, size)) end
    assert.is_nil(archive.first_file(("x"):rep(2048)))
    assert.is_nil(archive.first_file(tar:sub(1, 1024 + 520)))
  end)
end)
