-- SPDX-License-Identifier: Apache-2.0
--
--- table.lua FOLDER FILE: writes what the runs of run.sh left in FOLDER as one table to FILE, and prints it: a row a
--- case, a column an engine; below it, why anything was skipped or failed.

local ORDER = { "docker", "gvisor", "tcp", "restart", "rootless", "userns", "docker26", "docker28", "containerd",
  "podman4", "podman5", "oci_crun", "oci_runc", "oci_runsc", "oci_crun13", "oci_runc13" }

local engines, cases, cells, notes = {}, {}, {}, {}

---Adds a value to a list and a set of it, once.
local function once(list, value)
  if list[value] then return end
  list[value] = true
  list[#list + 1] = value
end

---@param engine string
---@param case string
---@param outcome string
---@param reason string
local function take(engine, case, outcome, reason)
  once(engines, engine)
  if case ~= "*" then once(cases, case) end
  local cell = outcome == "ok" and "ok" or outcome == "failed" and "FAIL" or "skip"
  if cell ~= "ok" then
    notes[#notes + 1] = ("%s, %s: %s: %s"):format(engine, case == "*" and "all" or case, outcome, reason)
    cell = ("%s %d"):format(cell, #notes)
  end
  cells[engine .. "\0" .. case] = cell
end

for _, family in ipairs(ORDER) do
  local file <close> = io.open(("%s/%s.tsv"):format(arg[1], family))
  for line in (file and file:read("a") or ""):gmatch("[^\n]+") do
    take(line:match("^([^\t]*)\t([^\t]*)\t([^\t]*)\t(.*)$"))
  end
end

local lines = {}
local function add(text) lines[#lines + 1] = (text:gsub("%s+$", "")) end
local function letter(i)
  return (i > 26 and string.char(64 + (i - 1) // 26) or "") .. string.char(65 + (i - 1) % 26)
end

add "engines:"
for i, engine in ipairs(engines) do add(("  %s  %s"):format(letter(i), engine)) end
local header = { ("%-16s"):format "case" }
for i = 1, #engines do header[#header + 1] = ("%-7s"):format(letter(i)) end
add(table.concat(header, " "))
for _, case in ipairs(cases) do
  local row = { ("%-16s"):format(case) }
  for _, engine in ipairs(engines) do
    row[#row + 1] = ("%-7s"):format(cells[engine .. "\0" .. case] or cells[engine .. "\0*"] or "-")
  end
  add(table.concat(row, " "))
end
for i, note in ipairs(notes) do add(("%d  %s"):format(i, note)) end

local text = table.concat(lines, "\n") .. "\n"
io.write(text)
local file <close> = assert(io.open(arg[2], "w"))
assert(file:write(text))
