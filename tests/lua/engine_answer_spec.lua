-- SPDX-License-Identifier: Apache-2.0
--
--- Answers with status 200 that no engine gives: an error page, half JSON, JSON of something else. Each is an error
--- that names what was asked, never a fault of ours.

local answers = require "gantry.engine.answer"
local json = require "gantry.json"

describe("an engine's answer", function()
  local shapes = answers.shapes

  local function read(body, options)
    return answers.read({ status = 200, body = body }, "ask for it", options or {})
  end

  local function refuses(body, options, reason)
    local value, err = read(body, options)
    assert.is_nil(value)
    assert.are.equal("ENGINE_ANSWER", err.code)
    assert.are.equal(200, err.status)
    assert.is_truthy(err.message:find("^ask for it: the answer is not one of the engine's API %("), err.message)
    assert.is_truthy(err.message:find(reason, 1, true), err.message)
  end

  it("may be empty where nothing is expected of it", function()
    assert.are.same({}, read "")
    assert.are.same({}, read "{}")
    refuses("", { shape = shapes.created }, "it.Id is missing")
  end)

  it("is JSON", function()
    refuses("<html>Welcome</html>", {}, "decode JSON")
    refuses('{"Id":', {}, "decode JSON")
  end)

  it("is an object", function()
    for _, body in ipairs { "null", "5", "true", "false", '"x"' } do refuses(body, {}, "it is no object") end
  end)

  it("has the fields that are read, of their types", function()
    assert.are.same({ Id = "a" }, read('{"Id":"a","Config":null}', { shape = shapes.image }))
    refuses('{"Id":7}', { shape = shapes.image }, "it.Id is no string")
    refuses('{"Id":"a","Config":{"Entrypoint":"x"}}', { shape = shapes.image }, "it.Config.Entrypoint is no table")
    refuses("{}", { shape = shapes.inspected }, "it.State is missing")
    refuses('{"State":5}', { shape = shapes.inspected }, "it.State is no object")
    refuses('{"State":{"ExitCode":"x"}}', { shape = shapes.inspected }, "it.State.ExitCode is no number")
    refuses('{"StatusCode":"7"}', { shape = shapes.waited }, "it.StatusCode is no number")
  end)

  it("is a list where one is asked for", function()
    local listed = { list = shapes.listed }
    assert.are.same({}, read("[]", listed))
    assert.are.equal("a", read(json.encode { { Id = "a", Names = { "/x" } } }, listed)[1].Id)
    refuses("null", listed, "it is no list")
    refuses('{"message":"x"}', listed, "it is no list")
    refuses('[{"Id":"a"},5]', listed, "element 2 is no object")
    refuses('[{}]', listed, "element 1.Id is missing")
  end)
end)
