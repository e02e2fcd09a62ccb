-- SPDX-License-Identifier: Apache-2.0

local cases = {}

for _, verb in ipairs { "--help", "help run", "version", "version --json", "check --help", "check --json kv.lua",
  "simulate --oom 3 kv.lua", "simulate --json --oom 3 kv.lua", "plan --offline kv.lua", "-e 'print(1)'", "exec --help",
  "host --help", "test ." } do
  cases[#cases + 1] = { ("gantry %s >/dev/full"):format(verb), 1, "gantry: write to standard output: " }
end
-- Where SIGPIPE is ignored a pipe without a reader is an error; elsewhere it ends the command.
local UNREAD <const> = "mkfifo p; exec 3<>p 4>p 3>&-; rm p; %s >&4 4>&-"
cases[#cases + 1] = { "trap '' PIPE; " .. UNREAD:format "gantry version", 1, "Broken pipe" }
cases[#cases + 1] = { "trap '' PIPE; " .. UNREAD:format "gantry --help", 1, "Broken pipe" }
cases[#cases + 1] = { UNREAD:format "gantry version" .. "; echo $? >&2; exit 1", 1, "141" }
cases[#cases + 1] = { UNREAD:format "gantry check --json kv.lua" .. "; echo $? >&2; exit 1", 1, "141" }
cases[#cases + 1] = { "gantry ps --json >/dev/full", 7, "gantry: write to standard output: No space left on device" }

return {
  subject = "output that cannot be written",
  files = { ["kv.lua"] = 'return { image = "kv" }',
    ["kv_test.lua"] = 'local t = require "gantry.test"\nt.test("one", function() t.equal(1, 1) end)' },
  cases = cases,
}
