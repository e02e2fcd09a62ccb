-- SPDX-License-Identifier: Apache-2.0
--
--- protobuf's JSON mapping, and the well-known types in tables and in JSON.

local files = require "lua.protobuf_files"
local json = require "gantry.json"

---A message type of google.protobuf with fields.
local function known(name, ...) return { name = name, ... } end

local function wrapper(name, kind) return known(name, { "value", 1, kind }) end

local GOOGLE = {
  name = "google.proto", package = "google.protobuf",
  enums = { { name = "NullValue", values = { { "NULL_VALUE", 0 } } } },
  messages = {
    known("Timestamp", { "seconds", 1, "int64" }, { "nanos", 2, "int32" }),
    known("Duration", { "seconds", 1, "int64" }, { "nanos", 2, "int32" }),
    known "Empty",
    known("FieldMask", { "paths", 1, "string", label = "repeated" }),
    known("Any", { "type_url", 1, "string" }, { "value", 2, "bytes" }),
    { name = "Struct", { "fields", 1, "message", of = ".google.protobuf.Struct.FieldsEntry", label = "repeated" },
      messages = { { name = "FieldsEntry", map_entry = true, { "key", 1, "string" },
        { "value", 2, "message", of = ".google.protobuf.Value" } } } },
    { name = "Value", oneofs = { "kind" },
      { "null_value", 1, "enum", of = ".google.protobuf.NullValue", oneof = 0 },
      { "number_value", 2, "double", oneof = 0 }, { "string_value", 3, "string", oneof = 0 },
      { "bool_value", 4, "bool", oneof = 0 },
      { "struct_value", 5, "message", of = ".google.protobuf.Struct", oneof = 0 },
      { "list_value", 6, "message", of = ".google.protobuf.ListValue", oneof = 0 } },
    known("ListValue", { "values", 1, "message", of = ".google.protobuf.Value", label = "repeated" }),
    wrapper("BoolValue", "bool"), wrapper("BytesValue", "bytes"), wrapper("Int64Value", "int64"),
    wrapper("StringValue", "string"), wrapper("DoubleValue", "double"),
  },
}

local function google(name, number, of, label)
  return { name, number, "message", of = ".google.protobuf." .. of, label = label }
end

local registry = files.registry(GOOGLE, {
  enums = { { name = "Colour", values = { { "NONE", 0 }, { "RED", 1 } } } },
  messages = {
    { name = "One", oneofs = { "choice" },
      { "a_string", 1, "string", json = "aString" }, { "some_bytes", 2, "bytes" }, { "an_int32", 3, "int32" },
      { "an_int64", 4, "int64" }, { "a_uint64", 5, "uint64" }, { "a_double", 6, "double" }, { "a_float", 7, "float" },
      { "a_bool", 8, "bool" }, { "colour", 9, "enum", of = ".test.Colour" },
      { "numbers", 10, "int32", label = "repeated" }, { "again", 11, "message", of = ".test.One" },
      { "by_number", 12, "message", of = ".test.One.ByNumberEntry", label = "repeated" },
      { "by_bool", 13, "message", of = ".test.One.ByBoolEntry", label = "repeated" },
      { "left", 14, "int32", oneof = 0 }, { "right", 15, "int32", oneof = 0 },
      { "renamed", 16, "int32", json = "@other" },
      messages = {
        { name = "ByNumberEntry", map_entry = true, { "key", 1, "uint64" }, { "value", 2, "bool" } },
        { name = "ByBoolEntry", map_entry = true, { "key", 1, "bool" }, { "value", 2, "string" } },
      } },
    { name = "Known",
      google("time", 1, "Timestamp"), google("span", 2, "Duration"), google("a_struct", 3, "Struct"),
      google("value", 4, "Value"), google("list", 5, "ListValue"), google("mask", 6, "FieldMask"),
      google("empty", 7, "Empty"), google("any", 8, "Any"), google("flag", 9, "BoolValue"),
      google("blob", 10, "BytesValue"), google("big", 11, "Int64Value"), google("text", 12, "StringValue"),
      google("values", 13, "Value", "repeated"), google("real", 14, "DoubleValue"),
      { "null", 15, "enum", of = ".google.protobuf.NullValue" } },
  },
})
local One = assert(registry:message "test.One")
local Known = assert(registry:message "test.Known")

---What JSON text becomes, written again.
local function again(message, text)
  local value, err = message:from_json(text)
  if err then error(err) end
  return assert(message:to_json(value))
end

