-- SPDX-License-Identifier: Apache-2.0
--
-- schema_spec.lua: the list of config fields, the types of their values, and what must hold between them.

local config = require "gantry.config"
local image = require "gantry.base.image"
local record = require "gantry.base.record"
local schema = require "gantry.config.schema"
local types = require "gantry.base.types"

---What reading a value gives, and the messages of what is wrong.
local function read(type, value)
  local messages = {}
  local result = type.read(value, "x", function(_, message) messages[#messages + 1] = message end)
  return result, messages
end

---The messages for a config, which gets an image where it has none.
local function findings(fields)
  fields.image = fields.image or "kv"
  local _, errs = config.validate(fields)
  local messages = {}
  for i, err in ipairs(errs or {}) do messages[i] = err.message end
  return messages
end

local function normalized(fields)
  fields.image = fields.image or "kv"
  local found, errs = config.validate(fields)
  return assert(found, errs and errs[1] and errs[1].message)
end

describe("the schema", function()
  it("documents each field in one line, with an example or a default that it accepts itself", function()
    for _, field in ipairs(schema.fields) do
      assert.matches("^%u[^\n]*%.$", field.doc)
      assert.is_true(#field.doc <= 120, field.name)
      assert.is_true(field.example ~= nil or field.default ~= nil or field.type.kind == "boolean", field.name)
      if field.example then
        local example = assert(load("return " .. field.example, "example", "t", { restart = require "gantry.restart" }))
        local _, messages = read(field.type, example())
        if field.name ~= "sha256" then assert.same({}, messages) end -- its example is a shortened one
      end
      if field.default ~= nil then assert.same({}, select(2, read(field.type, field.default))) end
    end
  end)

  it("has each name once, and no other name that is a field", function()
    local seen = {}
    for _, field in ipairs(schema.fields) do
      for _, name in ipairs { field.name, table.unpack(field.also or {}) } do
        assert.is_nil(seen[name])
        seen[name] = true
      end
    end
  end)

  it("fills in defaults", function()
    local found = normalized {}
    local expected = {
      name = "kv", image = "kv", cap_ipc_lock = false, disable_network = false, auto_mtls = false,
      debug = false, protocol_versions = { 1 }, protocol = { "grpc" }, start_timeout = 60, stop_timeout = 10,
    }
    for name, value in pairs(expected) do assert.same(value, found[name]) end
    for _, name in ipairs { "memory", "tag", "env", "args", "entrypoint", "runtime" } do assert.is_nil(found[name]) end
  end)

  it("does not hand out its own defaults", function()
    table.insert(normalized({}).protocol_versions, 99)
    assert.same({ 1 }, normalized({}).protocol_versions)
  end)
end)

describe("types", function()
  it("check scalars", function()
    assert.same({ "x must be true or false, got 'yes'" }, select(2, read(types.boolean(), "yes")))
    assert.is_false(read(types.boolean(), false))
    assert.equal(3, read(types.integer(), 3.0))
    assert.equal("integer", math.type((read(types.integer(), 3.0))))
    assert.same({ "x must be a whole number, got 3.5" }, select(2, read(types.integer(), 3.5)))
    assert.same({ "x must be at least 1, got 0" }, select(2, read(types.integer { min = 1 }, 0)))
    assert.same({ "x must be at most 5, got 6" }, select(2, read(types.number { max = 5 }, 6)))
    assert.same({ "x must be a number, got nan" }, select(2, read(types.number(), tonumber("nan") or -(0 / 0))))
    assert.same({ "x must not be empty" }, select(2, read(types.string(), "")))
    assert.matches("zero byte", select(2, read(types.string(), "a\0b"))[1])
    assert.same({ "x must be a function, got a list" }, select(2, read(types.callable(), { 1 })))
    assert.same({ 'x must be "never" or "always", got \'alway\'; did you mean \'always\'?' },
      select(2, read(types.enumeration { "never", "always" }, "alway")))
  end)

  it("check amounts in the units that they were written in", function()
    assert.equal(1.5, read(types.duration(), "1500ms"))
    assert.equal(4096, read(types.size(), "4KiB"))
    assert.same({ "x must be at most 1m, got '61s'" }, select(2, read(types.duration { max = "1m" }, "61s")))
    assert.same({ "x must be at least 6MiB, got 5" }, select(2, read(types.size { min = "6MiB" }, 5)))
  end)

  it("check lists", function()
    local list = types.list(types.string())
    assert.same({ "a", "b" }, (read(list, { "a", "b" })))
    assert.same({}, (read(list, {})))
    assert.same({ "x must be a list of strings, got 'a'" }, select(2, read(list, "a")))
    assert.same({ "x must be a list of strings, got a table" }, select(2, read(list, { a = 1 })))
    assert.same({ "x[2] must be a string, got 2", "x[3] must not be empty" }, select(2, read(list, { "a", 2, "" })))
    local set = types.list(types.string(), { unique = true })
    assert.same({ "x: 'a' is there twice" }, select(2, read(set, { "a", "a" })))
    assert.same({ "x must be a list of strings, got a list that has names as well" },
      select(2, read(list, { "a", nil, "c", b = 1 })))
    assert.same({ "x must be a list of strings, got a list with nil in it" }, select(2, read(list, { "a", nil, "c" })))
  end)

  it("check one value or a list of them", function()
    local either = types.one_or_list(types.enumeration { "grpc", "netrpc" })
    assert.same({ "grpc" }, (read(either, "grpc")))
    assert.same({ "netrpc", "grpc" }, (read(either, { "netrpc", "grpc" })))
    assert.same({ 'x must be "grpc" or "netrpc", got \'http\'' }, select(2, read(either, "http")))
    assert.same({ "x must not be empty" }, select(2, read(either, {})))
    assert.matches("or a list of them, got 5$", select(2, read(either, 5))[1])
  end)

  it("check maps and unions", function()
    local map = types.map(types.string())
    assert.same({ a = "b" }, (read(map, { a = "b" })))
    assert.same({ "x must be a map of strings, got a list" }, select(2, read(map, { "a" })))
    assert.same({ "x.a must be a string, got 1" }, select(2, read(map, { a = 1 })))
    local union = types.union(types.integer(), types.string())
    assert.equal(5, read(union, 5))
    assert.equal("a", read(union, "a"))
    assert.same({ "x must be a whole number or a string, got true" }, select(2, read(union, true)))
  end)

  it("check records, by name and by position", function()
    local pair = record.new({
      { name = "key", type = types.string(), required = true, doc = "" },
      { name = "hard", type = types.integer(), default = 7, doc = "" },
    }, { positions = { "key" } })
    assert.same({ key = "a", hard = 7 }, (read(pair, { "a" })))
    assert.same({ key = "a", hard = 1 }, (read(pair, { key = "a", hard = 1 })))
    assert.same({ "x.key is missing" }, select(2, read(pair, {})))
    assert.same({ "x: unknown field 'hrad'; did you mean 'hard'?" }, select(2, read(pair, { "a", hrad = 1 })))
    assert.same({ "x: unknown field 'colour'" }, select(2, read(pair, { "a", colour = 1 })))
    assert.same({ "x: [2] has no field name; write name = value" }, select(2, read(pair, { "a", "b" })))
  end)
end)

describe("images", function()
  it("are taken apart", function()
    local digest = "sha256:" .. ("0a"):rep(32)
    local expected = {
      ["kv"] = { name = "kv" },
      ["kv:1.0"] = { name = "kv", tag = "1.0" },
      ["registry.example:5000/team/kv"] = { name = "registry.example:5000/team/kv" },
      ["registry.example:5000/kv:v1_2-3.4"] = { name = "registry.example:5000/kv", tag = "v1_2-3.4" },
      ["localhost/kv@" .. digest] = { name = "localhost/kv", digest = digest },
      ["[::1]:5000/kv:1@" .. digest] = { name = "[::1]:5000/kv", tag = "1", digest = digest },
      ["Registry.Example/a/b__c/d-e.f"] = { name = "Registry.Example/a/b__c/d-e.f" },
      [digest] = { id = digest },
    }
    for text, parts in pairs(expected) do assert.same(parts, image.parse(text)) end
  end)

  it("are refused with a reason", function()
    local wrong = {
      [""] = "must not be empty", ["KV"] = "capital letters", ["a//b"] = "'' is not a valid part",
      ["a b"] = "not a valid part", ["-kv"] = "not a valid part", ["kv."] = "not a valid part",
      ["kv:"] = "not a valid tag", ["kv:a:b"] = "not a valid",
      ["kv@sha256:12"] = "digest", ["kv@"] = "digest", ["http://x.y/kv"] = "not a registry's address",
      ["/kv"] = "not a valid",
      ["a.b:x/kv"] = "not a registry's address", ["kv:" .. ("1"):rep(129)] = "not a valid tag",
      [("a"):rep(256)] = "longer than",
    }
    for text, expected in pairs(wrong) do
      local parts, reason = image.parse(text)
      assert.is_nil(parts)
      assert.matches(expected, reason, 1, true)
    end
  end)

  it("give a short name", function()
    assert.equal("kv", image.short_name("registry.example:5000/team/kv:1"))
    assert.is_nil(image.short_name("sha256:" .. ("0"):rep(64)))
  end)
end)

describe("fields", function()
  it("environment: a map or a list, read as a sorted list", function()
    assert.same({ "A=1", "B=x=y", "C=" }, normalized({ env = { B = "x=y", A = "1", C = "" } }).env)
    assert.same({ "A=1", "B=2" }, normalized({ env = { "B=2", "A=1" } }).env)
    assert.same({ "env must be a map of strings or a list of \"NAME=VALUE\", got 'A=1'" }, findings { env = "A=1" })
    assert.same({ "env.A must be a string, got 1" }, findings { env = { A = 1 } })
    assert.same({ "env: 'A' is there twice" }, findings { env = { "A=1", "A=2" } })
    assert.same({ "env[1] must be NAME=VALUE, got 'A'; to hand in a variable of your own environment, name it in "
      .. "pass_env" }, findings { env = { "A" } })
    assert.same({ "env: '1A' is not the name of a variable" }, findings { env = { "1A=x" } })
    assert.same({ "env: '' is not the name of a variable" }, findings { env = { "=x" } })
    assert.same({ "env: 'PLUGIN_CLIENT_CERT' belongs to go-plugin's handshake: gantry sets it" },
      findings { env = { PLUGIN_CLIENT_CERT = "x" } })
    assert.same({ "env[1] must be NAME=VALUE, got true" }, findings { env = { true } })
    assert.same({ "pass_env[1] names 'A B', which is not the name of a variable" }, findings { pass_env = { "A B" } })
    assert.same({}, findings { pass_env = { "VAULT_*", "A*B" } })
    assert.same({ "pass_env[1] names '*', which is not the name of a variable" }, findings { pass_env = { "*" } })
    assert.same({ "PLUGIN_TOKEN=x" }, normalized({ env = { PLUGIN_TOKEN = "x" } }).env)
  end)

  it("sha256", function()
    local digits = ("9F"):rep(32)
    assert.equal(digits:lower(), normalized({ sha256 = digits }).sha256)
    assert.equal(digits:lower(), normalized({ sha256 = "sha256:" .. digits }).sha256)
    assert.same({ "sha256 must be 64 hex digits, got 63" }, findings { sha256 = digits:sub(2) })
    assert.same({ "sha256 must be 64 hex digits, got 'g' among them" }, findings { sha256 = "g" .. digits:sub(2) })
    assert.same({ "sha256 must be 64 hex digits, got 0" }, findings { sha256 = "" })
  end)

  it("limits", function()
    assert.equal(67108864, normalized({ memory = "64MiB" }).memory)
    assert.same({ "memory must not be negative, got -1" }, findings { memory = -1 })
    assert.same({ "memory must be at least 6MiB, got '5MiB'" }, findings { memory = "5MiB" })
    assert.equal(500000000, normalized({ cpus = 0.5 }).nano_cpus)
    assert.is_nil(normalized({ cpus = 0.5 }).cpus)
    assert.equal(250000000, normalized({ nano_cpus = 250000000 }).nano_cpus)
    assert.same({ "cpus must be at least 0.01, got 0" }, findings { cpus = 0 })
    assert.same({ "nano_cpus must be a whole number, got 0.5" }, findings { nano_cpus = 0.5 })
    local ulimits = normalized({ ulimits = { { name = "nofile", soft = 10 } } }).ulimits
    assert.same({ { name = "nofile", soft = 10, hard = 10 } }, ulimits)
    assert.same({ "ulimits[1].soft is missing" }, findings { ulimits = { { name = "nofile" } } })
    assert.same({ "pids_limit must be at least 1, got 0" }, findings { pids_limit = 0 })
  end)

  it("labels", function()
    assert.same({ ["com.example"] = "x", a = "" }, normalized({ labels = { ["com.example"] = "x", a = "" } }).labels)
    assert.same({ "labels: the name 'gantry.plugin' starts with 'gantry.', which is gantry's own" },
      findings { labels = { ["gantry.plugin"] = "x" } })
  end)

  it("mounts and tmpfs", function()
    local mounts = normalized({ mounts = { { source = "/a", target = "/b" } } }).mounts
    assert.same({ { source = "/a", target = "/b", read_only = false } }, mounts)
    assert.same({ ["/tmp"] = "" }, normalized({ tmpfs = { "/tmp" } }).tmpfs)
    assert.same({ ["/tmp"] = "size=1m" }, normalized({ tmpfs = { ["/tmp"] = "size=1m" } }).tmpfs)
    assert.same({ "mounts[1].target must not be the container's root" },
      findings { mounts = { { source = "/a", target = "/" } } })
    assert.same({ "mounts[1].source must be an absolute path, got './a'" },
      findings { mounts = { { source = "./a", target = "/b" } } })
    assert.same({ "tmpfs[1] must be an absolute path, got 'tmp'" }, findings { tmpfs = { "tmp" } })
  end)

  it("cookie, versions, protocol, users and groups", function()
    assert.same({ key = "K", value = "v" }, normalized({ cookie = { "K", "v" } }).cookie)
    assert.same({ key = "K", value = "v" }, normalized({ cookie = { key = "K", value = "v" } }).cookie)
    assert.same({ "cookie.value is missing" }, findings { cookie = { "K" } })
    assert.matches("handshake", findings({ cookie = { "PLUGIN_MIN_PORT", "v" } })[1])
    assert.same({ 5, 6 }, normalized({ protocol_versions = { 5, 6 } }).protocol_versions)
    assert.same({ "protocol_versions must not be empty" }, findings { protocol_versions = {} })
    assert.same({ "protocol_versions must be a list of whole numbers, got 1" }, findings { protocol_versions = 1 })
    assert.same({ "grpc", "netrpc" }, normalized({ protocol = { "grpc", "netrpc" } }).protocol)
    assert.equal("1000", normalized({ user = 1000 }).user)
    assert.equal("a:b", normalized({ user = "a:b" }).user)
    assert.same({ 5, "docker" }, normalized({ group_add = { 5, "docker" } }).group_add)
    assert.same({ "socket_group must be at least 0, got -1" }, findings { socket_group = -1 })
  end)

  it("durations and names", function()
    assert.equal(90, normalized({ start_timeout = "1m30s" }).start_timeout)
    assert.same({ "start_timeout must be at least 1ms, got 0" }, findings { start_timeout = 0 })
    assert.equal(0, normalized({ stop_timeout = 0 }).stop_timeout)
    for _, name in ipairs { "../x", ".x", "a/b", "a b", ("a"):rep(65) } do
      assert.matches("^name must have 1 to 64 letters", findings({ name = name })[1])
    end
    assert.equal("terraform-provider-null_v1.2", normalized({ name = "terraform-provider-null_v1.2" }).name)
  end)
end)

describe("rules between fields", function()
  it("cpus or nano_cpus", function()
    assert.same({ "cpus and nano_cpus limit the same; leave one of them out" },
      findings { cpus = 1, nano_cpus = 1000000000 })
  end)

  it("one tag", function()
    assert.same({ "tag '2' beside an image that has the tag '1' already; leave the tag out" },
      findings { image = "kv:1", tag = "2" })
    assert.matches("has a digest", findings({ image = "kv@sha256:" .. ("0"):rep(64), tag = "2" })[1])
    assert.matches("has no name", findings({ image = "sha256:" .. ("0"):rep(64), tag = "2" })[1])
    assert.same({}, findings { image = "registry.example:5000/kv", tag = "2" })
  end)

  it("a network or none", function()
    assert.same({
      "endpoints_config and disable_network = true exclude each other; leave one of them out",
      "networks and disable_network = true exclude each other; leave one of them out",
    }, findings { disable_network = true, networks = { "a" }, endpoints_config = { b = { Aliases = { "c" } } } })
    assert.same({}, findings { disable_network = false, networks = { "a" } })
  end)

  it("one source for a variable", function()
    assert.same({ "pass_env: 'A' is in env as well; leave one of them out" },
      findings { env = { A = "1" }, pass_env = { "A" } })
    assert.same({ "cookie: 'A' is in env as well; leave it out there" },
      findings { env = { A = "1" }, cookie = { "A", "x" } })
  end)

  it("one thing mounted at a path", function()
    local mount = { source = "/a", target = "/tmp/" }
    assert.same({ "mounts[1]: '/tmp' is taken already, by tmpfs" }, findings { tmpfs = { "/tmp" }, mounts = { mount } })
    assert.same({ "mounts[2]: '/tmp' is taken already, by mounts[1]" }, findings { mounts = { mount, mount } })
  end)

  it("soft limits below hard ones", function()
    assert.same({ "ulimits[1]: soft is above hard" },
      findings { ulimits = { { name = "nofile", soft = 2, hard = 1 } } })
    assert.same({}, findings { ulimits = { { name = "core", soft = 2, hard = -1 } } })
  end)
end)
