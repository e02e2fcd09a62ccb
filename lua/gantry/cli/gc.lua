-- SPDX-License-Identifier: Apache-2.0
--
--- cli/gc.lua: `gantry gc`: removes what killed gantries left behind, and images of binaries that no policy names.

local corpses = require "gantry.supervisor.corpses"
local exit_codes = require "gantry.text.exit_codes"
local gantry = require "gantry"
local garbage = require "gantry.plugin.garbage"
local json = require "gantry.json"
local printable = require "gantry.text.printable"
local report = require "gantry.text.report"
local runtime_dir = require "gantry.place.runtime_dir"

local gc = {
  summary = "Remove what no living gantry owns: containers, socket directories, images of binaries. What a gantry up "
    .. "that is gone left running stays: gantry down --orphans ends that.",
  examples = "  gantry gc --dry-run\n  gantry gc\n  gantry gc --kept",
}

function gc.configure(parser)
  parser:flag("-n --dry-run", "Only say what would be removed.")
  parser:flag("-a --all", "Also containers whose socket directory is in another runtime directory than this one.")
  parser:flag("--kept", "Also ended containers that `debug` keeps for inspection.")
  parser:option("--engine", "The engine's address (unix:///path, tcp://host:port)."):argname("URL")
end

---@param list gantry.Garbage[]
local function print_list(list, arguments)
  if arguments.json then
    io.stdout:write(json.line { [arguments.dry_run and "found" or "removed"] = json.array(list) })
    return
  end
  for _, item in ipairs(list) do
    local done = arguments.dry_run and (item.keep and "would end " or "would remove ")
      or item.keep and "ended " or "removed "
    printable.write_stdout(done, garbage.describe(item), item.keep and ", which is kept for inspection\n" or "\n")
  end
end

---What is dead and could not be removed is told of, not counted as a failure: gantry up goes on trying.
local function tell_corpses()
  for _, one in ipairs(corpses.recorded()) do
    printable.write_stderr("gantry: ", corpses.describe(one), "; gantry up tries again\n")
  end
end

function gc.run(arguments)
  local engine, err = gantry.engine(arguments.engine)
  if not engine then return report.failure(err, arguments) end
  tell_corpses()
  local list, unreadable = garbage.find(engine, { runtime_dir = runtime_dir.path(), all = arguments.all,
    kept = arguments.kept })
  if not list then return report.failure(unreadable, arguments) end
  if arguments.dry_run then
    print_list(list, arguments)
    return exit_codes.OK
  end
  local removed, failures = {}, {}
  for _, item in ipairs(list) do
    local ok, failure = garbage.remove(engine, item)
    if ok then removed[#removed + 1] = item else failures[#failures + 1] = failure end
  end
  print_list(removed, arguments)
  return #failures > 0 and report.failure(failures, arguments) or exit_codes.OK
end

return gc