---How many instructions of Lua a function takes, in tens.
local function instructions(fn)
  local count = 0
  debug.sethook(function() count = count + 1 end, "", 10)
  fn()
  debug.sethook()
  return count
end

describe("JSON of messages", function()
  it("takes no instruction of Lua for each byte", function()
    local function work(size)
      local bytes = { some_bytes = ("\xff\0x"):rep(size), a_string = ("ü"):rep(size) }
      return instructions(function() again(One, assert(One:to_json(bytes))) end)
    end
    work(1) -- finds the types of the fields
    assert.is_true(work(200000) < 2 * work(1))
  end)

  it("is written with camel case, strings for 64 bits, base64 and names", function()
    assert.are.equal('{"aString":"x\\n","someBytes":"/wA=","anInt32":-1,"anInt64":"9007199254740993",'
      .. '"aUint64":"18446744073709551615","aDouble":0.1,"aFloat":0.1,"aBool":true,"colour":"RED","numbers":[1,2],'
      .. '"again":{},"byNumber":{"1":true},"byBool":{"false":"f","true":"t"},"left":0,"@other":7}',
      assert(One:to_json {
        a_string = "x\n", some_bytes = "\xff\0", an_int32 = -1, an_int64 = 9007199254740993, a_uint64 = -1,
        a_double = 0.1, a_float = 0.1, a_bool = true, colour = "RED", numbers = { 1, 2 }, again = {},
        by_number = { true }, by_bool = { [true] = "t", [false] = "f" }, left = 0, renamed = 7,
      }))
    assert.are.equal("{}", assert(One:to_json {}))
    assert.are.equal("{}", assert(One:to_json ""))
    assert.are.equal('{\n  "numbers": [\n    1\n  ],\n  "again": {}\n}',
      assert(One:to_json({ numbers = { 1 }, again = {} }, { indent = "  " })))
    assert.are.equal('{"aDouble":"NaN","aFloat":"-Infinity"}',
      assert(One:to_json { a_double = 0 / 0, a_float = -1 / 0 }))
  end)

  -- What is read, and what it is when written again.
  local READ = {
    { ' { "a_string" : "\\u00fc\\ud83d\\ude00\\/" } ', '{"aString":"ü😀/"}' },
    { '{"an_int32":1.0,"an_int64":123456789012345678,"a_uint64":"18446744073709551615"}',
      '{"anInt32":1,"anInt64":"123456789012345678","aUint64":"18446744073709551615"}' },
    { '{"anInt32":"12e1","anInt64":-9223372036854775808}', '{"anInt32":120,"anInt64":"-9223372036854775808"}' },
    { '{"aDouble":"1.5","aFloat":"Infinity"}', '{"aDouble":1.5,"aFloat":"Infinity"}' },
    { '{"someBytes":"_-8"}', '{"someBytes":"/+8="}' },
    { '{"colour":1}', '{"colour":"RED"}' }, { '{"colour":7}', '{"colour":7}' },
    { '{"aString":null,"numbers":null,"byBool":null,"again":null}', "{}" },
    { '{"byNumber":{"18446744073709551615":true}}', '{"byNumber":{"18446744073709551615":true}}' },
    { '{"@other":1}', '{"@other":1}' }, { '{"renamed":1}', '{"@other":1}' },
  }
  for _, case in ipairs(READ) do
    it("is read: " .. case[1], function() assert.are.equal(case[2], again(One, case[1])) end)
  end

  -- What is refused, and why.
  local REFUSED = {
    { '{"aString":5}', "One.a_string: string expected, got the number 5" },
    { '{"anInt32":"x"}', 'One.an_int32: int32 expected, got "x"' },
    { '{"anInt32":1.5}', "One.an_int32: int32 expected, got the number 1.5" },
    { '{"anInt32":2147483648}', "One.an_int32: int32 expected, got 2147483648, which is out of its range" },
    { '{"anInt64":9223372036854775808}', "One.an_int64: int64 expected, got the number 9223372036854775808" },
    { '{"aUint64":-1}', "One.a_uint64: uint64 expected, got the number -1" },
    { '{"aDouble":1e999}', "One.a_double: double expected, got 1e999, which is out of its range" },
    { '{"aFloat":1e39}', "One.a_float: float expected, got 9.9999999999999994e+38, which is out of its range" },
    { '{"aBool":"true"}', 'One.a_bool: bool expected, got "true"' },
    { '{"someBytes":"a"}', 'One.some_bytes: bytes (a string in base64) expected, got "a"' },
    { '{"colour":"REDD"}', "One.colour: a name or number of Colour expected, got 'REDD'; did you mean 'RED'?" },
    { '{"numbers":{}}', "One.numbers: an array expected, got an object" },
    { '{"numbers":[1,null]}', "One.numbers[2]: int32 expected, got null" },
    { '{"byBool":{"yes":""}}', 'One.by_bool["yes"]: bool expected, got "yes"' },
    { '{"byNumber":[]}', "One.by_number: an object expected, got an array" },
    { '{"left":1,"right":2}', "One: 'left' and 'right' exclude each other (oneof choice)" },
    { '{"aString":"","a_string":""}', "One.a_string: comes twice, under both of its names" },
    { '{"again":{"aStrin":1}}', "One.again: unknown field 'aStrin'; did you mean 'aString'?" },
    { "[]", "One: One (an object) expected, got an array" }, { "5", "One: One (an object) expected, got the number 5" },
  }
  for _, case in ipairs(REFUSED) do
    it("is refused: " .. case[1], function()
      local value, err = One:from_json(case[1])
      assert.is_nil(value)
      assert.are.equal("MESSAGE_INVALID", err.code)
      assert.are.equal(case[2], err.message)
    end)
  end

  for _, text in ipairs { "", "{", '{"a":}', '{"a_string":"x}', "{} x", '{"numbers":[01]}', '{"numbers":[1,]}', "nul",
    '{"a_string":"\\ud800"}', '{"a_string":"\\x"}', '{"a_string":"a\nb"}', '{"a_string":"\xff"}', '{"left":1,"left":1}',
    '{"left":.5}', '{"left":1.}', '{"left":1e}', '{"left":+1}', "{'left':1}", ("["):rep(100000) } do
    it("is no JSON: " .. text:sub(1, 30):gsub("%c", "."), function()
      local value, err = One:from_json(text)
      assert.is_nil(value)
      assert.are.equal("JSON_INVALID", err.code)
      assert.is_truthy(err.message:find("at line %d+, column %d+$"), err.message)
    end)
  end
end)

