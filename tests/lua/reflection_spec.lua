-- SPDX-License-Identifier: Apache-2.0
--
--- gantry.grpc.reflection: what it asks of a plugin, in either version of the protocol, and what it makes of the
--- answers. The plugin is a table here; the real one is asked in tests/engine/call_spec.lua.

local errors = require "gantry.base.errors"
local files = require "lua.protobuf_files"
local reflection = require "gantry.grpc.reflection"
local stream = require "gantry.grpc.stream"
local wire = require "gantry.protobuf.wire"

local V1 <const>, V1ALPHA <const> = "/grpc.reflection.v1.", "/grpc.reflection.v1alpha."

local USED = files.encode { name = "used.proto", messages = { { name = "Used", { "x", 1, "int32" } } } }
local MAIN = files.encode {
  name = "main.proto", imports = { "used.proto" },
  messages = { { name = "Ask", { "used", 1, "message", of = ".test.Used" } } },
  services = {
    { name = "Store", methods = { { "Get", ".test.Ask", ".test.Used" }, { "Watch", ".test.Ask", ".test.Used",
      server_streaming = true } } },
    { name = "Clock", methods = { { "Now", ".test.Ask", ".test.Gone" } } },
  },
}

---An rpc that answers reflection from tables.
---@param served table versions: path prefixes; services: names; symbols and files: files by name
local function plugin(served)
  local self = { asked = {} }

  local function answer(request)
    local fields = assert(wire.fields(request))
    local file = fields[4] and served.symbols[fields[4]] or fields[3] and served.files[fields[3]]
    self.asked[#self.asked + 1] = fields[3] or fields[4] or "services"
    if fields[7] then
      local list = ""
      for _, name in ipairs(served.services) do list = list .. wire.bytes_field(1, wire.bytes_field(1, name)) end
      return wire.bytes_field(6, list)
    elseif file then
      return wire.bytes_field(4, wire.bytes_field(1, file))
    end
    return wire.bytes_field(7, wire.varint_field(1, 5) .. wire.bytes_field(2, "no such symbol"))
  end

  function self:stream(path, request) -- luacheck: ignore self
    local is_served = false
    for _, version in ipairs(served.versions) do is_served = is_served or path:find(version, 1, true) == 1 end
    return stream.open(function(handlers)
      if is_served then
        handlers.on_message(answer(request))
        handlers.on_end()
      else
        handlers.on_end(errors.new("UNIMPLEMENTED", "unknown service"))
      end
      return { cancel = function() end }
    end)
  end
  return self
end

local function new(changes)
  local served = {
    versions = { V1, V1ALPHA }, services = { "test.Store", "test.Clock" }, files = { ["used.proto"] = USED },
    symbols = { ["test.Store"] = MAIN, ["test.Clock"] = MAIN, ["test.Used"] = USED },
  }
  for name, value in pairs(changes or {}) do served[name] = value end
  local rpc = plugin(served)
  return reflection.new(rpc, "plugin 'p'"), rpc
end

describe("reflection", function()
  for _, version in ipairs { V1, V1ALPHA } do
    it("speaks " .. version, function()
      local found = new { versions = { version } }
      assert.are.same({ ["test.Store"] = { "Get", "Watch" }, ["test.Clock"] = { "Now" } }, assert(found:services()))
      local method = assert(found:method "Store/Watch")
      assert.are.equal("/test.Store/Watch", method.path)
      assert.is_true(method.server_streaming)
      assert.are.equal("test.Ask", method.input.name)
    end)
  end

  it("asks once, also for imports that were not sent along", function()
    local found, rpc = new()
    for _ = 1, 3 do
      local method = assert(found:method "test.Store/Get")
      assert.are.equal("\10\2\8\5", assert(method.input:encode { used = { x = 5 } }))
    end
    assert.are.same({ "services", "test.Store", "used.proto" }, rpc.asked)
  end)

  it("asks for a type where its file could not be had by name", function()
    local found, rpc = new { files = {} }
    assert(assert(found:method "Store/Get").input:encode { used = {} })
    assert.are.same({ "services", "test.Store", "used.proto", "test.Used" }, rpc.asked)
  end)

  local function refused(found, path, code, message)
    local method, err = found:method(path)
    assert.is_nil(method)
    assert.are.equal(code, err.code)
    assert.are.equal(message, err.message)
  end

  it("names the nearest of what is unknown", function()
    local found = new()
    refused(found, "Stor/Get", "SERVICE_UNKNOWN", "plugin 'p' has no service 'Stor'; did you mean 'Store'?")
    refused(found, "test.Stor/Get", "SERVICE_UNKNOWN",
      "plugin 'p' has no service 'test.Stor'; did you mean 'test.Store'?")
    refused(found, "Zebra/Get", "SERVICE_UNKNOWN", "plugin 'p' has no service 'Zebra'; it has test.Clock, test.Store")
    refused(found, "Store/Gte", "METHOD_UNKNOWN", "service test.Store has no method 'Gte'; did you mean 'Get'?")
    refused(found, "Store/Remove", "METHOD_UNKNOWN", "service test.Store has no method 'Remove'; it has Get, Watch")
    refused(found, "Get", "METHOD_UNKNOWN", "a method is named Service/Method, got 'Get'")
    refused(found, "Clock/Now", "TYPE_UNKNOWN", "type test.Gone is not known: no file that describes it was given")
  end)

  it("does not guess between services of one name", function()
    local found = new { services = { "a.Store", "test.Store" } }
    refused(found, "Store/Get", "SERVICE_UNKNOWN",
      "plugin 'p' has more than one service 'Store': a.Store, test.Store; use the full name")
    assert(found:method "test.Store/Get")
  end)

  it("lists a service that cannot be described, without methods", function()
    local found = new { services = { "test.Store", "odd.One" } }
    assert.are.same({ ["test.Store"] = { "Get", "Watch" }, ["odd.One"] = {} }, assert(found:services()))
    refused(found, "odd.One/Get", "NOT_FOUND", "plugin 'p' has no description of odd.One: no such symbol")
  end)

  it("says so where there is none", function()
    local services, err = new({ versions = {} }):services()
    assert.is_nil(services)
    assert.are.equal("NO_REFLECTION", err.code)
    assert.are.equal("plugin 'p' has no gRPC reflection, so gantry does not know its messages; give the encoded "
      .. "request as a string", err.message)
  end)

  it("passes on other failures", function()
    local found = reflection.new({ stream = function()
      return stream.open(function() return nil, errors.new("UNAVAILABLE", "gone") end)
    end }, "plugin 'p'")
    local services, err = found:services()
    assert.is_nil(services)
    assert.are.equal("UNAVAILABLE", err.code)
  end)

  it("names the plugin and the file of a description that is none", function()
    local bad = files.encode { name = "bad.proto", messages = { { name = "M", { "a", 0, "int32" } } } }
    local found = new { symbols = { ["test.Store"] = bad } }
    refused(found, "Store/Get", "DESCRIPTOR_INVALID", "plugin 'p': read a description of messages, file 'bad.proto': "
      .. "field test.M.a has the number 0")
  end)

  it("refuses services without names", function()
    for _, name in ipairs { "", "a\27[2J", "a..b", "a/b", ("a"):rep(5000) } do
      local services, err = new({ services = { "test.Store", name } }):services()
      assert.is_nil(services)
      assert.are.equal("ANSWER_INVALID", err.code)
      assert.is_nil(err.message:find "%c")
    end
  end)

  it("asks no end of questions of no plugin", function()
    local served = setmetatable({}, { __index = function(_, name)
      return files.encode { name = name .. "x", imports = { name .. "xx", name .. "xy" } }
    end })
    local found, rpc = new { files = served, symbols = served }
    refused(found, "Store/Get", "NOT_FOUND", "plugin 'p' has no description of test.Store")
    assert.is_true(#rpc.asked < 200)
    local names = {}
    for index = 1, 10000 do names[index] = "s" .. index end
    local services, err = new({ services = names, files = {}, symbols = {} }):services()
    assert.is_nil(services)
    assert.are.equal("ANSWER_INVALID", err.code)
  end)

  it("shows what a plugin says of a refusal in one line", function()
    local found = reflection.new({ stream = function()
      return stream.open(function(handlers)
        handlers.on_message(wire.bytes_field(7, wire.bytes_field(2, "no\n\27" .. ("x"):rep(100000))))
        handlers.on_end()
        return { cancel = function() end }
      end)
    end }, "plugin 'p'")
    local _, err = found:services()
    assert.are.equal("NOT_FOUND", err.code)
    assert.is_nil(err.message:find "%c")
    assert.is_true(#err.message < 2000)
  end)
end)
