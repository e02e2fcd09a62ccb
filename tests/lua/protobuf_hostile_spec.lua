-- SPDX-License-Identifier: Apache-2.0
--
--- gantry.protobuf on descriptions, messages and JSON that were made to break it: an error that names the place, and a
--- cost that follows the size of the input.

local files = require "lua.protobuf_files"
local json = require "gantry.json"
local protobuf = require "gantry.protobuf"
local wire = require "gantry.protobuf.wire"

local b, v = wire.bytes_field, wire.varint_field

---@param ... string fields of a FieldDescriptorProto
local function field(name, number, kind, ...)
  return b(2, b(1, name) .. v(3, number) .. v(5, kind) .. table.concat { ... })
end

---A file with one message of such content.
local function file(content)
  return b(1, "bad.proto") .. b(2, "p") .. b(4, b(1, "M") .. content) .. b(12, "proto3")
end

local MAP_ENTRY <const> = b(7, v(7, 1))
local REPEATED <const> = v(4, 3)
local MESSAGE <const>, INT32 <const>, STRING <const>, BYTES <const> = 11, 5, 9, 12

local function entry(...)
  return b(3, b(1, "E") .. table.concat { ... } .. MAP_ENTRY)
end

-- What is wrong, and a part of the message that must say so.
local REFUSED = {
  { "a field number of 0", file(field("a", 0, INT32)), "field p.M.a has the number 0" },
  { "a field number beyond the last", file(field("a", 1 << 29, INT32)), "has the number 536870912" },
  { "a negative field number", file(field("a", -1, INT32)), "has the number -1" },
  { "a field without number", file(b(2, b(1, "a") .. v(5, INT32))), "has the number nothing" },
  { "a field without type", file(b(2, b(1, "a") .. v(3, 1))), "field p.M.a has no known type" },
  { "an unknown type", file(field("a", 1, 19)), "field p.M.a has no known type" },
  { "a negative type", file(field("a", 1, -5)), "field p.M.a has no known type" },
  { "an unknown label", file(field("a", 1, INT32, v(4, 9))), "has the label 9" },
  { "a field without name", file(b(2, v(3, 1) .. v(5, INT32))), "a field of p.M has the name nothing" },
  { "an empty name", file(field("", 1, INT32)), "a field of p.M has the name ''" },
  { "control characters in a name", file(field("a\27[2J", 1, INT32)), "a field of p.M has the name 'a\\x1b[2J'" },
  { "a point in a name", file(field("a.b", 1, INT32)), "has the name 'a.b'" },
  { "a name whose wire type is another", file(b(2, v(1, 7) .. v(3, 1) .. v(5, INT32))), "has the name nothing" },
  { "a name twice", file(field("a", 1, INT32) .. field("a", 2, INT32)), "field p.M.a comes twice" },
  { "a number twice", file(field("a", 1, INT32) .. field("b", 1, INT32)), "or another has its number 1" },
  { "a message field without type name", file(field("a", 1, MESSAGE)), "field p.M.a has for its type nothing" },
  { "a type name that is none", file(field("a", 1, MESSAGE, b(6, "..x"))), "has for its type '..x'" },
  { "a oneof that is not there", file(field("a", 1, INT32, v(9, 3))), "in a oneof that is not there" },
  { "a negative index of a oneof", file(field("a", 1, INT32, v(9, -1))), "in a oneof that is not there" },
  { "a oneof without name", file(b(8, "")), "a oneof of p.M has the name nothing" },
  { "a JSON name that is not UTF-8", file(field("a", 1, INT32, b(10, "\xff"))), "JSON name that is not UTF-8" },
  { "an entry without fields", file(entry()), "message p.M.E is marked as the entry of a map" },
  { "an entry with one field", file(entry(field("key", 1, STRING))), "marked as the entry of a map" },
  { "an entry with a list", file(entry(field("key", 1, STRING), field("value", 2, INT32, REPEATED))), "marked as" },
  { "a key of bytes", file(entry(field("key", 1, BYTES), field("value", 2, INT32))), "marked as" },
  { "a key that is a float", file(entry(field("key", 1, 1), field("value", 2, INT32))), "marked as" },
  { "a file without name", b(2, "p"), "the file has no name" },
  { "an empty file", "", "the file has no name" },
  { "a package that is no name", b(1, "f") .. b(2, "a..b"), "the package has the name 'a..b'" },
  { "an enum without name", b(1, "f") .. b(5, ""), "an enum has the name nothing" },
  { "a value without name", b(1, "f") .. b(5, b(1, "E") .. b(2, v(2, 1))), "a value of E has the name nothing" },
  { "a service without name", b(1, "f") .. b(6, ""), "a service has the name nothing" },
  { "a method without name", b(1, "f") .. b(6, b(1, "S") .. b(2, "")), "a method of S has the name nothing" },
  { "a method without types", b(1, "f") .. b(6, b(1, "S") .. b(2, b(1, "Get"))), "method S.Get has for its type" },
  { "a length past the end", b(1, "f") .. "\34\100ab", "it holds no valid field at byte 4" },
  { "a varint of more than ten bytes", b(1, "f") .. "\8" .. ("\255"):rep(11), "it holds no valid field at byte 4" },
  { "a wire type that there is none of", b(1, "f") .. "\15", "it holds no valid field at byte 4" },
  { "half a group", b(1, "f") .. "\11\8\1", "it holds no valid field at byte 4" },
  { "a name of a megabyte", file(field(("a"):rep(1 << 20), 1, INT32)), "has the name 'aaaa" },
}

