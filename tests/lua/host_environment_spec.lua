-- SPDX-License-Identifier: Apache-2.0
--
--- What of a host's environment is meant for its plugin, told from the environments of processes alone.

local host_environment = require "gantry.exec.host_environment"

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
    assert.are.same({ MAGIC = "abc", ADDED = "yes" }, found.added)
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

  it("takes the place alone where the host may not be seen", function()
    local found = assert(read { false, join({ "ADDED=yes" }, HOST, { "MAGIC=abc" }, OTHERS) })
    assert.are.same({ MAGIC = "abc" }, found.added)
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

  it("puts policy over host, and gantry's own directory over all", function()
    local found = { handshake = { PLUGIN_MIN_PORT = "1" }, added = { MAGIC = "abc", A = "host", B = "host" },
      cookie = "MAGIC" }
    local config = { env = { "A=policy" }, pass_env = { "B", "NOT_SET" }, cookie = { key = "OTHER", value = "x" } }
    local facts = { directory = "/run/d", group = 5, shared_group = true, caller = { B = "caller" } }
    assert.are.same({ "A=policy", "B=caller", "OTHER=x", "PLUGIN_MIN_PORT=1", "PLUGIN_UNIX_SOCKET_DIR=/run/d",
      "PLUGIN_UNIX_SOCKET_GROUP=5", "TMPDIR=/run/d" }, host_environment.build(config, found, facts))
  end)
end)
