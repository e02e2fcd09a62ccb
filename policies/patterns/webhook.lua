-- SPDX-License-Identifier: Apache-2.0
--
-- patterns/webhook.lua: a plugin that ends too often is restarted rarely, and a webhook is told of each of these ends:
-- JSON with a `text`, as chat servers take it. A policy builds on it:
--
--   return gantry.extend(require "patterns.webhook" { url = "https://chat.example/hooks/1" }, { image = "my-plugin" })
--
-- Until there were max restarts (5) in per (10m), backoff holds; from then on it waits for slow (5m). curl tells the
-- webhook, as a process of its own: nothing waits for it, and what it could not do is a warning in `gantry why`.
-- A policy with a `restart` of its own takes this one into it: restart.first_of(require "patterns.oom" "1GiB",
-- hook.restart).

local gantry = require "gantry"

---@param hook { url: string, max: integer?, per: string?, slow: string? }
return function(hook)
  local max, per, slow = hook.max or 5, hook.per or "10m", hook.slow or "5m"
  if not (type(hook.url) == "string" and math.type(max) == "integer" and gantry.units.seconds(per)
    and gantry.units.seconds(slow)) then
    gantry.refuse("url", 'patterns.webhook: it takes { url = "https://...", max = 5, per = "10m", slow = "5m" }')
  end
  local reason = ("%d restarts in %s, slowing down"):format(max, per)
  return {
    restart = function(_, history)
      if history.within(per) >= max then return "restart", { after = slow, reason = reason } end
    end,
    on_exit = function(exit, decision)
      if decision.reason ~= reason then return nil end
      -- A plugin's name, causes and durations hold nothing that JSON would have to escape.
      local text = ("%s ended (%s %s): %s"):format(exit.name, exit.cause, exit.code or "?", reason)
      return { "/usr/bin/curl", "--silent", "--fail", "--max-time", "20", "--header", "Content-Type: application/json",
        "--data-raw", ('{"text":"%s"}'):format(text), "--url", hook.url }
    end,
  }
end
