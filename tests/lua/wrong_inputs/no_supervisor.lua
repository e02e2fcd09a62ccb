-- SPDX-License-Identifier: Apache-2.0

local cases = {}

for _, verb in ipairs { "ps", "reload", "events", "down", "start kv", "stop kv db", "restart kv", "why kv", "logs kv",
  "inspect kv db", "logs -f kv db", "events --since 1h" } do
  cases[#cases + 1] = { "gantry " .. verb, 7, "no gantry up is running", "start it with `gantry up DIR`" }
end
cases[#cases + 1] = { "gantry down --control no.sock", 7, "gantry down --orphans" }
cases[#cases + 1] = { "gantry down --orphans", 5, "no engine answers" }
cases[#cases + 1] = { "gantry ps --control", 2, "requires an argument" }
cases[#cases + 1] = { "gantry ps --control " .. ("/long"):rep(50), 7, "use a shorter directory" }
return { subject = "no gantry up", cases = cases }
