-- SPDX-License-Identifier: Apache-2.0
--
--- cli/export.lua: `gantry export kube`: policies as sidecars in a Kubernetes pod: the manifest of one, or a patch for
--- a workload that is there.

local exit_codes = require "gantry.text.exit_codes"
local gantry = require "gantry"
local json = require "gantry.json"
local pod = require "gantry.pod"
local policy_options = require "gantry.cli.policy_options"
local printable = require "gantry.text.printable"
local report = require "gantry.text.report"
local yaml = require "gantry.text.yaml"

local export = {
  summary = "Print policies as sidecars of a Kubernetes pod, in which a go-plugin host starts them with `gantry exec`. "
    .. "What a pod cannot say of a policy is refused, or warned of on standard error, by field.",
  examples = "  gantry export kube policies/demo.lua --host-image registry.example/host:1.0 | kubectl apply -f -\n"
    .. "  gantry export kube policies/*.lua --host-image registry.example/vault:1.0 \\\n"
    .. "    --patch statefulset/vault --container vault --user 100:1000 --plugins /vault/plugins >sidecars.yaml",
}

-- Where Debian's package has it.
local GATE <const> = "/usr/libexec/gantry/gantry-gate"
local HOST_IMAGE <const>, USER <const> = "gantry-host", "65532:65532"
local KINDS <const> = { deployment = "Deployment", statefulset = "StatefulSet", daemonset = "DaemonSet" }

---@param text string
---@return integer[]? ids user and group
---@return string? reason
local function user_of(text)
  local uid, gid = text:match "^(%d+):?(%d*)$"
  uid = math.tointeger(uid)
  if not uid or uid > 0x7fffffff then return nil, ("--user must be UID or UID:GID, got '%s'"):format(text) end
  return { uid, math.tointeger(gid) or uid }
end

---@param text string
---@return { kind: string, name: string }? workload, string? reason
local function workload_of(text)
  local kind, name = text:match "^(%a+)/([%l%d][%l%d.-]*)$"
  if kind and KINDS[kind:lower()] then return { kind = KINDS[kind:lower()], name = name } end
  return nil, ("--patch must be deployment/NAME, statefulset/NAME or daemonset/NAME, got '%s'"):format(text)
end

---@param text string
---@return string? path, string? reason
local function path_of(text)
  if text:sub(1, 1) == "/" then return text end
  return nil, ("it must be a whole path in the container, got '%s'"):format(text)
end

function export.configure(parser)
  parser:argument("format", "For what: kube."):choices { "kube" }
  parser:argument("policies", "Policy files: a sidecar each."):args("+"):argname("POLICY")
  parser:option("--host-image", "The host's image, with gantry in it.", HOST_IMAGE):argname("IMAGE")
  parser:option("--gate-image", "The image that the gate is installed from, instead of the host's."):argname("IMAGE")
  parser:option("--gate", "Where the gate's program is in that image.", GATE):argname("PATH"):convert(path_of)
  parser:option("--name", "The pod's name.", "host"):argname("WORD")
  parser:option("--patch", "A patch for this workload, instead of a pod: statefulset/vault.")
    :argname("KIND/NAME"):convert(workload_of)
  parser:option("--container", "The host's container.", "host"):argname("WORD")
  parser:option("--user", "Who host and plugins run as.", USER):argname("UID:GID"):convert(user_of)
  parser:option("--plugins", "The folder where the host looks for plugins: a ConfigMap puts the policies there. "
    .. "Without it, they are in the host's image."):argname("PATH"):convert(path_of)
  parser:option("--only", "The ConfigMap of the policies, or the pod or patch, alone."):argname("PART")
    :choices { "policies", "workload" }
  parser:option("--without", "Leave a field out that a pod cannot say."):argname("FIELD"):count("*")
  parser:option("--engine", "The engine that is asked for an image's entrypoint."):argname("URL")
  policy_options.site(parser)
  policy_options.ctx(parser)
end

---As `gantry exec` reads it: a policy may say other things there.
---@param path string
---@param arguments table
---@return gantry.PodPolicy? loaded, gantry.Error|gantry.Error[]|nil err
local function load(path, arguments)
  local seen = {}
  local policy, err = gantry.load(path, { engine = arguments.engine, ctx = arguments.ctx, verb = "exec",
    on_read = function(read, what) seen[read] = what end, print = policy_options.print })
  if not policy then return nil, err end
  return { policy = policy, seen = seen }
end

---@param arguments table
---@return gantry.PodOptions
local function options_of(arguments)
  local user = type(arguments.user) == "table" and arguments.user or user_of(USER)
  return { host_image = arguments.host_image, gate_image = arguments.gate_image, gate = arguments.gate,
    name = arguments.patch and arguments.patch.name or arguments.name, container = arguments.container, user = user[1],
    group = user[2], plugins = arguments.plugins, patch = arguments.patch }
end

---@param arguments table
---@return table[]? documents
---@return gantry.Error|gantry.Error[]|string[]|nil err_or_warnings
local function make(arguments)
  local list = {}
  for i, path in ipairs(arguments.policies) do
    local loaded, err = load(path, arguments)
    if not loaded then return nil, err end
    list[i] = loaded
  end
  return pod.export(list, options_of(arguments), arguments.without or {}, function()
    return gantry.engine(arguments.engine)
  end)
end

---@param documents table[]
---@param part "policies"|"workload"
---@return table[]
local function parts_of(documents, part)
  local list = {}
  for _, document in ipairs(documents) do
    if (document.kind == "ConfigMap") == (part == "policies") then list[#list + 1] = document end
  end
  return json.array(list)
end

function export.run(arguments)
  local documents, found = make(arguments)
  if not documents then return report.failure(found, arguments) end
  for _, warning in ipairs(found) do printable.write_stderr(warning, "\n") end
  if arguments.host_image == HOST_IMAGE then
    io.stderr:write("gantry: the host's image is written as ", HOST_IMAGE, ": name yours with --host-image\n")
  end
  if arguments.only then documents = parts_of(documents, arguments.only) end
  if arguments.json then
    io.stdout:write(json.line { apiVersion = "v1", kind = "List", items = documents })
  else
    io.stdout:write(yaml.stream(documents))
  end
  return exit_codes.OK
end

return export
