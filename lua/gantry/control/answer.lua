-- SPDX-License-Identifier: Apache-2.0
--
--- control/answer.lua: what the verbs read of the answers of a running `gantry up`. Whoever listens on the socket may
--- be another program, or another version: what does not fit is one error.

local errors = require "gantry.base.errors"
local types = require "gantry.base.types"

local answer = {}

local object, list, optional = types.object, types.list, types.optional
local text, count = types.text(), optional(types.integer { min = 0 })
local maybe_text, maybe_seconds = optional(text), optional(types.number())

-- What os.date can tell: up to the end of the year 9999.
local time = types.integer { min = 0, max = 253402300799 }

local amount, size = optional(types.number { min = 0 }), count

local stats = object { source = maybe_text, clock = optional(types.number()), cpu_seconds = amount, cpu_share = amount,
  memory_bytes = size, memory_limit_bytes = size, pids = count, pids_limit = count, handshake_seconds = amount,
  ready_seconds = amount, restarts_by_cause = optional(types.map(types.integer { min = 0 })), health_checks = count,
  health_failures = count, health_seconds = amount, output_bytes = size, calls = count, calls_failed = count }

local plugin = object {
  name = text, state = text, detail = maybe_text, image = maybe_text, uptime = maybe_seconds,
  next_start = maybe_seconds, restarts = count, generation = count, stats = optional(stats),
  address = optional(object { network = text, string = text }),
  last_exit = optional(object { text = maybe_text, error = maybe_text, requested = optional(types.boolean()) }),
}

---@type table<string, gantry.Type>
answer.types = {
  plugin = plugin,
  plugins = object { plugins = list(plugin), waits_for = maybe_text },
  why = object { name = maybe_text, entries = list(object { time = time, kind = text, text = text }) },
  reload = object { plugins = list(object {}), findings = list(text) },
  down = object { stopped = list(text) },
  event = object { time = time, kind = text, text = text, plugin = maybe_text },
  log = object { line = text, time = optional(time), generation = count, level = maybe_text, module = maybe_text,
    message = maybe_text, fields = optional(object {}) },
}

---@param value any
---@param wanted gantry.Type
---@param path string of the request
---@return any value, gantry.Error? err CONTROL_ANSWER
function answer.read(value, wanted, path)
  local read, finding = types.first_finding(wanted, value, "it")
  if not finding then return read end
  return nil, errors.new("CONTROL_ANSWER", ("%s: the answer is not one of gantry up's (%s); is another program, or "
    .. "another version of gantry, at its socket?"):format(path, finding))
end

return answer
