-- SPDX-License-Identifier: Apache-2.0

local cases = {}

-- What is no plugin's name is refused as a name by every verb that takes one.
local NO_NAMES <const> = { "../kv", "a/b", "/etc/passwd", ".", "..", ".hidden", "kv.lua/", "'a b'", "''", "'k?v'",
  "'%2e'", ("x"):rep(65), "$'k\\nv'", "'ünï'" }

for _, name in ipairs(NO_NAMES) do
  for _, verb in ipairs { "stop", "why" } do
    cases[#cases + 1] = { ("gantry %s %s"):format(verb, name), 2, "a plugin's name must",
      "gantry ps lists the plugins" }
  end
end
for _, verb in ipairs { "start", "restart", "logs", "start --wait", "logs -f", "why --json" } do
  cases[#cases + 1] = { ("gantry %s policies/kv.lua"):format(verb), 2, "a plugin's name must", "'policies/kv.lua'" }
  cases[#cases + 1] = { ("gantry %s kv ../kv"):format(verb), 2, "a plugin's name must", "'../kv'" }
end
return { subject = "names", cases = cases }
