-- SPDX-License-Identifier: Apache-2.0
--
--- supervisor/record_shape.lua: whether what a state file holds is a record. Whoever reads one relies on the kind of
--- each of its values; a file that was damaged or edited must not bring the supervisor down.

local types = require "gantry.base.types"

local record_shape = {}

local object, list = types.object, types.list
local number, text, map, count = types.number(), types.text(), object {}, types.integer { min = 0 }
local maybe_number, maybe_text, maybe_map = types.optional(number), types.optional(text), types.optional(map)
local maybe_count, maybe_flag = types.optional(count), types.optional(types.boolean())

local STATE = object {
  clock = number, seen = maybe_number, generation = count, live = maybe_count, started_at = maybe_number,
  ready_at = maybe_number, restarts = count, counted = count, starts = list(number), restarted = list(number),
  peaks = list(object { number = count, uptime = number }),
  exits = list(object { cause = text, code = maybe_count, signal = maybe_text, uptime = number,
    generation = maybe_count, image_id = maybe_text, requested = maybe_flag, at = number }),
  memory = map, changes = maybe_map, last_delay = maybe_number,
}

local RECORD = object {
  policy = maybe_text, wanted = maybe_text, verdict = maybe_text, due = maybe_number, automatic = maybe_flag,
  boot = maybe_text, saved = maybe_number, journal = maybe_map, restart = STATE,
  live = types.optional(object { container = text, root = text, directory = maybe_text, ready = maybe_flag,
    ready_ms = maybe_number, handshake_ms = maybe_number,
    image_id = maybe_text, stopping = maybe_flag, policy = maybe_text }),
  restarts = types.optional(types.map(count)),
  corpses = types.optional(list(object { container = text, reason = maybe_text, since = maybe_number })),
  last_exit = types.optional(object { cause = text, code = maybe_count, signal = maybe_text, limit = maybe_count,
    error = maybe_text, uptime = maybe_number, generation = maybe_count, requested = maybe_flag,
    time = maybe_number }),
  decision = types.optional(object { action = maybe_text, reason = maybe_text, place = maybe_text, delay = maybe_number,
    generation = maybe_count }),
}

---@param record table
---@return string? field the first that is missing or of the wrong kind, such as "restart.peaks[2].uptime"
function record_shape.wrong(record)
  local _, _, path = types.first_finding(RECORD, record, "")
  return path
end

return record_shape
