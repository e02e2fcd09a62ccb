-- SPDX-License-Identifier: Apache-2.0
--
--- cli/init_policy.lua: `gantry init`: writes a first policy. What it was not told it asks for at a terminal, and only
--- there.

local core = require "gantry.core"
local errors = require "gantry.base.errors"
local exit_codes = require "gantry.text.exit_codes"
local first_policy = require "gantry.text.first_policy"
local gantry = require "gantry"
local image_name = require "gantry.base.image"
local json = require "gantry.json"
local nearest = require "gantry.base.nearest"
local printable = require "gantry.text.printable"
local report = require "gantry.text.report"
local values = require "gantry.config.values"
local words = require "gantry.base.words"

-- Modes before the umask; a host executes the policy.
local EXECUTABLE <const>, READABLE <const> = 511, 438 -- 0777, 0666

local init = {
  summary = "Write a first policy for a plugin: of an image, or of its binary.",
  examples = "  gantry init --image vault-plugin-auth-jwt --for vault\n"
    .. "  gantry init --image my-plugin --output plugins/my.lua",
}

function init.configure(parser)
  parser:option("--image", "The plugin's image. It is pinned, where an engine has it."):argname("IMAGE")
  parser:option("--for", "The host that starts the plugin: " .. words.either(first_policy.hosts()) .. ".")
    :argname("HOST"):target("host")
  parser:option("--type", "Vault and OpenBao: auth, secret or database."):argname("TYPE")
  parser:option("--name", "The plugin's name, instead of the image's."):argname("NAME")
  parser:option("--sha256", "Pins the image to this id; none is asked for."):argname("ID")
  parser:option("-o --output", "Where to write; NAME.lua where left out. What is there is never overwritten.")
    :argname("FILE")
  parser:option("--engine", "The engine that knows the image (unix:///path, tcp://host:port)."):argname("URL")
end

---What is wrong with the command line: the verb ends with it.
---@param format string
local function refuse(format, ...)
  error(errors.new("USAGE", format:format(...)), 0)
end

---A value held against the schema's own rule.
---@param option string
---@param type gantry.Type
---@param value string
---@return string
local function read(option, type, value)
  return type.read(value, option, function(_, message) refuse("%s", message) end)
end

---@param question string
---@return string? answer nil where it is empty, and where nobody is there to be asked
local function ask(question)
  if not (core.system.is_terminal(0) and core.system.is_terminal(2)) then return nil end
  io.stderr:write(question, " ")
  local line = io.stdin:read "l"
  if not line then error(errors.new("FAILED", "the input ended; nothing was written"), 0) end
  return line:match "%S.*" and line:match "^%s*(.-)%s*$"
end

---@param arguments table
---@return string
local function choose_image(arguments)
  local image = arguments.image or ask "Image of the plugin:"
  if not image then refuse "say which plugin: --image IMAGE" end
  return read("--image", values.image, image)
end

---@param arguments table
---@return gantry.KnownHost? host nil where none was named
local function choose_host(arguments)
  local hosts = first_policy.hosts()
  local name = arguments.host or ask(("Host that starts it (%s; empty for another):"):format(words.either(hosts)))
  local host = name and first_policy.host(name:lower())
  if host or not name then return host end
  local near = nearest.find(name, hosts)
  refuse("--for: '%s' is no host that gantry knows%s; leave it out for another", name,
    near and (" (did you mean '%s'?)"):format(near) or " (" .. words.either(hosts) .. ")")
end

---@param arguments table
---@param host gantry.KnownHost?
---@param name string
---@return string? type nil where the host's plugins are of one kind
local function choose_type(arguments, host, name)
  local types = host and host.types
  if not types then
    if arguments.type then refuse "--type is for plugins of Vault and OpenBao (--for vault)" end
    return nil
  end
  local likely = first_policy.type_of(host, name)
  local chosen = arguments.type or ask(("Type of the plugin (%s; empty for %s):"):format(words.either(types), likely))
    or likely
  for _, type in ipairs(types) do
    if type == chosen then return type end
  end
  refuse("--type must be %s, got %s", words.either(types), words.show(chosen))
end

---The plugin's name by its image's: the last part of the path.
---@param arguments table
---@param image string
---@return string
local function choose_name(arguments, image)
  local path = image_name.parse(image).name
  return read("--name", values.plugin_name, arguments.name or path and path:match "[^/]*$" or "plugin")
end

---The image's id, as the engine has it.
---@param arguments table
---@param image string
---@return string? sha256, gantry.Error? why_not
local function find_pin(arguments, image)
  if arguments.sha256 then return read("--sha256", values.sha256, arguments.sha256) end
  local engine, err = gantry.engine(arguments.engine)
  if not engine then return nil, err end
  local found, missing = engine:inspect_image(image)
  if not found then return nil, missing end
  return read("the image's id", values.sha256, found.Id)
end

---@param arguments table
---@return gantry.FirstPolicyFacts facts
---@return gantry.Error? unpinned why there is no pin
local function gather(arguments)
  local facts = { image = choose_image(arguments), host = choose_host(arguments) }
  facts.name = choose_name(arguments, facts.image)
  facts.type = choose_type(arguments, facts.host, facts.name)
  local unpinned
  facts.sha256, unpinned = find_pin(arguments, facts.image)
  if unpinned and facts.type then
    error(errors.new(unpinned.code, ("%s pins its plugins: say --sha256 ID, since %s"):format(facts.host.title,
      unpinned.message), { cause = unpinned }), 0)
  end
  return facts, unpinned
end

---@param path string
---@param text string
---@param mode integer
---@return gantry.Error? err
local function write(path, text, mode)
  local ok, err = core.files.create(path, text, mode)
  if ok then return nil end
  if err.code ~= "FILE_EXISTS" then return err end
  return errors.new(err.code, path .. " is there already and stays as it is; say --output FILE", { cause = err })
end

---@param facts gantry.FirstPolicyFacts
---@param path string
---@param unpinned gantry.Error?
local function tell(facts, path, unpinned, arguments)
  if arguments.json then
    io.stdout:write(json.line { policy = path, name = facts.name, sha256 = facts.sha256 })
    return
  end
  printable.write_stdout(("wrote %s%s; next: gantry plan %s\n"):format(path, facts.sha256 and ", pinned" or "", path))
  if unpinned then
    printable.write_stderr(("gantry: not pinned, since the image's id is not known: %s\n"):format(unpinned.message))
  end
end

function init.run(arguments)
  local facts, unpinned = gather(arguments)
  local path = arguments.output or facts.name .. ".lua"
  facts.file = path:match "[^/]*$"
  if first_policy.hides_base(facts.file) then
    refuse("%s would hide the policy of that name that others build on; say --output FILE", path)
  end
  local err = write(path, first_policy.text(facts), facts.host and EXECUTABLE or READABLE)
  if err then return report.failure(err, arguments) end
  tell(facts, path, unpinned, arguments)
  return exit_codes.OK
end

return init
