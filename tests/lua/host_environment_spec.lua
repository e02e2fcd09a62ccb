-- SPDX-License-Identifier: Apache-2.0
--
--- What of a host's environment is meant for its plugin, told from the environments of processes alone.

local host_environment = require "gantry.handover.host_environment"

local OTHERS <const> = { "PLUGIN_MIN_PORT=1", "PLUGIN_MAX_PORT=2", "PLUGIN_PROTOCOL_VERSIONS=6,5" }
local HOST <const> = { "PATH=/bin", "HOME=/root", "TOKEN=secret", "HTTPS_PROXY=p" }

describe("the host's environment", function()
  ---@param ... string[]
  local function join(...)
    local all = {}
    for _, list in ipairs { ... } do table.move(list, 1, #list, #all + 1, all) end
    return all
  end

  ---Processes by number; each has the one below as its parent, 1 has none.
  ---@param environments (string[]|false)[] from the host up to the stand-in; false where it may not be seen
  local function read(environments, cookie_named)
    local processes = {}
    function processes.environment(pid)
      local entries = environments[pid]
      return entries and host_environment.parse(table.concat(entries, "\0") .. "\0") or nil
    end
    function processes.parent(pid) return pid > 1 and pid - 1 or nil end
    return host_environment.read(#environments, { processes = processes, cookie_named = cookie_named })
  end

  it("gives the cookie by its place, and what the host set before its own environment", function()
    local found = assert(read { HOST, join({ "ADDED=yes" }, HOST, { "SET_BY_THE_HOST_LATER=x", "MAGIC=abc" }, OTHERS) })
    assert.are.equal("MAGIC", found.cookie)
    assert.are.same({ MAGIC = "abc", ADDED = "yes" }, found.added)
    assert.are.same({ PLUGIN_MIN_PORT = "1", PLUGIN_MAX_PORT = "2", PLUGIN_PROTOCOL_VERSIONS = "6,5" }, found.handshake)
  end)

  it("gives it also where the host kept its own environment to itself", function()
    local found = assert(read { HOST, join({ "PATH=/bin", "ADDED=yes", "MAGIC=abc" }, OTHERS) })
    assert.are.same({ MAGIC = "abc", PATH = "/bin", ADDED = "yes" }, found.added)
  end)

  it("climbs over shells that stand between, whatever they made of the order", function()
    local started = join(HOST, { "MAGIC=abc" }, OTHERS)
    local shuffled = join(OTHERS, { "_=/bin/sh", "MAGIC=abc", "SHLVL=1" }, HOST)
    local found = assert(read { HOST, started, shuffled, shuffled })
    assert.are.equal("MAGIC", found.cookie)
    assert.are.same({ MAGIC = "abc" }, found.added)
  end)

  it("takes the difference where the order is not go-plugin's", function()
    local found = assert(read { HOST, join({ "PLUGIN_MAX_PORT=2", "MAGIC=abc" }, HOST, { OTHERS[1], OTHERS[3] }) })
    assert.is_nil(found.cookie)
    assert.are.same({ MAGIC = "abc" }, found.added)
  end)

  describe("is the plugin's", function()
    ---@param order string[] what stands before the cookie
    ---@param behind string[]? what stands behind go-plugin's own
    ---@return table<string, string> added but the cookie
    local function added(order, behind, host)
      local found = assert(read { host or HOST, join(order, { "MAGIC=abc" }, OTHERS, behind or {}) })
      assert.are.equal("abc", found.added.MAGIC)
      assert.are.same({}, found.ambiguous)
      found.added.MAGIC = nil
      return found.added
    end

    it("where the host's own stands first", function()
      assert.are.same({ ONE = "1", TWO = "2" }, added(join(HOST, { "ONE=1", "TWO=2" })))
    end)

    it("where it has the host's own value, or another one", function()
      local order = { "PATH=/bin", "HTTPS_PROXY=p", "HOME=/root", "TOKEN=other", "ONE=1" }
      assert.are.same({ HOME = "/root", TOKEN = "other", ONE = "1" }, added(order))
    end)

    it("where the host's own is left out", function()
      assert.are.same({ HOME = "/root", ONE = "1" }, added { "HOME=/root", "ONE=1" })
    end)

    it("where it stands behind the cookie", function()
      assert.are.same({ ONE = "1" }, added(HOST, { "ONE=1" }))
    end)

    it("not where the host set it for itself since its start", function()
      local changed = { "PATH=/sbin:/bin", "HOME=/root", "TOKEN=fresh", "HTTPS_PROXY=p", "LATE=x" }
      assert.are.same({ ONE = "1" }, added(join({ "ONE=1" }, changed)))
      assert.are.same({ HOME = "/", ONE = "1" }, added { "PATH=/sbin:/bin", "TOKEN=fresh", "HTTPS_PROXY=p", "HOME=/",
        "ONE=1" })
    end)

    it("not where the host has taken something away since its start", function()
      assert.are.same({ ONE = "1" }, added { "PATH=/bin", "HOME=/root", "HTTPS_PROXY=p", "ONE=1" })
    end)
  end)

  it("names what it leaves out where the host may not be seen, and passes what the policy names", function()
    for _, host in ipairs { false, {} } do
      local found = assert(read { host, join({ "VAULT_A=1" }, HOST, { "VAULT_B=2", "MAGIC=abc" }, OTHERS) })
      assert.are.same({ MAGIC = "abc" }, found.added)
      local text = host_environment.left_out(found, { pass_env = { "VAULT_*", "HOME" }, env = { "PATH=/usr/bin" } })
      assert.matches("left out: HTTPS_PROXY TOKEN; .*pass_env", text)
      assert.is_nil(host_environment.left_out(found, { pass_env = { "VAULT_*", "H*", "TOKEN", "PATH" } }))
      local built = host_environment.build({ pass_env = { "VAULT_*" } }, found, { directory = "/d", temporary = "/t",
        group = 1, caller = { VAULT_A = "1", VAULT_B = "2", TOKEN = "secret", PLUGIN_MIN_PORT = "1" } })
      assert.are.same({ "MAGIC=abc", "PLUGIN_MAX_PORT=2", "PLUGIN_MIN_PORT=1", "PLUGIN_PROTOCOL_VERSIONS=6,5",
        "PLUGIN_UNIX_SOCKET_DIR=/d", "TMPDIR=/t", "VAULT_A=1", "VAULT_B=2" }, built)
    end
  end)

  it("has a directory for sockets only where it was chosen for this plugin", function()
    local own = join(HOST, { "PLUGIN_UNIX_SOCKET_DIR=/shared" })
    local mine = { "PLUGIN_UNIX_SOCKET_DIR=/mine" }
    local function directory(host, ...) return assert(read { host, join(...) }).socket_dir end
    assert.is_nil(directory(own, own, { "MAGIC=abc" }, OTHERS))
    assert.are.equal("/mine", directory(own, HOST, { "MAGIC=abc" }, OTHERS, mine))
    assert.are.equal("/mine", directory(HOST, mine, HOST, { "MAGIC=abc" }, OTHERS))
    assert.are.equal("/mine", directory(false, HOST, { "MAGIC=abc" }, OTHERS, mine))
    assert.is_nil(directory(false, own, { "MAGIC=abc" }, OTHERS))
  end)

  it("asks for the cookie's name where neither tells it", function()
    local hidden = { false, join(OTHERS, { "X=1" }, HOST) }
    hidden[2][1], hidden[2][2] = hidden[2][2], hidden[2][1]
    local found, err = read(hidden)
    assert.is_nil(found)
    assert.are.equal("COOKIE_UNKNOWN", err.code)
    assert.is_truthy(err.message:find('cookie = { "NAME", "value" }', 1, true))
    assert.are.same({}, assert(read(hidden, true)).added)
  end)

  it("keeps many-line values and go-plugin's names for directories out of what was added", function()
    local certificate = "PLUGIN_CLIENT_CERT=-----BEGIN\nMII\n-----END"
    local found = assert(read { HOST, join({ "TMPDIR=/private" }, HOST, { "MAGIC=abc" }, OTHERS,
      { certificate, "PLUGIN_UNIX_SOCKET_GROUP=users", "PLUGIN_UNIX_SOCKET_DIR=/d" }) })
    assert.are.same({ MAGIC = "abc" }, found.added)
    assert.are.equal("-----BEGIN\nMII\n-----END", found.handshake.PLUGIN_CLIENT_CERT)
    assert.are.equal("users", found.socket_group)
    assert.are.equal("/d", found.socket_dir)
  end)

  it("puts policy over host, the host's cookie over the policy's, and gantry's own directory over all", function()
    local found = { handshake = { PLUGIN_MIN_PORT = "1" }, added = { MAGIC = "abc", A = "host", B = "host" },
      cookie = "MAGIC" }
    local config = { env = { "A=policy" }, pass_env = { "B", "NOT_SET" }, cookie = { key = "OTHER", value = "x" } }
    local facts = { directory = "/run/d", temporary = "/t", group = 5, shared_group = true, caller = { B = "caller" } }
    assert.are.same({ "A=policy", "B=caller", "MAGIC=abc", "PLUGIN_MIN_PORT=1", "PLUGIN_UNIX_SOCKET_DIR=/run/d",
      "PLUGIN_UNIX_SOCKET_GROUP=5", "TMPDIR=/t" }, host_environment.build(config, found, facts))
    found.cookie, found.added.MAGIC = nil, nil
    local function cookie() return table.concat(host_environment.build(config, found, facts), " "):match "OTHER=%S+" end
    assert.are.equal("OTHER=x", cookie())
    facts.caller.OTHER = "the host's"
    assert.are.equal("OTHER=the", cookie())
  end)

  it("is of Packer's own variables for its plugin", function()
    local found = host_environment.packer { PACKER_PLUGIN_MAGIC_COOKIE = "c", PACKER_PLUGIN_MIN_PORT = "1",
      PACKER_PLUGIN_MAX_PORT = "2", PLUGIN_MIN_PORT = "9", PLUGIN_UNIX_SOCKET_DIR = "/of/another", TOKEN = "secret" }
    local entries = host_environment.build({ cookie = { key = "OTHER", value = "x" } }, found,
      { directory = "/d", temporary = "/d", group = 0, caller = {}, shared_group = false })
    local values = {}
    for _, entry in ipairs(entries) do
      local name, value = entry:match("^([^=]*)=(.*)$")
      values[name] = value
    end
    assert.are.equal("c", values.PACKER_PLUGIN_MAGIC_COOKIE)
    assert.are.equal("1", values.PACKER_PLUGIN_MIN_PORT)
    assert.are.equal("2", values.PACKER_PLUGIN_MAX_PORT)
    assert.are.equal("/d", values.TMPDIR) -- where its SDK puts the socket
    for _, name in ipairs { "PLUGIN_MIN_PORT", "TOKEN", "OTHER" } do assert.is_nil(values[name]) end
  end)
end)
