-- SPDX-License-Identifier: Apache-2.0
--
--- Messages by descriptor, in small: what each kind of field is on the wire and in a table, and what is refused, with
--- the path to it.

local files = require "lua.protobuf_files"
local protobuf = require "gantry.protobuf"

---The error of an encoding that must fail.
local function refused(message, value, root)
  local bytes, err = message:encode(value, root)
  assert.is_nil(bytes)
  assert.are.equal("MESSAGE_INVALID", err.code)
  return err.message
end

local function scalar(kind)
  return files.message { name = "One", { "value", 1, kind } }
end

describe("a scalar", function()
  -- Type, value, its bytes in field 1.
  local GOOD = {
    { "int32", 150, "\x08\x96\x01" }, { "int32", -1, "\x08" .. ("\xff"):rep(9) .. "\x01" },
    { "int32", 5.0, "\x08\x05" },
    { "int64", math.mininteger, "\x08" .. ("\x80"):rep(9) .. "\x01" },
    { "uint32", 4294967295, "\x08\xff\xff\xff\xff\x0f" },
    { "uint64", -1, "\x08" .. ("\xff"):rep(9) .. "\x01" },
    { "sint32", -2147483648, "\x08\xff\xff\xff\xff\x0f" }, { "sint64", -1, "\x08\x01" },
    { "fixed32", 1, "\x0d\1\0\0\0" }, { "fixed64", -2, "\x09\xfe" .. ("\xff"):rep(7) },
    { "sfixed32", -1, "\x0d\xff\xff\xff\xff" }, { "sfixed64", 1, "\x09\1\0\0\0\0\0\0\0" },
    { "bool", true, "\x08\1" }, { "float", 1, "\x0d\0\0\x80\x3f" }, { "double", -0.0, "\x09\0\0\0\0\0\0\0\x80" },
    { "string", "ü", "\x0a\2\xc3\xbc" }, { "bytes", "\xff\0", "\x0a\2\xff\0" },
  }
  for _, case in ipairs(GOOD) do
    it(("of type %s: %s"):format(case[1], tostring(case[2])), function()
      local message = scalar(case[1])
      assert.are.equal(case[3], assert(message:encode { value = case[2] }))
      assert.are.same({ value = case[2] }, assert(message:decode(case[3])))
    end)
  end

  -- Type, value, the reason.
  local BAD = {
    { "int32", "5", "One.value: int32 expected, got string" },
    { "int32", 1.5, "One.value: int32 expected, got 1.5" },
    { "int32", 2147483648, "One.value: int32 expected, got 2147483648, which is out of its range" },
    { "int64", 2 ^ 63, "One.value: int64 expected, got 9.2233720368547758e+18" },
    { "uint32", -1, "One.value: uint32 expected, got -1, which is out of its range" },
    { "bool", 1, "One.value: bool expected, got 1" },
    { "float", 1e300, "One.value: float expected, got 1.0000000000000001e+300, which is out of its range" },
    { "double", "1", "One.value: double expected, got string" },
    { "string", 5, "One.value: string expected, got number" },
    { "string", "a\xff", "One.value: string expected, got bytes that are not UTF-8 (at byte 2)" },
    { "string", "\xed\xa0\x80", "One.value: string expected, got bytes that are not UTF-8 (at byte 1)" },
    { "bytes", {}, "One.value: bytes (a string) expected, got table" },
  }
  for _, case in ipairs(BAD) do
    it(("of type %s refuses %s"):format(case[1], tostring(case[2])), function()
      assert.are.equal(case[3], refused(scalar(case[1]), { value = case[2] }))
    end)
  end

  it("has its default where it is absent, and is not sent where it has it", function()
    for kind, default in pairs { int64 = 0, string = "", bytes = "", bool = false, double = 0.0, fixed32 = 0 } do
      assert.are.same({ value = default }, assert(scalar(kind):decode ""))
      assert.are.equal("", assert(scalar(kind):encode { value = default }))
    end
  end)

  it("is refused in bytes that are no UTF-8, or end early", function()
    for bytes, message in pairs {
      ["\x0a\1\xff"] = "One.value: string expected, got bytes that are not UTF-8",
      ["\x0a\5ab"] = "One.value: the bytes end inside a value",
      ["\x80"] = "One: the bytes hold no valid field at byte 1",
      ["\0\0"] = "One: the bytes hold no valid field at byte 1",
    } do
      local value, err = scalar "string":decode(bytes)
      assert.is_nil(value)
      assert.are.equal("ANSWER_INVALID", err.code)
      assert.are.equal(message, err.message)
    end
  end)

  it("of 64 bits shows as unsigned too", function()
    assert.are.equal("18446744073709551615", protobuf.unsigned(-1))
    assert.are.equal("9223372036854775808", protobuf.unsigned(math.mininteger))
    assert.are.equal("42", protobuf.unsigned(42))
  end)
end)

