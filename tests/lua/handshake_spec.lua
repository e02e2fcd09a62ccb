-- SPDX-License-Identifier: Apache-2.0
--
--- gantry.core.handshake: a plugin's first line as a table.

local handshake = require("gantry.core").handshake
local errors = require "gantry.base.errors"

describe("a handshake", function()
  it("is a table of its fields", function()
    local shake = assert(handshake.parse("1|5|unix|/run/gantry/kv/plugin1|grpc|\n"))
    assert.are.same({
      core_version = 1, protocol_version = 5, network = "unix", address = "/run/gantry/kv/plugin1", protocol = "grpc",
    }, shake)
    assert.are.equal("integer", math.type(shake.core_version))
    assert.are.equal("integer", math.type(shake.protocol_version))
  end)

  it("means netrpc where it names no protocol", function()
    local shake = assert(handshake.parse("1|1|tcp|127.0.0.1:1234"))
    assert.are.equal("netrpc", shake.protocol)
    assert.are.equal("tcp", shake.network)
  end)

  it("has its certificate decoded", function()
    -- base64 of the bytes 0 to 59, without padding where there would be none, then of 0 to 60 where there would be
    local text = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7"
    local bytes = {}
    for i = 0, 59 do bytes[#bytes + 1] = string.char(i) end
    local wanted = table.concat(bytes)
    assert.are.equal(wanted, assert(handshake.parse("1|1|unix|/s|grpc|" .. text)).certificate)
    assert.are.equal(wanted .. "<", assert(handshake.parse("1|1|unix|/s|grpc|" .. text .. "PA")).certificate)
    assert.is_nil(assert(handshake.parse("1|1|unix|/s|grpc|" .. text:sub(1, 50))).certificate)

    local shake, err = handshake.parse("1|1|unix|/s|grpc|" .. text .. "PA==")
    assert.is_nil(shake)
    assert.are.equal("HANDSHAKE_INVALID", err.code)
    assert.is_truthy(err.message:find("6 (certificate)", 1, true))
  end)

  it("says of multiplexing true, false or nothing", function()
    assert.is_true(assert(handshake.parse("1|1|unix|/s|grpc||true")).multiplex)
    assert.is_false(assert(handshake.parse("1|1|unix|/s|grpc||F")).multiplex)
    assert.is_nil(assert(handshake.parse("1|1|unix|/s|grpc|")).multiplex)
  end)

  it("fails with an error that names the field and shows what it holds", function()
    for line, part in pairs {
      ["Segmentation fault"] = "'Segmentation fault' is not a go-plugin handshake",
      [""] = "'' is not a go-plugin handshake",
      ["one|1|unix|/s"] = "1 (core protocol version) must be a number, got 'one'",
      ["1|one|unix|/s"] = "2 (application protocol version) must be a number, got 'one'",
      ["1|1|pipe|/s"] = "3 (network) must be unix or tcp, got 'pipe'",
      ["1|1|tcp|localhost"] = "4 (address) must be host:port, got 'localhost'",
      ["1|1|unix|/a\0b"] = "4 (address) must be without control characters, got '/a\\x00b'",
      ["1|1|unix|/s|rest"] = "5 (protocol) must be grpc or netrpc, got 'rest'",
      ["1|1|unix|/s|grpc||maybe"] = "7 (multiplexing) must be true or false, got 'maybe'",
    } do
      local shake, err = handshake.parse(line)
      assert.is_nil(shake)
      assert.is_true(errors.is(err, "HANDSHAKE_INVALID"))
      assert.is_truthy(err.message:find(part, 1, true), err.message)
    end
    local _, err = handshake.parse("2|1|unix|/s|grpc")
    assert.are.equal("HANDSHAKE_CORE_VERSION", err.code)
  end)

  it("must be a string", function() assert.has_error(function() handshake.parse(nil) end) end)
end)
