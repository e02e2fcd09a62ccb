-- SPDX-License-Identifier: Apache-2.0
--
--- Verbs whose output cannot be written: on a full disk they say so and fail; where nobody reads the pipe they end of
--- SIGPIPE, as docker's do, or say so where the caller ignores that signal.

local support = require "engine.support"
local supervision = require "engine.supervision"
local task = require "gantry.task"

describe("a verb whose output cannot be written", function()
  local place

  setup(function()
    place = supervision.place()
    place:policy("kv", 'args = { "-flood-stderr", "2000" },')
    support.write(place.policies .. "/kv_test.lua", 'local t = require "gantry.test"\n'
      .. 't.test("one", function() t.equal(1, 1) end)')
    task.run(function()
      place:up()
      place:await_state("kv", "ready")
    end)
  end)

  teardown(function() task.run(place.close, place) end)

  local HEALTH <const> = { "call", "kv", "grpc.health.v1.Health/Watch", '{"service": "plugin"}' }
  local VERBS <const> = {
    { "--help" }, { "run", "--help" }, { "exec", "--help" }, { "version" }, { "version", "--json" },
    { "plan", "POLICY" }, { "plan", "--json", "POLICY" }, { "check", "--json", "POLICY" },
    { "simulate", "POLICY", "--oom", "3" }, { "simulate", "--json", "POLICY", "--oom", "3" }, { "doctor" },
    { "doctor", "--json" }, { "gc", "-n", "--json" }, { "-e", "print(1)" }, { "call", "--list", "POLICY" },
    { "call", "kv", "KV/Put", '{"key": "a"}' }, HEALTH, { "ps" }, { "ps", "--json" }, { "logs", "kv" },
    { "logs", "-f", "kv" }, { "logs", "-f", "--json", "kv" }, { "why", "kv" }, { "why", "--json", "kv" },
    { "reattach", "kv" }, { "start", "kv" }, { "reload" },
    { "down", "--orphans" }, { "test", "POLICIES" },
  }

  -- Standard output is a pipe whose only reader is gone.
  local UNREAD <const> = 'mkfifo p && exec 3<>p 4>p 3>&- 1>&4 4>&- && rm p && exec "$0" "$@"'

  ---@param script string of the shell, for which the command is $0 and its arguments are "$@"
  ---@param arguments string[]
  local function run(script, arguments)
    local given = {}
    for i, one in ipairs(arguments) do
      given[i] = one:gsub("^POLICIES$", place.policies):gsub("^POLICY$", place.policies .. "/kv.lua")
    end
    local options = place:options()
    options.executable, options.directory = "/bin/bash", place.root
    local command = support.command({ "-c", script, support.executable, table.unpack(given) }, options)
    local exit = command:wait()
    return exit.signal and "signal " .. exit.signal or exit.code, command.stderr
  end

  for _, arguments in ipairs(VERBS) do
    it("says so: gantry " .. table.concat(arguments, " "), function()
      task.run(function()
        local code, text = run('exec "$0" "$@" > /dev/full', arguments)
        assert.are.equal(1, code, text)
        assert.matches("gantry: write to standard output: %a", text)
        code, text = run(UNREAD, arguments)
        assert.are.equal("signal 13", code, text)
        code, text = run('trap "" PIPE; ' .. UNREAD, arguments)
        assert.are.equal(1, code, text)
        assert.matches("gantry: write to standard output: %a", text)
      end)
    end)
  end
end)
