-- SPDX-License-Identifier: Apache-2.0
--
--- What completion offers at the end of a line, with no supervisor, engine or plugin.

local cli = require "gantry.cli"
local complete = require "gantry.cli.complete"

local core = require "gantry.core"

local VERBS = { { "start", "start one" }, { "stop", "stop one" }, { "up", "keep them" } }

local function configure(parser)
  parser:argument("directory", "Where."):argname("DIR")
  parser:argument("rest", "More."):args("*"):argname("FILE")
  parser:option("-f --log-format", "How."):choices { "text", "json" }:default "text"
  parser:option("--name", "A new name."):argname("NAME")
  parser:flag("-v --verbose", "More.")
  parser:flag("--secret", "None of your business."):hidden(true)
end

local function found(...)
  local list, also = complete.find({ ... }, { verbs = VERBS, configure = function(verb)
    return verb == "up" and configure or nil
  end })
  local names = {}
  for i, one in ipairs(list) do names[i] = one[1] end
  return table.concat(names, " "), also
end

describe("completion", function()
  it("offers verbs, and what the help verb takes", function()
    assert.are.equal("start stop up", (found ""))
    assert.are.equal("start stop", (found "st"))
    assert.are.equal("start stop", (found("help", "st")))
    assert.are.equal("--help --version", (found "-"))
    assert.are.equal("", (found "nothing"))
    assert.are.equal("", (found("nothing", "")))
  end)

  it("offers options, but those that are hidden, and none after --", function()
    assert.are.equal("--help --log-format --name --verbose", (found("up", "-")))
    assert.are.equal("--log-format", (found("up", "some", "--l")))
    assert.are.equal("", (found("up", "--", "-")))
  end)

  it("offers an option's values, in each way of writing it", function()
    assert.are.equal("json text", (found("up", "--log-format", "")))
    assert.are.equal("json", (found("up", "-f", "j")))
    assert.are.equal("--log-format=json", (found("up", "--log-format=j")))
    assert.are.equal("", (found("up", "--name", "")))
  end)

  it("says where files and folders fit", function()
    assert.are.equal("directories", (select(2, found("up", ""))))
    assert.are.equal("files", (select(2, found("up", "some", ""))))
    assert.are.equal("files", (select(2, found("up", "some", "more", ""))))
    assert.are.equal("directories", (select(2, found("up", "-v", "--log-format", "text", ""))))
    assert.are.equal("files", (select(2, found("up", "--name", "x", "some", ""))))
    assert.is_nil((select(2, found("up", "-"))))
  end)

  it("gives up on a supervisor that accepts and never answers", function()
    local path = ("%s/gantry-test-%s.sock"):format(os.getenv "TMPDIR" or "/tmp", core.system.random(4))
    assert(require("gantry.core.control").listen(path, 384)) -- 0600
    local pipe = assert(io.popen(("timeout 60 %s __complete logs --control %s '' 2>&1"):format(os.getenv "GANTRY",
      path)))
    local text = pipe:read "a"
    local ended = pipe:close()
    os.remove(path)
    assert.are.equal(":\n", text)
    assert.is_true(ended)
  end)

  it("offers the columns of the plugins' table", function()
    for _, verb in ipairs { "ps", "top" } do
      local pipe <close> = assert(io.popen(("%s __complete %s --sort mem"):format(os.getenv "GANTRY", verb)))
      assert.are.equal("memory\tmemory in use, and its limit\n:\n", pipe:read "a")
    end
  end)

  it("finds something to offer, or nothing, for every option and argument of every verb", function()
    local environment = { GANTRY_CONTROL = "/nowhere", DOCKER_HOST = "unix:///nowhere" }
    local assignments = ""
    for name, value in pairs(environment) do assignments = ("%s %s=%s"):format(assignments, name, value) end
    for _, group in ipairs(cli.groups) do
      for _, verb in ipairs(group.verbs) do
        local lines = { ("'%s' ''"):format(verb[1]) }
        for _, one in ipairs(cli.options(verb[1])) do
          if one.kind == "option" then lines[#lines + 1] = ("'%s' '%s' ''"):format(verb[1], one.name:match "%S+$") end
        end
        for _, line in ipairs(lines) do
          local pipe = assert(io.popen(("env%s %s __complete %s 2>&1"):format(assignments, os.getenv "GANTRY", line)))
          local text = pipe:read "a"
          assert.is_true(pipe:close(), line)
          for one in text:gmatch "[^\n]+" do
            assert.is_truthy(one:find "^%S+\t" or one:find "^:%a*$", line .. ": " .. one)
          end
          assert.matches(":%a*\n$", text)
        end
      end
    end
  end)
end)
