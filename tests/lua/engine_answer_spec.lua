-- SPDX-License-Identifier: Apache-2.0
--
--- Answers with status 200 that no engine gives: an error page, half JSON, JSON of something else. Each is an error
--- that names what was asked, never a fault of ours.

local answers = require "gantry.engine.docker.answer"
local json = require "gantry.json"

local ID <const> = ("0a"):rep(32)

describe("an engine's answer", function()
  local types = answers.types

  local function read(body, shape)
    return answers.read({ status = 200, body = body }, "ask for it", shape)
  end

  local function refuses(body, shape, reason)
    local value, err = read(body, shape)
    assert.is_nil(value)
    assert.are.equal("ENGINE_ANSWER", err.code)
    assert.are.equal(200, err.status)
    assert.is_truthy(err.message:find("^ask for it: the answer is not one of the engine's API %("), err.message)
    assert.is_truthy(err.message:find(reason, 1, true), err.message)
  end

  it("may be empty where nothing is expected of it", function()
    assert.are.same({}, read "")
    assert.are.same({}, read "{}")
    refuses("", types.created, "it.Id is missing")
  end)

  it("that says nothing does so by its status", function()
    for _, status in ipairs { 204, 304 } do
      assert.are.same({}, answers.read({ status = status, body = "" }, "kill it", answers.nothing))
    end
    refuses("", answers.nothing, "HTTP status 200, expected 204")
    refuses('{"Id":"a"}', answers.nothing, "HTTP status 200, expected 204")
  end)

  it("is JSON", function()
    refuses("<html>Welcome</html>", nil, "decode JSON")
    refuses('{"Id":', nil, "decode JSON")
  end)

  it("is an object", function()
    for _, body in ipairs { "null", "5", "true", "false", '"x"' } do
      refuses(body, nil, "it must be an object, got ")
    end
  end)

  it("has the fields that are read, of their types", function()
    assert.are.same({ Id = "a" }, read('{"Id":"a","Config":null}', types.image))
    refuses('{"Id":7}', types.image, "it.Id must be a string, got 7")
    refuses('{"Id":"a","Config":{"Entrypoint":"x"}}', types.image,
      "it.Config.Entrypoint must be a list of strings, got 'x'")
    refuses("{}", types.inspected, "it.Config is missing")
    local inspect = '{"Config":{},"Name":"/x","Id":"' .. ID .. '","State":'
    refuses(inspect .. "5}", types.inspected, "it.State must be an object, got 5")
    refuses(inspect .. '{"ExitCode":"x"}}', types.inspected, "it.State.ExitCode must be a whole number, got 'x'")
    refuses('{"StatusCode":"7"}', types.waited, "it.StatusCode must be a whole number, got '7'")
    refuses('{"StatusCode":12345678901234567890}', types.waited,
      "it.StatusCode must be a whole number, got 12345678901234567890")
  end)

  it("has ids that are ids", function()
    for _, id in ipairs { "../../victim", "", "a", ID .. "0", ID:sub(2) .. "/", ID:sub(2) .. "G" } do
      refuses(json.encode { Id = id }, types.created, "it.Id must be an id of 64 hex digits, got ")
    end
  end)

  it("has labels that are strings, or has none", function()
    for _, labels in ipairs { "null", "5", '"x"', "[1]", '{"a":1,"b":null,"c":{},"d":"x\\u0000y"}' } do
      local list = read(('[{"Id":"%s","Labels":%s}]'):format(ID, labels), types.containers)
      assert.are.same({}, list[1].Labels)
    end
    assert.are.same({}, read(('[{"Id":"%s"}]'):format(ID), types.containers)[1].Labels)
  end)

  it("is a list where one is asked for", function()
    local listed = types.containers
    assert.are.same({}, read("[]", listed))
    assert.are.equal(ID, read(json.encode { { Id = ID, Names = { "/x" } } }, listed)[1].Id)
    refuses("null", listed, "it must be a list of objects, got ")
    refuses('{"message":"x"}', listed, "it must be a list of objects, got ")
    refuses('[{"Id":"' .. ID .. '"},5]', listed, "it[2] must be an object, got 5")
    refuses('[{}]', listed, "it[1].Id is missing")
  end)
end)
