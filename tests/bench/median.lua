-- SPDX-License-Identifier: Apache-2.0

---@param values number[] are sorted by it
---@return number
return function(values)
  table.sort(values)
  local middle = #values // 2
  return #values % 2 == 1 and values[middle + 1] or (values[middle] + values[middle + 1]) / 2
end