describe("a well-known type", function()
  -- A value in a table, how it is decoded where that differs, and its JSON.
  local function both(name, value, text, decoded)
    local bytes = assert(Known:encode { [name] = value })
    if decoded == nil then decoded = value end
    assert.are.same(decoded, assert(Known:decode(bytes))[name])
    local members = ('{"%s":%s}'):format(Known.by_name[name].json_name, text)
    assert.are.equal(members, assert(Known:to_json(bytes)))
    assert.are.equal(bytes, assert(Known:encode(assert(Known:from_json(members)))))
  end

  local function refused(name, value, reason)
    local bytes, err = Known:encode { [name] = value }
    assert.is_nil(bytes)
    assert.are.equal(("Known.%s: %s"):format(name, reason), err.message)
  end

  it("Timestamp", function()
    both("time", { seconds = 1714564800, nanos = 500000000 }, '"2024-05-01T12:00:00.500Z"')
    both("time", 1714564800.5, '"2024-05-01T12:00:00.500Z"', { seconds = 1714564800, nanos = 500000000 })
    both("time", "2024-05-01T14:00:00.000001+02:00", '"2024-05-01T12:00:00.000001Z"',
      { seconds = 1714564800, nanos = 1000 })
    both("time", -0.5, '"1969-12-31T23:59:59.500Z"', { seconds = -1, nanos = 500000000 })
    both("time", { seconds = -62135596800, nanos = 0 }, '"0001-01-01T00:00:00Z"')
    both("time", { seconds = 253402300799, nanos = 999999999 }, '"9999-12-31T23:59:59.999999999Z"')
    refused("time", "yesterday", '{ seconds =, nanos = }, seconds since 1970 or a time such as "2024-05-01T12:00:00Z" '
      .. "expected, got 'yesterday'")
    for _, text in ipairs { "2024-02-30T00:00:00Z", "2024-05-01T12:00:00", "2024-05-01", "2024-05-01T24:00:00Z" } do
      assert.is_nil((Known:from_json(('{"time":"%s"}'):format(text))), text)
    end
    assert.is_nil((Known:to_json { time = { seconds = 253402300800 } }))
  end)

  it("Duration", function()
    both("span", { seconds = 1, nanos = 500000000 }, '"1.500s"')
    both("span", -0.25, '"-0.250s"', { seconds = 0, nanos = -250000000 })
    both("span", "1m30s", '"90s"', { seconds = 90, nanos = 0 })
    both("span", "-3.000000001s", '"-3.000000001s"', { seconds = -3, nanos = -1 })
    refused("span", 0 / 0, '{ seconds =, nanos = }, a number of seconds or a duration such as "1m30s" expected, got '
      .. require("gantry.base.words").show(0 / 0))
    assert.is_nil((Known:from_json '{"span":"1m"}'))
  end)

  it("Struct, Value and ListValue", function()
    both("a_struct", { a = 1, b = { true, json.null, "x" }, c = {} }, '{"a":1,"b":[true,null,"x"],"c":{}}')
    both("value", json.null, "null")
    both("value", 1.5, "1.5")
    both("value", false, "false")
    both("value", json.array {}, "[]")
    both("list", { 1, "two", { three = 3 } }, '[1,"two",{"three":3}]')
    both("values", { 1, json.null }, "[1,null]")
    refused("value", 1 << 54, "18014398509481984 is beyond 2^53, where a Value loses digits; send it as a string")
    refused("value", print, "a number, string, boolean, table or null expected, got function")
    assert.is_nil((Known:encode { a_struct = { 5 } }))
    assert.is_true(json.is_array(assert(Known:decode(assert(Known:encode { list = {} }))).list))
    assert.is_nil((Known:to_json { value = 1 / 0 }))
  end)

  it("of a wrapper is the value that it wraps", function()
    both("flag", false, "false")
    both("blob", "\xff", '"/w=="')
    both("big", 9007199254740993, '"9007199254740993"')
    both("text", "", '""')
    both("real", 0.5, "0.5")
    both("text", { value = "x" }, '"x"', "x")
    assert.is_nil(assert(Known:decode "").flag)
    local bytes, err = Known:encode { flag = 1 }
    assert.is_nil(bytes)
    assert.are.equal("Known.flag.value: bool expected, got 1", err.message)
  end)

  it("FieldMask and Empty", function()
    both("mask", { "a.foo_bar", "b" }, '"a.fooBar,b"')
    both("mask", "a, b", '"a,b"', { "a", "b" })
    both("empty", {}, "{}")
    assert.is_nil((Known:to_json { mask = { "fooBar" } }))
    assert.is_nil((Known:from_json '{"mask":"foo_bar"}'))
    assert.is_nil((Known:from_json '{"empty":{"x":1}}'))
  end)

  it("NullValue is null in JSON", function()
    assert.are.equal("{}", again(Known, '{"null":null}'))
    assert.are.equal('{"value":null}', again(Known, '{"value":null}'))
  end)

  it("Any has the fields of what is in it, or a value", function()
    local url = "type.googleapis.com/test.One"
    local bytes = assert(Known:encode { any = { ["@type"] = url, a_string = "x" } })
    local any = assert(Known:decode(bytes)).any
    assert.are.equal(url, any["@type"])
    assert.are.equal("x", any.a_string)
    assert.are.equal(('{"any":{"@type":"%s","aString":"x"}}'):format(url), assert(Known:to_json(bytes)))
    assert.are.equal(bytes, assert(Known:encode(assert(Known:from_json(assert(Known:to_json(bytes)))))))

    both("any", { ["@type"] = "x/google.protobuf.Duration", value = { seconds = 1, nanos = 0 } },
      '{"@type":"x/google.protobuf.Duration","value":"1s"}')
    both("any", { ["@type"] = "x/google.protobuf.BoolValue", value = false },
      '{"@type":"x/google.protobuf.BoolValue","value":false}')
  end)

  it("Any of an unknown type stays bytes", function()
    local value = { any = { type_url = "x/no.Such", value = "\1\2" } }
    local bytes = assert(Known:encode(value))
    assert.are.same(value.any, assert(Known:decode(bytes)).any)
    assert.are.equal('{"any":{"@type":"x/no.Such","value":"AQI="}}', assert(Known:to_json(bytes)))
    local encoded, err = Known:encode { any = { ["@type"] = "x/no.Such" } }
    assert.is_nil(encoded)
    assert.are.equal("Known.any: type no.Such is not known: no file that describes it was given", err.message)
    -- So does one whose bytes are not of its type.
    local broken = { type_url = "x/test.One", value = "\xff" }
    assert.are.same(broken, assert(Known:decode(assert(Known:encode { any = broken }))).any)
  end)

  it("is merged where it comes twice", function()
    local first = assert(Known:encode { a_struct = { a = 1 }, time = { seconds = 1 } })
    local second = assert(Known:encode { a_struct = { b = 2 }, time = { nanos = 5 } })
    local both_of_them = assert(Known:decode(first .. second))
    assert.are.same({ a = 1, b = 2 }, both_of_them.a_struct)
    assert.are.same({ seconds = 1, nanos = 5 }, both_of_them.time)
  end)
end)
