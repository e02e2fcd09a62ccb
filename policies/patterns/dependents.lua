-- SPDX-License-Identifier: Apache-2.0
--
-- patterns/dependents.lua: when a plugin ends, those that name it in `after` are restarted with it, once it is ready
-- again:
--
--   return { image = "db", restart = require "patterns.dependents" }     -- db.lua
--   return { image = "web", after = { "db" } }                           -- web.lua
--
-- Without it, they start after it and go on when it ends.

return function(_, history)
  return "restart", { scope = "dependents", after = history.backoff { first = "100ms", max = "30s" },
    reason = "and those that need it" }
end
