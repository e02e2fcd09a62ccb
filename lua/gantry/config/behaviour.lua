-- SPDX-License-Identifier: Apache-2.0
--
--- config/behaviour.lua: the types of what a policy says about a plugin's life under supervision.

local record = require "gantry.base.record"
local strategies = require "gantry.config.strategies"
local types = require "gantry.base.types"
local words = require "gantry.base.words"

local behaviour = {}

-- The longest that a step of a plugin's life may take.
local LONGEST <const> = "365d"
behaviour.LONGEST = LONGEST

---@param value any
---@return boolean
local function may_be_rule(value)
  return type(value) == "function" or type(value) == "string" or type(value) == "table"
end

behaviour.restart = {
  kind = "restart", text = "a strategy of gantry.restart or a function", is = may_be_rule,
  read = function(value, at, report)
    if not may_be_rule(value) then return types.mistyped(behaviour.restart, value, at, report) end
    local rule, reason = strategies.read(value)
    if rule == nil then return report(at, ("%s: %s"):format(at, reason:gsub("^must", "it must"))) end
    return rule
  end,
}

---A command: its program by an absolute path, since no shell looks for it.
behaviour.command = types.list(types.string { empty = true }, { text = "a list of a program and its arguments",
  min = 1 })

---@param command any
---@return string[]? command, string? reason
function behaviour.read_command(command)
  local reason
  local read = behaviour.command.read(command, "the command", function(_, message) reason = reason or message end)
  if reason then return nil, reason end
  if read[1]:sub(1, 1) ~= "/" then return nil, "the program must be an absolute path, got " .. words.show(read[1]) end
  return read
end

behaviour.on_exit = types.union(types.callable(), {
  kind = "command", text = behaviour.command.text, is = behaviour.command.is,
  read = function(value, at, report)
    local command, reason = behaviour.read_command(value)
    if not command then return report(at, ("%s: %s"):format(at, reason)) end
    return command
  end,
})

behaviour.health = record.new({
  { name = "period", type = types.duration { min = "100ms", max = LONGEST }, default = "10s",
    doc = "Time between two checks.", also = { "interval" } },
  { name = "timeout", type = types.duration { min = "10ms", max = LONGEST }, default = "5s",
    doc = "Time for an answer." },
  { name = "failures", type = types.integer { min = 1, max = 1000 }, default = 3, also = { "retries" },
    doc = "So many failures in a row make it unhealthy." },
}, { text = "{ period =, timeout =, failures = }" })

return behaviour
