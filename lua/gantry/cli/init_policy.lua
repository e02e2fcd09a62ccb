-- SPDX-License-Identifier: Apache-2.0
--
--- cli/init_policy.lua: `gantry init`: writes a first policy, for an image or for a file. What it was not told it asks
--- for at a terminal, and only there.

local binary = require "gantry.plugin.binary"
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
local task = require "gantry.task"
local units = require "gantry.base.units"
local values = require "gantry.config.values"
local words = require "gantry.base.words"

-- Modes before the umask; a host executes the policy.
local EXECUTABLE <const>, READABLE <const> = 511, 438 -- 0777, 0666

local init = {
  summary = "Write a first policy for a plugin: of an image, or of its binary.",
  examples = "  gantry init ./terraform-provider-null --for opentofu\n"
    .. "  gantry init --image vault-plugin-auth-jwt --for vault --output policies/jwt.lua",
}

function init.configure(parser)
  parser:argument("plugin", "The plugin: as --binary where there is such a file, else as --image."):args("?")
    :argname("PLUGIN")
  parser:option("--binary", "The plugin's file. It is pinned to its SHA-256."):argname("FILE")
  parser:option("--image", "The plugin's image. It is pinned to its id, where an engine has it."):argname("IMAGE")
  parser:option("--for", "The host that starts the plugin: " .. words.either(first_policy.hosts()) .. ".")
    :argname("HOST"):target("host")
  parser:option("--type", "Vault and OpenBao: auth, secret or database."):argname("TYPE")
  parser:option("--name", "The plugin's name, instead of the file's or image's."):argname("NAME")
  parser:option("--sha256", "Pins the plugin to this; no engine is asked for the image's id."):argname("ID")
  parser:option("-o --output", "Where to write; NAME.lua where left out. What is there is never overwritten.")
    :argname("FILE")
  parser:option("--engine", "The engine that knows the image (unix:///path, tcp://host:port)."):argname("URL")
end

---What is wrong with the command line: the verb ends with it.
---@param format string
local function refuse(format, ...)
  error(errors.new("USAGE", format:format(...)), 0)
end

---@param option string
---@param value string?
local function refuse_empty(option, value)
  if value == "" then refuse("%s must not be empty", option) end
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

---@param path string
---@return boolean
local function is_path(path)
  return core.system.stat(path) ~= nil or path:find "^%.*/" ~= nil
end

---What the policy is for: an image or a file.
---@param arguments table
---@return { image: string?, binary: string? }
local function choose_plugin(arguments)
  local given = {}
  for _, name in ipairs { "plugin", "image", "binary" } do given[#given + 1] = arguments[name] end
  refuse_empty("--binary", arguments.binary)
  if #given > 1 then refuse "one plugin a policy: PLUGIN, --image and --binary exclude each other" end
  local plugin = given[1] or ask "Image of the plugin, or path of its binary:"
  if not plugin then refuse "say which plugin: --image IMAGE or --binary FILE" end
  if arguments.binary or not arguments.image and is_path(plugin) then return { binary = plugin } end
  return { image = read("--image", values.image, plugin) }
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

---The plugin's name by its image's or file's: the last part of the path.
---@param arguments table
---@param facts gantry.FirstPolicyFacts
---@return string
local function choose_name(arguments, facts)
  local path = facts.binary or image_name.parse(facts.image).name
  return read("--name", values.plugin_name, arguments.name or path and path:match "[^/]*$" or "plugin")
end

---@param arguments table
---@return string?
local function given_pin(arguments)
  return arguments.sha256 and read("--sha256", values.sha256, arguments.sha256)
end

---The image's id, as the engine has it.
---@param arguments table
---@param facts gantry.FirstPolicyFacts
---@return gantry.Error? unpinned why there is no pin
local function pin_image(arguments, facts)
  facts.sha256 = given_pin(arguments)
  if facts.sha256 then return nil end
  local engine, err = gantry.engine(arguments.engine)
  if not engine then return err end
  local found, missing = engine:image(facts.image)
  if not found then return missing end
  facts.sha256 = read("the image's id", values.sha256, found.id)
end

---Looks at the file as a launch does.
---@param arguments table
---@param facts gantry.FirstPolicyFacts
local function pin_binary(arguments, facts)
  local found <close>, err = task.run(binary.open, { binary = facts.binary, libraries = true,
    sha256 = given_pin(arguments) }, {})
  if not found then error(err, 0) end
  facts.sha256, facts.libraries = found.sha256, #found.mounts > 0
  facts.summary = ("%s ELF, %s"):format(facts.libraries and "dynamic" or "static", units.format_bytes(found.size))
end

---@param arguments table
---@return gantry.FirstPolicyFacts facts
---@return gantry.Error? unpinned why there is no pin
local function gather(arguments)
  local facts = choose_plugin(arguments)
  if facts.binary then pin_binary(arguments, facts) end
  facts.host = choose_host(arguments)
  facts.name = choose_name(arguments, facts)
  facts.type = choose_type(arguments, facts.host, facts.name)
  local unpinned = facts.image and pin_image(arguments, facts)
  if unpinned and facts.type then
    error(errors.new(unpinned.code, ("%s pins its plugins: say --sha256 ID, since %s"):format(facts.host.title,
      unpinned.message), { cause = unpinned }), 0)
  end
  return facts, unpinned
end

---A path as a policy sees it, to which paths are relative to its own folder.
---@param path string
---@param policy string the policy's file
---@return string
local function seen_from(path, policy)
  if path:sub(1, 1) == "/" then return path end
  path = path:gsub("^%./+", "")
  return policy:find "/" and core.system.current_directory() .. "/" .. path or path
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
  printable.write_stdout(("%swrote %s%s; next: gantry plan %s\n"):format(facts.summary and facts.summary .. "; " or "",
    path, facts.sha256 and ", pinned" or "", path))
  if unpinned then
    printable.write_stderr(("gantry: not pinned, since the image's id is not known: %s\n"):format(unpinned.message))
  end
end

function init.run(arguments)
  refuse_empty("--output", arguments.output)
  local facts, unpinned = gather(arguments)
  local path = arguments.output or facts.name .. ".lua"
  facts.file = path:match "[^/]*$"
  if first_policy.hides_base(facts.file) then
    refuse("%s would hide the policy of that name that others build on; say --output FILE", path)
  end
  facts.binary = facts.binary and seen_from(facts.binary, path)
  local err = write(path, first_policy.text(facts), facts.host and EXECUTABLE or READABLE)
  if err then return report.failure(err, arguments) end
  tell(facts, path, unpinned, arguments)
  return exit_codes.OK
end

return init
