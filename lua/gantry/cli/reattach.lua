-- SPDX-License-Identifier: Apache-2.0
--
--- cli/reattach.lua: `gantry reattach`: what another go-plugin host needs to use a plugin that runs: one of `gantry up`
--- or `gantry run`, or a container that another host launched.

local exit_codes = require "gantry.text.exit_codes"
local gantry = require "gantry"
local json = require "gantry.json"
local reattach = require "gantry.plugin.reattach"
local report = require "gantry.text.report"
local shell = require "gantry.base.shell"

local verb = {
  summary = "Print go-plugin's ReattachConfig for a plugin that runs.",
  examples = '  gantry reattach kv\n  eval "$(gantry reattach --format terraform null random)"\n'
    .. "  gantry reattach --format terraform --provider registry.terraform.io/hashicorp/random 4c1f0a2b9d3e",
}

function verb.configure(parser)
  parser:argument("names", "Plugins' names, or the names or ids of their containers."):args("+"):argname("NAME|ID")
  parser:option("--format", "json (go-plugin's ReattachConfig), or terraform (an export line for a shell).", "json")
    :choices { "json", "terraform" }
  parser:option("--provider", "The provider's address, for terraform, of one plugin; "
    .. "registry.terraform.io/hashicorp/NAME where left out."):argname("ADDRESS")
  parser:option("--protocol", "How the plugin speaks, where another host launched it.")
    :choices { "grpc", "netrpc" }
  parser:option("--protocol-version", "The application's protocol version, where another host launched it.")
    :argname("N"):convert(function(text)
      local version = text:match("^%d+$") and math.tointeger(tonumber(text))
      if not version then return nil, ("--protocol-version must be a whole number, got '%s'"):format(text) end
      return version
    end)
  parser:option("--engine", "The engine's address (unix:///path, tcp://host:port)."):argname("URL")
end

---@param found { name: string, config: table }[]
---@param provider string?
local function print_terraform(found, provider)
  local configs = {}
  for _, one in ipairs(found) do configs[provider or reattach.terraform_source(one.name)] = one.config end
  io.stdout:write("export TF_REATTACH_PROVIDERS=", shell.quote((json.line(configs):gsub("\n$", ""))), "\n")
end

function verb.run(arguments)
  if arguments.provider and #arguments.names > 1 then
    io.stderr:write("gantry: --provider is the address of one plugin (see gantry reattach --help)\n")
    return exit_codes.USAGE
  end
  local engine, unreachable = gantry.engine(arguments.engine)
  if not engine then return report.failure(unreachable, arguments) end
  local found, failures = {}, {}
  for _, name in ipairs(arguments.names) do
    local one, err = reattach.find(engine, name, {
      protocol = arguments.protocol, protocol_version = arguments.protocol_version,
    })
    table.insert(one and found or failures, one or err)
  end
  if #failures > 0 then return report.failure(failures, arguments) end
  if arguments.format == "terraform" then
    print_terraform(found, arguments.provider)
  else
    for _, one in ipairs(found) do io.stdout:write(json.line(one.config)) end
  end
  return exit_codes.OK
end

return verb
