-- SPDX-License-Identifier: Apache-2.0
--
--- `gantry init`: a first policy for each host, of an image that the engine has and of one that it has not.

local first_policy = require "gantry.text.first_policy"
local json = require "gantry.json"
local support = require "engine.support"
local terminal = require "engine.terminal"

local KV <const> = (os.getenv "GANTRY_CACHE" or support.source .. "/.cache") .. "/kv/kv-1.8"
local ID <const> = ("ab"):rep(32)

describe("gantry init", function()
  local folder

  before_each(function() folder = support.temporary() end)
  after_each(function() support.remove(folder) end)

  ---@param line string
  ---@return string output of both kinds, integer code
  local function run(line)
    local pipe = assert(io.popen(("cd %s && { TMPDIR=$PWD %s %s; } 2>&1 </dev/null"):format(folder,
      support.executable, line)))
    local output = pipe:read "a"
    local _, _, code = pipe:close()
    return output, code
  end

  local function written(name) return support.read(folder .. "/" .. name) end

  it("writes for each host what passes check and can be planned as it stands", function()
    support.write(folder .. "/gvisor.json", '{"engine": {"runtimes": ["runc", "runsc"]}}')
    for i, host in ipairs { "none", table.unpack(first_policy.hosts()) } do
      local file = "for-" .. host .. ".lua"
      local output, code = run(("init --image registry.example:5000/x/plugin-auth-y:1.2 --sha256 %s --output %s %s"):
        format(ID, file, i == 1 and "" or "--for " .. host:upper()))
      assert.are.same({ 0, ("wrote %s, pinned; next: gantry plan %s\n"):format(file, file) }, { code, output })
      assert.matches('"ok":true', (run("check --json " .. file)), 1, true)
      output, code = run("plan --offline --json --ctx gvisor.json " .. file) -- with a TMPDIR that is private
      assert.are.equal(0, code, output)
      assert.is_truthy(output:find(ID, 1, true))
      assert.are.equal(host == "none" and 1 or nil, written(file):find "^%-%-")
      assert.are.equal(host ~= "none", os.execute(("test -x %s/%s"):format(folder, file)) or false)
    end
    assert.is_truthy(written("for-vault.lua"):find('type = "auth", -- or "secret" or "database"', 1, true))
  end)

  it("pins what the engine has, and that runs as it stands but for its cookie", function()
    local output, code = run "init --image gantry-test-kv"
    assert.are.same({ 0, "wrote gantry-test-kv.lua, pinned; next: gantry plan gantry-test-kv.lua\n" }, { code, output })
    local image = assert(support.engine():image "gantry-test-kv")
    assert.is_truthy(written("gantry-test-kv.lua"):find(image.id:match "%x+$", 1, true))
    local policy = written("gantry-test-kv.lua"):gsub("%-%- cookie = { \"NAME_PLUGIN\", \"value\" }",
      ("cookie = { %q, %q }"):format(table.unpack(support.cookie)))
    support.write(folder .. "/kv.lua", policy)
    output, code = run "call kv.lua gantry.test.KV/Get '{\"key\": \"a\"}'"
    assert.is_falsy(output:find("handshake", 1, true), output)
    assert.are_not.equal(3, code, output)
  end)

  it("takes a file, for each host, from wherever the policy is to be", function()
    assert(os.execute(("cp %s %s/kv && mkdir %s/policies"):format(KV, folder, folder)))
    for _, host in ipairs { "none", table.unpack(first_policy.hosts()) } do
      local file = ("policies/for-%s.lua"):format(host)
      local output, code = run(("init ./kv --output %s %s"):format(file, host == "none" and "" or "--for " .. host))
      assert.are.equal(0, code, output)
      assert.is_truthy(output:find "^static ELF, %S+MiB; wrote ")
      assert.is_truthy(output:find(file .. ", pinned; next: gantry plan " .. file, 1, true), output)
      assert.is_truthy(written(file):find(("binary = %q"):format(folder .. "/kv"), 1, true), written(file))
      assert.is_true(json.decode((run("check --json " .. file))).policies[1].ok)
    end
    local output, code = run "init --binary kv --name of-binary"
    assert.are.equal(0, code, output)
    assert.is_truthy(written("of-binary.lua"):find('binary = "kv"', 1, true))
    assert.is_falsy(written("of-binary.lua"):find("libraries", 1, true))
    run "init --binary /bin/ls --name dynamic"
    assert.is_truthy(written("dynamic.lua"):find("libraries = true", 1, true))
    assert.is_true(json.decode((run "check --json dynamic.lua")).policies[1].ok)
  end)

  it("says where it could not pin", function()
    local output, code = run "init --image no-such-image"
    assert.are.equal(0, code)
    assert.is_truthy(output:find("not pinned, since the image's id is not known: image no-such-image", 1, true), output)
    assert.matches('"ok":true', (run "check --json no-such-image.lua"), 1, true)
    output, code = run "init --image no-such-image --for vault"
    assert.are.equal(6, code)
    assert.is_truthy(output:find("Vault pins its plugins: say --sha256 ID", 1, true), output)
    output, code = run "init --image no-such-image --for openbao --engine unix:///nowhere"
    assert.are.equal(5, code, output)
  end)

  it("never overwrites", function()
    support.write(folder .. "/kv.lua", "mine")
    assert(os.execute(("ln -s nowhere %s/link.lua"):format(folder)))
    for _, file in ipairs { "kv.lua", "link.lua" } do
      local output, code = run(("init --image x --sha256 %s --output %s"):format(ID, file))
      assert.are.same({ 1, ("gantry: %s is there already and stays as it is; say --output FILE\n"):format(file) },
        { code, output })
    end
    assert.are.equal("mine", written "kv.lua")
    assert.are.same({ "kv.lua", "link.lua" }, support.entries(folder))
  end)

  it("refuses what it cannot use, and writes nothing", function()
    for line, expected in pairs {
      [""] = "say which plugin: --image IMAGE or --binary FILE",
      ["--image 'Foo Bar'"] = "--image must be an image such as",
      ["--binary x --image x"] = "PLUGIN, --image and --binary exclude each other",
      ["--image x --for valt"] = "'valt' is no host that gantry knows (did you mean 'vault'?)",
      ["--image x --for zzz"] = "is no host that gantry knows (vault, openbao, ",
      ["--image x --type auth"] = "--type is for plugins of Vault and OpenBao",
      ["--image x --for vault --type sql"] = "--type must be auth, secret or database, got 'sql'",
      ["--image x --sha256 12"] = "--sha256 must be 64 hex digits, got 2",
      ["--image registry.example/vault"] = "vault.lua would hide the policy of that name",
      ["--image x --name a/b"] = "--name must have 1 to",
    } do
      local output, code = run("init " .. line)
      assert.are.equal(2, code, line)
      assert.is_truthy(output:find("gantry: " .. expected, 1, true) or output:find(expected, 1, true), output)
      assert.are.equal(1, select(2, output:gsub("\n", "")), output)
    end
    local output, code = run(("init --image x --sha256 %s --output no/such/x.lua"):format(ID))
    assert.are.same({ 1, "gantry: write no/such/x.lua: No such file or directory\n" }, { code, output })
    assert.are.same({}, support.entries(folder))
  end)

  it("asks at a terminal for what it was not told", function()
    local command = ("cd %s && exec %s init --sha256 %s"):format(folder, support.executable, ID)
    local screen = terminal.open(("sh -c '%s'"):format(command), {})
    screen:shows "Image of the plugin, or path of its binary:"
    screen:enter "plugin-database-x"
    screen:shows "Host that starts it (vault, "
    screen:enter "vault"
    screen:shows "Type of the plugin (auth, secret or database; empty for database):"
    screen:enter ""
    screen:shows "exit code 0"
    screen:close()
    assert.is_truthy(written("plugin-database-x.lua"):find('type = "database"', 1, true))
  end)
end)
