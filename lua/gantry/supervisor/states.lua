-- SPDX-License-Identifier: Apache-2.0
--
--- supervisor/states.lua: the states of a plugin under supervision, and what follows from whatever may happen in each.
--- Units are driven by this table: gantry.supervisor.requests has what is asked from outside, .generation and .takeover
--- what comes from the plugin and the engine.

local states = {}

-- What follows:
--   already    it is as it was asked to be: answered at once
--   want       it is to run, old decisions are forgiven; answered when a generation that begins now is ready or failed
--   join       the same, and the generation that is on its way counts
--   tell       the same, but it waits for something: answered at once, with what it waits for
--   end        it is to be down; answered when it is, or when the engine refused
--   replace    the live generation is stopped in order and a new one begins
--   anew       the launch is broken off and begins again
--   take       the policy is the one of the next generation; what the last one's end led to is void
--   take_along the policy is taken; what runs is compared with it once that is known
--   heed       what needs no new generation holds from now on
--   compare    what runs is compared with what is to run, and replaced where they differ
--   remove     it is stopped and forgotten, unless its policy comes back
--   keep_on    it is supervised again, and runs again where it was to
--   decide     the policy decides
--   asked_for  the end was asked for: nothing to decide
--   note       it is told, and goes on as it is
--   none       it means nothing here
local EVERYWHERE <const> = { removed = "remove", put_back = "keep_on", stop = "end", edited_soft = "heed" }

---@type table<string, table<string, string>>
states.TABLE = {
  -- What an earlier supervisor left is looked at.
  adopting = { edited = "take_along", start = "join", restart = "replace", death = "decide", unhealthy = "decide",
    engine_away = "note", engine_back = "note" },
  -- At rest: nobody wants it; it ended and is to stay down; it failed and is to stay down.
  stopped = { edited = "take", start = "want", restart = "want" },
  ended = { edited = "take", start = "want", restart = "want" },
  failed = { edited = "take", start = "want", restart = "want" },
  -- On its way: a delay, the plugins that it needs, a turn among the launches, the launch.
  backoff = { edited = "take", start = "want", restart = "want" },
  waiting = { edited = "take", start = "tell", restart = "tell" },
  queued = { edited = "take", start = "want", restart = "want" },
  starting = { edited = "anew", start = "join", restart = "anew", launch_failed = "decide", engine_away = "note",
    engine_back = "note" },
  ready = { edited = "replace", start = "already", restart = "replace", dependency_restarted = "replace",
    reload = "compare", death = "decide", unhealthy = "decide", engine_away = "note", engine_back = "note" },
  -- A generation is being stopped, or the rest of one removed; its policy is asked about its end.
  stopping = { edited = "take", start = "want", restart = "want", death = "asked_for", stop_refused = "note",
    engine_away = "note", engine_back = "note" },
  deciding = { edited = "take", start = "want", restart = "want" },
  -- It is forgotten.
  removed = { removed = "none", put_back = "none", stop = "none", edited_soft = "none" },
}

---What may happen.
states.EVENTS = { "edited", "edited_soft", "reload", "removed", "put_back", "start", "stop", "restart",
  "dependency_restarted", "death", "unhealthy", "launch_failed", "stop_refused", "engine_away", "engine_back" }

---What follows from an event.
---@param state string
---@param event string
---@return string reaction
function states.reaction(state, event)
  return states.TABLE[state][event] or state ~= "removed" and EVERYWHERE[event] or "none"
end

-- Which state may come after which.
local AFTER <const> = {
  adopting = "ready deciding stopped ended failed backoff waiting queued stopping removed",
  stopped = "ended failed backoff waiting queued stopping removed",
  ended = "stopped failed backoff waiting queued stopping removed",
  failed = "stopped ended backoff waiting queued stopping removed adopting",
  backoff = "waiting queued stopped ended failed stopping removed",
  waiting = "queued stopped ended failed stopping removed",
  queued = "starting backoff waiting stopped ended failed stopping removed",
  starting = "ready deciding failed",
  ready = "stopping deciding failed",
  stopping = "deciding backoff waiting queued stopped ended failed removed",
  deciding = "backoff waiting queued stopped ended failed stopping removed",
  removed = "",
}

---@type table<string, table<string, boolean>>
states.NEXT = {}
for state, text in pairs(AFTER) do
  states.NEXT[state] = {}
  for one in text:gmatch "%l+" do states.NEXT[state][one] = true end
end

return states
