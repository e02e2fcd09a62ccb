-- SPDX-License-Identifier: Apache-2.0
--
--- JSON at the edges: what comes in as Lua values, what goes out, and what is refused by name.

local errors = require "gantry.base.errors"
local json = require "gantry.json"

local function refusal(value)
  local text, err = json.encode(value)
  assert.is_nil(text)
  assert.is_true(errors.is(err, "JSON_UNENCODABLE"))
  return err
end

describe("json.decode", function()
  it("makes integers of numbers with an integer value", function()
    local numbers = { ["137"] = 137, ["-3"] = -3, ["1e3"] = 1000, ["9007199254740992"] = 2 ^ 53, ["-0"] = 0 }
    for text, number in pairs(numbers) do
      local value = json.decode(text)
      assert.equal("integer", math.type(value), text)
      assert.equal(number, value)
    end
    assert.equal(0.5, json.decode "0.5")
    assert.equal(1e300, json.decode "1e300")
  end)

  it("goes into objects and arrays", function()
    local value = json.decode [[{"State":{"ExitCode":137,"Pids":[1,2.5]}}]]
    assert.equal("137", tostring(value.State.ExitCode))
    assert.same({ 1, 2.5 }, value.State.Pids)
    assert.equal("integer", math.type(value.State.Pids[1]))
  end)

  it("drops null fields, keeps null elements in their place", function()
    assert.same({ b = { c = 1 } }, json.decode [[{"a":null,"b":{"c":1,"d":null}}]])
    local list = json.decode "[1,null,3]"
    assert.equal(3, #list)
    assert.equal(json.null, list[2])
    assert.equal(json.null, json.decode "null")
  end)

  it("keeps false and empty texts", function()
    assert.same({ a = false, b = "" }, json.decode [[{"a":false,"b":""}]])
    assert.is_false(json.decode "false")
  end)

  it("takes keys as they are, numbers too", function()
    assert.same({ ["1"] = "a" }, json.decode [[{"1":"a"}]])
  end)

  it("fails on what is not JSON", function()
    for _, text in ipairs { "", " ", "{", "[1,]", "nan", "NaN", "Infinity", "[-Infinity]", "0x1F", "01", "{} x", "'a'",
      '"\\ud800"', "[-]", "[9014398509481986439.,0e441]", "[1e]", "[1e5x]", "1-2e3", "<html>", "[1.]", "[-0.]",
      '{"a":1.}', "1.2." } do
      local value, err = json.decode(text)
      assert.is_nil(value, text)
      assert.is_true(errors.is(err, "JSON_INVALID"), text)
      assert.matches("^decode JSON: ", err.message)
    end
  end)

  it("takes the numbers of JSON, and no others", function()
    local letters, texts = { "-", "+", ".", "0", "5", "e" }, { "" }
    for _ = 1, 5 do
      local longer = {}
      for _, text in ipairs(texts) do
        for _, letter in ipairs(letters) do longer[#longer + 1] = text .. letter end
      end
      for _, text in ipairs(longer) do
        local rest, count = text:gsub("^%-?0", "", 1)
        if count == 0 then rest, count = text:gsub("^%-?[1-9]%d*", "", 1) end
        rest = rest:gsub("^%.%d+", "", 1):gsub("^e[+-]?%d+$", "", 1)
        local is_number = count == 1 and rest == ""
        assert.equal(is_number, json.decode(text) ~= nil, text)
        assert.equal(is_number and text or nil, json.encode((json.decode(text, { letters = true }))), text)
      end
      texts = longer
    end
  end)

  it("finds numbers behind strings that end in any number of backslashes", function()
    for slashes = 0, 6 do
      for _, tail in ipairs { "", [[\"]], [[\"1.10]] } do
        local text = ('["%s%s",1.10,12345678901234567890,"%s"]'):format(("\\\\"):rep(slashes), tail, tail)
        assert.equal(text, json.encode((assert(json.decode(text, { letters = true })))))
      end
    end
  end)

  it("bounds nesting, and reads what is within the bound", function()
    local value = json.decode(("["):rep(1000) .. ("]"):rep(1000))
    for _ = 1, 999 do value = value[1] end
    assert.same({}, value)
    local _, err = json.decode(("["):rep(1001) .. ("]"):rep(1001))
    assert.equal("JSON_INVALID", err.code)
    assert.matches("nest", err.message)
  end)

  it("raises on what is no text", function()
    assert.has_error(function() json.decode(nil) end, "json.decode needs a string, got nil")
  end)
end)

describe("json.encode", function()
  it("writes numbers in full", function()
    for text, number in pairs { ["137"] = 137, ["138"] = 138.0, ["9007199254740992"] = 2 ^ 53, ["-5"] = -5,
      ["-9007199254740992"] = -2 ^ 53, ["268435456"] = 268435456, ["0.1"] = 0.1, ["500000000"] = 500000000,
      ["0.3333333333333333"] = 1 / 3, ["0"] = -0.0, ["12345678901234"] = 12345678901234 } do
      assert.equal(text, json.encode(number))
    end
  end)

  it("writes fractions so that they read back the same", function()
    math.randomseed(7)
    for _ = 1, 1000 do
      local number = (math.random() - 0.5) * 10 ^ math.random(-20, 14)
      assert.equal(number, json.decode(json.encode(number)))
    end
  end)

  it("refuses what others cannot read back, naming the field", function()
    local err = refusal { HostConfig = { Memory = 1 / 0 } }
    assert.equal("HostConfig.Memory", err.field)
    assert.matches("HostConfig.Memory is inf", err.message, 1, true)
    assert.equal("HostConfig.Ulimits[2].Soft", refusal { HostConfig = { Ulimits = { {}, { Soft = 0 / 0 } } } }.field)
    assert.equal('Labels["com.example.team"]', refusal { Labels = { ["com.example.team"] = print } }.field)
    assert.matches("the value is inf", refusal(math.huge).message)
    assert.matches("the value is a nil", refusal(nil).message)
    assert.matches("a is a thread", refusal { a = coroutine.create(print) }.message)
    assert.matches("a is a userdata", refusal { a = io.stdout }.message)
  end)

  it("refuses tables that are neither array nor object", function()
    assert.matches("Env has a gap: element 2 of 2 is missing", refusal { Env = { "a", nil, "c" } }.message)
    assert.matches("the value has a gap: element 1 of 1", refusal { [0] = "a" }.message)
    assert.matches("the value has both", refusal { "a", b = 1 }.message)
    assert.matches("a key of type boolean", refusal { [true] = 1 }.message)
    assert.matches("a key of type number", refusal { [1.5] = 1 }.message)
    assert.matches("marked as an array and has named fields", refusal(json.array { a = 1 }).message)
    local loop = {}
    loop.self = loop
    assert.matches("nested too deeply", refusal(loop).message)
  end)

  it("knows empty arrays from empty objects", function()
    assert.equal("{}", json.encode {})
    assert.equal("[]", json.encode(json.array()))
    assert.equal("[]", json.encode(json.array {}))
    assert.equal([=[{"Cmd":[],"Env":["A=1"],"Labels":{}}]=],
      json.encode { Cmd = json.array {}, Env = json.array { "A=1" }, Labels = {} })
  end)

  it("marks the table it is given", function()
    local list = {}
    assert.equal(list, json.array(list))
    assert.equal(list, json.array(list))
    list[1] = "late"
    assert.equal([=[["late"]]=], json.encode(list))
    assert.is_true(json.is_array(list))
    assert.is_false(json.is_array {})
    assert.has_error(function() json.array(setmetatable({}, {})) end)
  end)

  it("sorts keys, and writes null, booleans and text", function()
    assert.equal([[{"a":null,"b":true,"c":"x/y \"q\" \\/","z":false}]],
      json.encode { z = false, b = true, a = json.null, c = [[x/y "q" \/]] })
  end)

  it("passes bytes that are not UTF-8 and escapes control characters", function()
    assert.equal('"\xff\\u0000\\n\u{e9}"', json.encode "\xff\0\n\u{e9}")
  end)

  it("carries every number with its digits", function()
    for _, text in ipairs { "9007199254740993", "9223372036854775807", "-9223372036854775808", "18446744073709551615",
      "1732825647123456789", "123456789012345678901234567890", "1e400", "-1e400", "1e-400", "0.12345678901234567",
      "1152921504606847999", ("9"):rep(400), "-0." .. ("1"):rep(50) } do
      for _, form in ipairs { "%s", "[%s]", '{"a":{"b":[1,%s]}}', '[%s,"%s"]' } do
        local whole = form:gsub("%%s", text)
        assert.equal(whole, json.encode((assert(json.decode(whole)))))
        assert.equal(whole, json.encode((assert(json.decode(whole, { letters = true })))))
      end
    end
    assert.equal(math.maxinteger, json.decode "9223372036854775807")
    assert.is_true(json.is_number(json.decode "9223372036854775808"))
    assert.equal("9223372036854775808", tostring(json.decode "9223372036854775808"))
    assert.has_error(function() json.decode("1e400").x = 1 end)
  end)

  it("keeps the characters of a number where it is asked to", function()
    local text = '{"a":1.10,"b":[-0,0.0,1e3,1E+3,12.50],"c":7,"d":[0.001,0.00001,-0.00012,-0.0001,1.5,-2.25]}'
    assert.equal(text, json.encode((json.decode(text, { letters = true }))))
    assert.equal('{"a":1.1,"b":[0,0,1000,1000,12.5],"c":7,"d":[0.001,1e-05,-0.00012,-0.0001,1.5,-2.25]}',
      json.encode((json.decode(text))))
    assert.equal(7, json.decode(text, { letters = true }).c)
  end)

  it("takes no number of a text for a placeholder of its own", function()
    for shift = 50, 63 do
      for offset = -2, 2 do
        local number = (1 << shift) + (1024 + offset)
        local value = json.decode(("[%d,12345678901234567890123,%d]"):format(number, number))
        assert.same({ number, number }, { value[1], value[3] })
      end
    end
  end)

  it("writes a line whatever it is given", function()
    local loop = {}
    loop.self = loop
    local hostile = setmetatable({ 1 }, { __index = function() error "no" end, __pairs = function() error "no" end,
      __tostring = function() error "no" end, __len = function() error "no" end })
    for _, value in ipairs { 0 / 0, math.huge, print, loop, { 1, nil, 3 }, { 1, a = 2 }, { [true] = 1, [1.5] = print },
      hostile, { coroutine.create(print) }, json.array { 1, nil, 3 }, json.null, "\xff\0" } do
      local line = json.line(value)
      assert.matches("\n$", line)
      assert.is_nil(line:sub(1, -2):find "\n")
      assert.is_true(json.decode(line) ~= nil)
    end
    assert.equal('{"a":1,"b":"nan"}\n', (json.line { a = 1, b = -(0 / 0) }:gsub("-nan", "nan")))
    local deep = json.decode(("["):rep(1000) .. ("]"):rep(1000))
    assert.is_true(json.decode(json.line { fields = { deep = deep } }) ~= nil)
  end)

  it("ends a line over tables that hold each other", function()
    local both = {}
    both.a, both.b = both, both
    assert.equal('{"a":"<a table that it is in>","b":"<a table that it is in>"}\n', json.line(both))
    local all = {}
    for i = 1, 12 do all[i] = {} end
    for _, one in ipairs(all) do
      for i, other in ipairs(all) do one["to" .. i] = other end
    end
    assert.is_true(json.decode(json.line(all)) ~= nil)
    local shared = { 1 }
    assert.equal('[[1],[1],"<function>"]\n', json.line { shared, shared, print })
  end)

  it("reads back what it has written", function()
    local value = { list = { 1, 2, { deep = "x\\/y" } }, text = "\0\1/\"", yes = true, half = 0.5 }
    assert.same(value, json.decode(json.encode(value)))
    assert.same(value, json.decode(json.pretty(value)))
  end)
end)

describe("json.pretty", function()
  it("indents by two, with sorted keys", function()
    assert.equal([[
{
  "Cmd": [],
  "Env": [
    "A=1",
    "B=2"
  ],
  "Labels": {},
  "Memory": 64
}]], json.pretty { Memory = 64, Env = { "A=1", "B=2" }, Cmd = json.array(), Labels = {} })
  end)

  it("refuses as encode does", function()
    local text, err = json.pretty { a = 0 / 0 }
    assert.is_nil(text)
    assert.equal("a", err.field)
  end)

  it("writes what changes no more once, alone, in others, and for people", function()
    local entry = json.constant { text = "\7é", list = { 1.5, {} } }
    local text = assert(json.encode { entry, entry })
    local one = '{"list":[1.5,{}],"text":"\\u0007é"}'
    assert.equal(("[%s,%s]"):format(one, one), text)
    assert.equal(one, json.encode(entry))
    assert.equal('{\n  "list": [\n    1.5,\n    {}\n  ],\n  "text": "\\u0007é"\n}', json.pretty(entry))
    assert.equal(one, json.encode(json.constant(entry)))
  end)

  it("keeps nothing of a constant that cannot be written", function()
    local entry = json.constant { 0 / 0 }
    assert.is_nil(json.encode(entry))
    assert.is_nil((json.encode { entry }))
  end)

  it("counts how deep a constant is, wherever it stands", function()
    local inner = json.constant { { "x" } }
    local outer = json.constant { inner, json.constant {} }
    assert.equal('[[["x"]],{}]', json.encode(outer))
    assert.equal('[["x"]]', json.encode(inner))
    local around = outer
    for _ = 1, 997 do around = { around } end
    assert.is_string((json.encode(around))) -- 1000 deep
    assert.is_nil((json.encode { around }))
    around = json.constant { "x" }
    for _ = 1, 999 do around = json.constant { around } end
    assert.is_string((json.encode(around)))
    assert.is_nil((json.encode { around }))
  end)
end)
