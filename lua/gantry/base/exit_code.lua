-- SPDX-License-Identifier: Apache-2.0
--
--- base/exit_code.lua: how a process ended as one number, as shells and engines tell it.

local exit_code = {}

---What a signal's number is added to.
exit_code.BY_SIGNAL = 128

---@param ended { code: integer?, signal: integer? } signal: what ended it; nil or 0 where it exited with `code`
---@return integer
function exit_code.of(ended)
  local signal = ended.signal or 0
  return signal > 0 and exit_code.BY_SIGNAL + signal or ended.code or 0
end

return exit_code
