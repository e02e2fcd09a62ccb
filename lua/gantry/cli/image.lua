-- SPDX-License-Identifier: Apache-2.0
--
--- cli/image.lua: `gantry image`: the images of an engine: fetched, loaded, listed, removed.

local errors = require "gantry.base.errors"
local exit_codes = require "gantry.text.exit_codes"
local gantry = require "gantry"
local json = require "gantry.json"
local printable = require "gantry.text.printable"
local pull_progress = require "gantry.text.pull_progress"
local report = require "gantry.text.report"
local system = require("gantry.core").system
local table_text = require "gantry.text.table_text"
local task = require "gantry.task"
local units = require "gantry.base.units"

local image = {
  summary = "The images of an engine. Where no daemon keeps them, gantry has a store of its own.",
  examples = "  gantry image pull --engine oci: registry.example.com/kv:1\n"
    .. "  docker save kv:1 | gantry image load --engine oci:\n  gantry image load --engine oci: kv.tar\n"
    .. "  gantry image pull --engine oci: docker-daemon:kv:1\n  gantry image list --engine oci:\n"
    .. "  gantry image remove --engine oci: kv:1",
}

function image.configure(parser)
  parser:argument("action", "What to do: pull, load, list or remove."):argname("ACTION")
    :choices { "pull", "load", "list", "remove" }
  parser:argument("names", "Images; of `load` archives, standard input where there is none."):args("*"):argname("IMAGE")
  parser:option("--engine", "The engine's address (unix:///path, tcp://host:port, oci:)."):argname("URL")
end

---@param prefix string
---@return fun(message: gantry.PullMessage)
local function shower(prefix)
  if system.is_terminal(2) then
    local progress = pull_progress.new(prefix, function(text) io.stderr:write(text) end)
    return function(message) progress:feed(message) end
  end
  return function(message)
    local line = pull_progress.line(message)
    if line then printable.write_stderr(prefix, line, "\n") end
  end
end

---@param names string[]
---@param action string
---@return gantry.Error?
local function need_names(names, action)
  if #names > 0 then return nil end
  return errors.new("USAGE", ("gantry image %s needs the name of an image"):format(action))
end

local actions = {}

function actions.pull(engine, arguments)
  local missing = need_names(arguments.names, "pull")
  if missing then return nil, missing end
  local pulled = {}
  for _, name in ipairs(arguments.names) do
    local ok, err = engine:pull(name, { on_message = shower(name .. ": ") })
    if not ok then return nil, err end
    pulled[#pulled + 1] = name
  end
  return { pulled = json.array(pulled) }
end

function actions.load(engine, arguments)
  local loaded = {}
  local paths = #arguments.names > 0 and arguments.names or { false }
  for _, path in ipairs(paths) do
    local list, err = engine:load_archive(path or nil, { on_message = shower("") })
    if not list then return nil, err end
    for _, one in ipairs(list) do
      loaded[#loaded + 1] = { id = one.id, references = json.array(one.references) }
    end
  end
  return { loaded = json.array(loaded) }
end

---@param list gantry.StoredImage[]
local function print_images(list)
  local rows = { { "IMAGE", "ID", "SIZE" } }
  for _, one in ipairs(list) do
    local names = #one.references > 0 and one.references or { "<none>" }
    for _, name in ipairs(names) do
      rows[#rows + 1] = { name, one.id:sub(8, 19), units.format_bytes(one.size or 0) }
    end
  end
  printable.write_stdout(table_text.format(rows))
end

function actions.list(engine, arguments)
  local list, err = engine:images()
  if not list then return nil, err end
  if not arguments.json then
    print_images(list)
    return {}
  end
  local shown = {}
  for i, one in ipairs(list) do
    shown[i] = { id = one.id, references = json.array(one.references), digests = json.array(one.digests),
      size = one.size }
  end
  return { images = json.array(shown) }
end

function actions.remove(engine, arguments)
  local missing = need_names(arguments.names, "remove")
  if missing then return nil, missing end
  local removed = {}
  for _, name in ipairs(arguments.names) do
    local ok, err = engine:remove_image(name)
    if ok == nil then return nil, err end
    if ok then removed[#removed + 1] = name end
  end
  return { removed = json.array(removed) }
end

function image.run(arguments)
  local engine, err = gantry.engine(arguments.engine)
  if not engine then return report.failure(err, arguments) end
  local result, failure = task.run(actions[arguments.action], engine, arguments)
  if not result then return report.failure(failure, arguments) end
  if arguments.json then io.stdout:write(json.line(result)) end
  return exit_codes.OK
end

return image