describe("a field", function()
  local registry = files.registry({
    enums = { { name = "Colour", values = { { "NONE", 0 }, { "RED", 1 }, { "CRIMSON", 1 }, { "BELOW", -1 } } } },
    messages = {
      { name = "Item", { "name", 1, "string" }, { "size_in_bytes", 2, "uint64" } },
      { name = "All", oneofs = { "choice", "_maybe" },
        { "colour", 1, "enum", of = ".test.Colour" },
        { "items", 2, "message", of = ".test.Item", label = "repeated" },
        { "numbers", 3, "sint32", label = "repeated" },
        { "loose", 4, "int32", label = "repeated", packed = false },
        { "by_name", 5, "message", of = ".test.All.ByNameEntry", label = "repeated" },
        { "text", 6, "string", oneof = 0 }, { "item", 7, "message", of = ".test.Item", oneof = 0 },
        { "maybe", 8, "int32", oneof = 1, optional = true },
        { "again", 9, "message", of = ".test.All" },
        messages = { { name = "ByNameEntry", map_entry = true,
          { "key", 1, "string" }, { "value", 2, "message", of = ".test.Item" } } } },
    },
  })
  local All = assert(registry:message "test.All")
  local EMPTY = { colour = "NONE", items = {}, numbers = {}, loose = {}, by_name = {} }

  ---EMPTY with these fields.
  local function with(fields)
    local value = {}
    for name, default in pairs(EMPTY) do value[name] = default end
    for name, element in pairs(fields) do value[name] = element end
    return value
  end

  ---Encodes, checks the bytes, decodes.
  local function both(value, bytes, decoded)
    assert.are.equal(bytes, assert(All:encode(value)))
    assert.are.same(with(decoded or value), assert(All:decode(bytes)))
  end

  it("that is an enum has a name, or a number that has none", function()
    both({ colour = "RED" }, "\x08\1")
    both({ colour = "CRIMSON" }, "\x08\1", { colour = "RED" })
    both({ colour = 1 }, "\x08\1", { colour = "RED" })
    both({ colour = 77 }, "\x08\77")
    both({ colour = "BELOW" }, "\x08" .. ("\xff"):rep(9) .. "\1")
    assert.are.equal("All.colour: a name or number of Colour expected, got 'REDD'; did you mean 'RED'?",
      refused(All, { colour = "REDD" }))
    assert.are.equal("All.colour: a name or number of Colour expected, got boolean", refused(All, { colour = true }))
  end)

  it("that is repeated is packed or not, and is read either way", function()
    both({ numbers = { -1, 2, 0 } }, "\x1a\3\1\4\0")
    both({ loose = { 1, 2 } }, "\x20\1\x20\2")
    assert.are.same(with { numbers = { -1, 2 }, loose = { 1, 2, 3 } }, All:decode "\x18\1\x18\4\x22\2\1\2\x20\3")
    assert.are.equal("All.numbers[2]: sint32 expected, got string", refused(All, { numbers = { 1, "2" } }))
    assert.are.equal("All.numbers: a list expected, got one with gaps",
      refused(All, { numbers = { 1, nil, 3 } }))
    assert.are.equal("All.numbers: a list expected, got a table with the key x", refused(All, { numbers = { x = 1 } }))
    assert.are.equal("All.items: a list expected, got string", refused(All, { items = "x" }))
  end)

  it("that is a message is a table", function()
    both({ items = { { name = "a", size_in_bytes = 0 }, { name = "", size_in_bytes = 1 } } },
      "\x12\3\10\1a\x12\2\x10\1")
    assert.are.equal("All.items[1].name: string expected, got number", refused(All, { items = { { name = 1 } } }))
    assert.are.equal("All.items[2]: Item (a table) expected, got string", refused(All, { items = { {}, "x" } }))
    assert.are.equal("All.again.again.items[1]: unknown field 'size_in_byte'; did you mean 'size_in_bytes'?",
      refused(All, { again = { again = { items = { { size_in_byte = 1 } } } } }))
    assert.are.equal("Get.request: unknown field 'itens'; did you mean 'items'?",
      refused(All, { itens = {} }, "Get.request"))
    assert.are.equal("All: All expected, which has named fields, got the key 1", refused(All, { "x" }))
  end)

  it("that is a map is a table of its keys, sent in their order", function()
    both({ by_name = { b = { name = "", size_in_bytes = 2 }, a = { name = "", size_in_bytes = 1 } } },
      "\x2a\7\10\1a\x12\2\x10\1\x2a\7\10\1b\x12\2\x10\2")
    assert.are.equal('All.by_name["x\\ny"].name: string expected, got table',
      refused(All, { by_name = { ["x\ny"] = { name = {} } } }))
    assert.are.equal("All.by_name[1]: string expected, got number", refused(All, { by_name = { {} } }))
    -- An entry without key or value has their defaults.
    assert.are.same(with { by_name = { [""] = { name = "", size_in_bytes = 0 } } }, All:decode "\x2a\0")
  end)

  it("of a oneof excludes the others", function()
    both({ text = "" }, "\x32\0")
    assert.are.same(with { item = { name = "", size_in_bytes = 0 } }, All:decode "\x32\1a\x3a\0")
    assert.are.equal("All: 'text' and 'item' exclude each other (oneof choice)", refused(All, { text = "", item = {} }))
  end)

  it("that is optional is there or not", function()
    both({ maybe = 0 }, "\x40\0")
    both({}, "")
  end)

  it("that comes twice is merged or replaced", function()
    assert.are.same(with { again = with { text = "b", maybe = 1, numbers = { 1, 2 } } },
      All:decode "\x4a\7\x40\1\x32\1a\x18\2\x4a\5\x32\1b\x18\4")
  end)

  it("that is not known is kept beside the table and sent again", function()
    local bytes = "\x08\1\xf8\x01\5\xf9\x01abcdefgh\xfa\x01\2xy\xfd\x01abcd\xfb\x01\8\1\xfc\x01"
    local value = assert(All:decode(bytes))
    assert.are.same(with { colour = "RED" }, value)
    assert.are.equal(bytes:sub(3), protobuf.unknown_fields(value))
    assert.are.equal(bytes, All:encode(value))
    -- Also in a message within, and where the wire type is not the field's.
    local inner = "\x4a\3\x0a\1z"
    assert.are.equal(inner, All:encode(assert(All:decode(inner))))
    assert.is_nil(protobuf.unknown_fields {})
  end)

  it("that contains itself is refused", function()
    local value = {}
    value.again = value
    assert.is_truthy(refused(All, value):find("nested more than 500 deep: does a table contain itself?", 1, true))
    local bytes = ""
    for _ = 1, 600 do bytes = "\x4a" .. require("gantry.protobuf.wire").varint(#bytes) .. bytes end
    local decoded, err = All:decode(bytes)
    assert.is_nil(decoded)
    assert.are.equal("ANSWER_INVALID", err.code)
  end)
end)

describe("proto2", function()
  local Legacy = files.message({ name = "Legacy",
    { "id", 1, "int64", label = "required" }, { "name", 2, "string" }, { "plain", 3, "int32", label = "repeated" },
    { "row", 4, "group", of = ".test.Legacy.Row", label = "repeated" },
    messages = { { name = "Row", { "cell", 1, "bytes" } } },
  }, { syntax = "proto2" })

  it("has required fields", function()
    assert.are.equal("Legacy.id: is required", refused(Legacy, {}))
    assert.are.equal("\8\0", assert(Legacy:encode { id = 0 }))
  end)

  it("does not fill in absent fields, nor pack lists, nor check UTF-8", function()
    local bytes = "\8\1\x12\1\xff\x18\1\x18\2"
    assert.are.equal(bytes, assert(Legacy:encode { id = 1, name = "\xff", plain = { 1, 2 } }))
    assert.are.same({ id = 1, name = "\xff", plain = { 1, 2 }, row = {} }, assert(Legacy:decode(bytes)))
    assert.are.same({ id = 1, plain = {}, row = {} }, assert(Legacy:decode "\8\1"))
  end)

  it("has groups", function()
    local bytes = "\8\1\x23\10\1a\x24\x23\x24"
    assert.are.equal(bytes, assert(Legacy:encode { id = 1, row = { { cell = "a" }, {} } }))
    assert.are.same({ id = 1, plain = {}, row = { { cell = "a" }, {} } }, assert(Legacy:decode(bytes)))
    assert.is_nil((Legacy:decode "\8\1\x23\10\1a"))
    assert.is_nil((Legacy:decode "\8\1\x23\10\1a\x2c"))
  end)
end)

describe("editions", function()
  it("say by features what proto2 and proto3 mean", function()
    local One = files.message({ name = "One",
      { "explicit", 1, "int32" }, { "implicit", 2, "int32", features = { [1] = 2 } },
      { "needed", 3, "int32", features = { [1] = 3 } }, { "packed", 4, "int32", label = "repeated" },
      { "expanded", 5, "int32", label = "repeated", features = { [3] = 2 } },
      { "group", 6, "message", of = ".test.One.Group", features = { [5] = 2 } },
      { "any_bytes", 7, "string", features = { [4] = 3 } },
      messages = { { name = "Group", { "cell", 1, "string" } } },
    }, { syntax = "editions" })
    assert.are.equal("One.needed: is required", refused(One, {}))
    local value = { explicit = 0, implicit = 0, needed = 0, packed = { 1 }, expanded = { 1 }, group = { cell = "a" },
      any_bytes = "\xff" }
    local bytes = "\8\0\x18\0\x22\1\1\x28\1\x33\10\1a\x34\x3a\1\xff"
    assert.are.equal(bytes, assert(One:encode(value)))
    assert.are.same(value, assert(One:decode(bytes)))
  end)

  it("inherit the file's features", function()
    local One = files.message({ name = "One", { "list", 1, "int32", label = "repeated" }, { "value", 2, "int32" } },
      { syntax = "editions", features = { [1] = 2, [3] = 2 } })
    assert.are.equal("\8\1\8\2", assert(One:encode { list = { 1, 2 }, value = 0 }))
  end)
end)

describe("a registry", function()
  local USER = { name = "user.proto", imports = { "used.proto" },
    messages = { { name = "User", { "used", 1, "message", of = ".test.Used" } } } }
  local USED = { name = "used.proto", messages = { { name = "Used", { "x", 1, "int32" } } } }

  it("takes files in any order and names those that are missing", function()
    local registry = files.registry(USER)
    assert.are.same({ "used.proto" }, registry:missing_files())
    local User = assert(registry:message "test.User")
    local bytes, err = User:encode { used = { x = 1 } }
    assert.is_nil(bytes)
    assert.are.equal("TYPE_UNKNOWN", err.code)
    assert.is_truthy(err.message:find("test.Used", 1, true))
    assert.is_true(registry:add(files.encode(USED)))
    assert.is_false(registry:add(files.encode(USED)))
    assert.are.same({}, registry:missing_files())
    assert.are.equal("\10\2\8\1", assert(User:encode { used = { x = 1 } }))
  end)

  it("asks once for a type that it does not have", function()
    local registry = files.registry(USER)
    local asked = {}
    registry.on_missing = function(name)
      asked[#asked + 1] = name
      if name == "test.Used" then assert(registry:add(files.encode(USED))) end
    end
    assert(registry:message("test.User"):encode { used = {} })
    assert.is_nil((registry:message "test.Other"))
    assert.is_nil((registry:message "test.Other"))
    assert.are.same({ "test.Used", "test.Other" }, asked)
  end)

  it("knows services", function()
    local registry = files.registry { services = { { name = "S", methods = {
      { "One", ".test.A", ".test.B" }, { "Many", ".test.A", ".test.B", server_streaming = true } } } } }
    local service = assert(registry:service "test.S")
    assert.are.equal("/test.S/One", service.by_name.One.path)
    assert.are.equal("test.B", service.by_name.One.output)
    assert.is_false(service.by_name.One.server_streaming)
    assert.is_true(service.by_name.Many.server_streaming)
  end)

  it("refuses what is no description", function()
    for _, bytes in ipairs { "\xff", "", "\x22\x05abc", "\x20\1" } do
      local added, err = protobuf.registry():add(bytes)
      assert.is_nil(added)
      assert.are.equal("DESCRIPTOR_INVALID", err.code)
    end
  end)
end)
