-- SPDX-License-Identifier: Apache-2.0
--
--- names_c.lua: fails where two files define a static function of one name: in a backtrace, a profile or an index it
--- would not tell which. It has the prefix of its object instead.
---
--- Usage: lua5.4 tests/static/names_c.lua FILE... (all of src)

package.path = "tests/static/?.lua;" .. package.path
local c_source = require "c_source"

local failures = 0
local first_of = {}
table.sort(arg)
for _, path in ipairs(arg) do
  for _, defined in ipairs(c_source.read(path).functions) do
    local where = ("%s:%d"):format(path, defined.line)
    -- Inline functions of a header are one function, however many files have it.
    if defined.is_static and path:find "%.c$" then
      if first_of[defined.name] then
        print(("%s: static function %s is in %s as well"):format(where, defined.name, first_of[defined.name]))
        failures = failures + 1
      end
      first_of[defined.name] = first_of[defined.name] or where
    end
  end
end
os.exit(failures == 0)