describe("a description with", function()
  for _, case in ipairs(REFUSED) do
    it(case[1] .. " is refused", function()
      local registry = protobuf.registry()
      for _ = 1, 2 do
        local added, err = registry:add(case[2])
        assert.is_nil(added)
        assert.are.equal("DESCRIPTOR_INVALID", err.code)
        assert.is_truthy(err.message:find(case[3], 1, true), err.message)
        assert.is_true(#err.message < 400)
      end
      assert.is_nil(next(registry.messages))
    end)
  end

  it("an error names its file", function()
    local _, err = protobuf.registry():add(file(field("a", 0, INT32)))
    assert.are.equal("read a description of messages, file 'bad.proto': field p.M.a has the number 0", err.message)
  end)

  ---@param depth integer
  local function nested(depth)
    -- From the inside out, each piece put before those there are.
    local pieces, size = {}, 0
    for index = 1, depth do
      local head = b(1, "M")
      size = size + #head
      local lead = "\26" .. wire.varint(size)
      pieces[index] = lead .. head
      size = size + #lead
    end
    local out = {}
    for index = depth, 1, -1 do out[#out + 1] = pieces[index] end
    local inner = table.concat(out)
    return b(1, "deep.proto") .. b(4, b(1, "M") .. inner)
  end

  it("messages nested 150,000 deep is refused at the cost of its size", function()
    local bytes = nested(150000)
    collectgarbage()
    local before = collectgarbage "count"
    local added, err = protobuf.registry():add(bytes)
    assert.is_true(collectgarbage "count" - before < 16 * 1024)
    assert.is_nil(added)
    assert.is_truthy(err.message:find("nested more than 100 deep", 1, true))
    assert.is_true(protobuf.registry():add(nested(30)))
  end)

  it("a million messages is refused", function()
    local _, err = protobuf.registry():add(b(1, "f") .. ("\34\0"):rep(1000000))
    assert.is_truthy(err.message:find("more types, fields and values than gantry takes", 1, true))
  end)

  it("any number of small files is refused", function()
    local registry, err = protobuf.registry(), nil
    for index = 1, 30000 do
      local added
      added, err = registry:add(b(1, "f" .. index) .. b(4, b(1, "M" .. index)))
      if not added then break end
    end
    assert.are.equal("DESCRIPTOR_INVALID", err.code)
  end)

  for _, one in ipairs {
    { name = "Timestamp", { "seconds", 1, "string" }, { "nanos", 2, "int32" } },
    { name = "StringValue" },
    { name = "Any", { "type_url", 1, "string" }, { "value", 2, "bytes", label = "repeated" } },
    { name = "FieldMask", { "paths", 1, "string" } }, { name = "Value", { "number_value", 2, "double" } },
    { name = "Struct", { "fields", 1, "int32", label = "repeated" } },
  } do
    it("another " .. one.name .. " is refused", function()
      local added, err = protobuf.registry():add(files.encode { package = "google.protobuf", messages = { one } })
      assert.is_nil(added)
      assert.is_truthy(err.message:find(one.name .. " is not the type that protobuf has under this name", 1, true))
    end)
  end

  it("a wrapper in proto2 behaves as the one of proto3", function()
    local registry = files.registry { package = "google.protobuf", syntax = "proto2", messages = {
      { name = "StringValue", { "value", 1, "string" } },
    } }
    assert.are.equal("", assert(assert(registry:message "google.protobuf.StringValue"):decode ""))
  end)
end)

describe("a type that is not described", function()
  it("fails each use of its message in the same way", function()
    local message = files.message { name = "M", { "m", 1, "message", of = ".test.M.E", label = "repeated" },
      { "s", 2, "string" }, messages = { { name = "E", map_entry = true, { "key", 1, "string" },
        { "value", 2, "message", of = ".other.Missing" } } } }
    for _ = 1, 3 do
      for _, use in ipairs { function() return message:encode { s = "x" } end, function() return message:decode "" end,
        function() return message:to_json {} end, function() return message:from_json "{}" end } do
        local value, err = use()
        assert.is_nil(value)
        assert.are.equal("TYPE_UNKNOWN", err.code)
      end
    end
  end)

  it("may be the entry of a map for a field that is no list", function()
    local message = files.message { name = "M", { "m", 1, "message", of = ".test.M.E" }, messages = { { name = "E",
      map_entry = true, { "key", 1, "string" }, { "value", 2, "int32" } } } }
    for _ = 1, 2 do
      local value, err = message:decode ""
      assert.is_nil(value)
      assert.are.equal("DESCRIPTOR_INVALID", err.code)
      assert.is_truthy(err.message:find("field test.M.m has the entry of a map for its type", 1, true))
    end
  end)
end)

describe("a message with", function()
  it("groups in groups is read once", function()
    local message = files.message { name = "M", { "g", 1, "group", of = ".test.M" } }
    local deep = ("\11"):rep(400) .. ("\12"):rep(400)
    assert(message:decode(deep))
    for _, bytes in ipairs { "\11", "\11\11\12", ("\11"):rep(100000), "\12" } do
      local value, err = message:decode(bytes)
      assert.is_nil(value)
      assert.are.equal("ANSWER_INVALID", err.code)
    end
  end)

  it("small parts of a type with many fields is refused", function()
    local wide = { name = "Wide" }
    for number = 1, 5000 do wide[number] = { "f" .. number, number, "int32", label = "repeated" } end
    local registry = files.registry { messages = { wide, { name = "M", { "w", 1, "message", of = ".test.Wide",
      label = "repeated" } } } }
    local value, err = assert(registry:message "test.M"):decode(("\10\0"):rep(100000))
    assert.is_nil(value)
    assert.is_truthy(err.message:find("too many fields that are absent", 1, true))
  end)

  it("a field of a oneof replaces the one before, also in a Value that comes in parts", function()
    local message = files.message { name = "M", oneofs = { "o" }, { "a", 1, "int32", oneof = 0 },
      { "b", 2, "int32", oneof = 0 } }
    assert.are.same({ a = 3 }, assert(message:decode "\8\1\16\2\8\3"))
    assert.are.same({ b = 2 }, assert(message:decode "\8\1\8\3\16\2"))
  end)

  it("keys that are tables is refused", function()
    local message = files.message { name = "M", { "m", 1, "message", of = ".test.M.E", label = "repeated" },
      messages = { { name = "E", map_entry = true, { "key", 1, "string" }, { "value", 2, "int32" } } } }
    local bytes, err = message:encode { m = { [{}] = 1, [{}] = 2, x = 3, [1] = 4 } }
    assert.is_nil(bytes)
    assert.are.equal("MESSAGE_INVALID", err.code)
  end)

  it("text that is not UTF-8 has no JSON", function()
    local message = files.message({ name = "M", { "s", 1, "string" } }, { syntax = "proto2" })
    assert.are.same({ s = "\xff" }, assert(message:decode "\10\1\xff"))
    local text, err = message:to_json "\10\1\xff"
    assert.is_nil(text)
    assert.are.equal("M: bytes that are not UTF-8 have no JSON as a string", err.message)
  end)

  it("a number of JSON that no double holds is refused by a Value", function()
    local g = ".google.protobuf."
    local registry = files.registry { package = "google.protobuf",
      enums = { { name = "NullValue", values = { { "NULL_VALUE", 0 } } } },
      messages = { { name = "Value", oneofs = { "kind" }, { "null_value", 1, "enum", of = g .. "NullValue", oneof = 0 },
        { "number_value", 2, "double", oneof = 0 }, { "string_value", 3, "string", oneof = 0 },
        { "bool_value", 4, "bool", oneof = 0 }, { "struct_value", 5, "message", of = g .. "Struct", oneof = 0 },
        { "list_value", 6, "message", of = g .. "ListValue", oneof = 0 } },
      { name = "Struct", { "fields", 1, "message", of = g .. "Struct.FieldsEntry", label = "repeated" },
        messages = { { name = "FieldsEntry", map_entry = true, { "key", 1, "string" },
          { "value", 2, "message", of = g .. "Value" } } } },
      { name = "ListValue", { "values", 1, "message", of = g .. "Value", label = "repeated" } } } }
    local value = assert(registry:message "google.protobuf.Value")
    local bytes, err = value:encode(assert(json.decode "[18446744073709551615]"))
    assert.is_nil(bytes)
    assert.is_truthy(err.message:find("18446744073709551615 has more digits than a Value carries", 1, true))
    -- Two parts of one Value: the later one replaces the first.
    assert.are.equal("x", assert(value:decode("\32\1" .. "\26\1x")))
  end)

  it("the least of all durations has no JSON", function()
    local registry = files.registry { package = "google.protobuf", messages = { { name = "Duration",
      { "seconds", 1, "int64" }, { "nanos", 2, "int32" } } } }
    local text, err = assert(registry:message "google.protobuf.Duration"):to_json { seconds = math.mininteger }
    assert.is_nil(text)
    assert.are.equal("MESSAGE_INVALID", err.code)
  end)

  it("an Any that comes in many parts costs no more than its size", function()
    local registry = files.registry({ package = "google.protobuf", messages = { { name = "Any",
      { "type_url", 1, "string" }, { "value", 2, "bytes" } } } }, { name = "m.proto", messages = { { name = "M",
      { "a", 1, "message", of = ".google.protobuf.Any" }, { "n", 2, "int32", label = "repeated" } } } })
    local inner = b(2, ("\1"):rep(100000))
    local bytes = b(1, b(1, "x/test.M") .. b(2, inner)) .. ("\10\0"):rep(20000)
    local value = assert(assert(registry:message "test.M"):decode(bytes))
    assert.are.equal(inner, value.a.value) -- more was spent than is given: it stays bytes
  end)
end)
