-- SPDX-License-Identifier: Apache-2.0
--
--- config/schema.lua: the one list of a plugin's config fields: name, type, default, documentation. Validation,
--- defaults, the manual and the editor's stubs come from it. A field is here once it works; adding one is adding an
--- entry.

local behaviour = require "gantry.config.behaviour"
local container_values = require "gantry.config.container_values"
local network_values = require "gantry.config.network_values"
local record = require "gantry.base.record"
local security_options = require "gantry.config.security_options"
local tmpfs = require "gantry.config.tmpfs"
local types = require "gantry.base.types"
local values = require "gantry.config.values"
local words = require "gantry.base.words"

local schema = {}

local text_list = types.list(types.string { empty = true })
local word = types.string { one_line = true, check = function(text)
  if not text:find "%s" then return text end
  return nil, "must not contain spaces, got " .. words.show(text)
end }

-- As many processes as Linux can have; the highest number of a version, which plugins read as a Go int.
local MOST_WARM <const> = 1000
local MAX_PIDS <const>, MAX_VERSION <const>, LONGEST <const> = 1 << 22, (1 << 31) - 1, behaviour.LONGEST

---@type { title: string, fields: gantry.Field[] }[]
schema.groups = {
  { title = "What runs", fields = {
    { name = "name", type = values.plugin_name, example = '"kv"',
      doc = "The plugin's name; the policy file's name without .lua where left out." },
    { name = "image", type = values.image, example = '"registry.example:5000/vault-plugin-auth-jwt"',
      doc = "The image; a registry with a port, a tag and a digest may be part of it.", also = { "img" } },
    { name = "binary", type = values.host_path, example = '"/opt/plugins/kv"',
      also = { "program", "executable", "exe", "bin" },
      doc = "The plugin's own file, instead of an image: it runs in a container of that one file." },
    { name = "libraries", type = types.boolean(), default = false, also = { "libs", "dynamic" },
      doc = "Gives a dynamic binary this machine's loader and libraries, read-only." },
    { name = "gate", type = values.host_path, example = '"/gantry"',
      doc = "Under `exec`: folder of the gates of containers that run beside the host; its own is NAME.gate there.",
      also = { "gates" } },
    { name = "tag", type = values.tag, example = '"0.16.0"',
      doc = "The image's tag; latest where neither this nor the image has one.", also = { "version" } },
    { name = "sha256", type = values.sha256, example = '"sha256:9f2c..."', also = { "sha", "digest", "checksum" },
      doc = "Pin: the image's id or repository digest, or the SHA-256 of the binary, must be this." },
    { name = "pull", type = types.enumeration { "never", "missing", "always" }, default = "never",
      example = '"missing"', also = { "pull_policy", "image_pull_policy" },
      doc = "When the image is fetched from its registry: never, where the engine lacks it, or at each launch." },
    { name = "entrypoint", type = types.list(types.string(), { min = 1 }), example = '{ "/bin/plugin" }',
      also = { "command" }, doc = "Program and first arguments, instead of the image's entrypoint." },
    { name = "args", type = text_list, example = '{ "-level", "debug" }', also = { "cmd", "arguments" },
      doc = "Arguments, instead of the image's command." },
    { name = "working_dir", type = values.path, example = '"/data"', also = { "workdir", "directory" },
      doc = "The plugin's working directory, instead of the image's." },
    { name = "user", type = values.user, example = '"1000:1000"', also = { "uid" },
      doc = "User, or user:group, by name or number, instead of the image's." },
    { name = "rootless", type = types.boolean(), default = false, also = { "rootless_engine" },
      doc = "On a rootless engine, for a plugin that is not root inside: shares its socket by your own group." },
    { name = "group_add", type = types.one_or_list(values.group, { empty = true }),
      example = '"caller"', also = { "groups" },
      doc = 'Further groups of the plugin, by number or by name on this host; "caller": all that the caller has.' },
    { name = "userns_mode", type = container_values.userns_mode, example = '"host"', also = { "userns" },
      doc = 'User namespace: "host" for none of its own (userns-remap); on Podman also its other modes: "keep-id".' },
  } },
  { title = "Environment and labels", fields = {
    { name = "env", type = values.environment, example = '{ LOG_LEVEL = "info" }', also = { "environment", "environ" },
      doc = 'Environment variables: a map, or a list of "NAME=VALUE".' },
    { name = "pass_env",
      type = types.list(values.variable_pattern, { text = "a list of names of variables", unique = true }),
      example = '{ "HTTPS_PROXY", "VAULT_*" }', also = { "env_pass", "inherit_env" },
      doc = "Variables of the caller's environment that go in, where they are set; * stands for any characters." },
    { name = "env_files", type = types.one_or_list(values.path, { empty = true }),
      example = '"/etc/gantry/kv.env"',
      doc = "Files of NAME=VALUE lines, as docker's --env-file; env and pass_env count over them. Never shown.",
      also = { "env_file", "envfile" } },
    { name = "credentials", type = container_values.credentials, example = '{ token = "/etc/gantry/secrets/token" }',
      doc = "Files for the plugin's user alone, in memory, in the folder that CREDENTIALS_DIRECTORY names inside.",
      also = { "secrets", "load_credential" } },
    { name = "labels", type = values.labels, example = '{ ["com.example.team"] = "identity" }',
      doc = "Labels of the container; those that start with gantry. are gantry's own." },
  } },
  { title = "Isolation and limits", fields = {
    { name = "runtime", type = word, example = '"runsc"',
      doc = "OCI runtime, as the engine knows it; the engine's default where left out." },
    { name = "memory", type = types.size { min = values.MIN_MEMORY }, example = '"256MiB"',
      also = { "mem", "memory_bytes" }, doc = "Limit of memory; none where left out." },
    { name = "memory_swap", type = container_values.memory_swap, example = '"512MiB"', also = { "memswap" },
      doc = 'Limit of memory and swap together, or "unlimited"; memory, which means no swap, where left out.' },
    { name = "cpus", type = values.cpus, example = "0.5", also = { "cpu" },
      doc = "Limit of processor time, in processors; not with nano_cpus." },
    { name = "nano_cpus", type = values.nano_cpus, example = "500000000", also = { "cpu_nanos" },
      doc = "Limit of processor time, in billionths of a processor; not with cpus." },
    { name = "cpuset", type = container_values.cpuset, example = '"0-3,5"', also = { "cpuset_cpus" },
      doc = "Processors that it may run on." },
    { name = "pids_limit", type = types.integer { min = 1, max = MAX_PIDS }, example = "128", also = { "pids" },
      doc = "Most processes and threads; 2048 where left out." },
    { name = "ulimits", type = container_values.ulimits,
      example = '{ { name = "nofile", soft = 1024, hard = 4096 } }', doc = "Limits of the plugin's process." },
    { name = "cgroup_parent", type = word, example = '"/plugins"',
      doc = "The cgroup that the container's is made in." },
    { name = "cap_ipc_lock", type = types.boolean(), default = false, also = { "mlock", "ipc_lock" },
      doc = "Grants IPC_LOCK, for plugins that lock memory. All other capabilities are dropped." },
    { name = "security_opt", type = security_options, example = '{ "no-new-privileges" }',
      also = { "security_options" },
      doc = "As the engine takes them. no-new-privileges holds, but with cap_ipc_lock or no-new-privileges:false." },
    { name = "seccomp", type = container_values.seccomp, example = '"/etc/gantry/seccomp.json"',
      doc = 'Filter of system calls: "default" is the engine\'s, "unconfined" none, a path that of a JSON file.' },
    { name = "apparmor", type = container_values.apparmor, example = '"gantry-plugin"',
      doc = 'AppArmor profile, by name; "unconfined" is none.' },
    { name = "devices", type = types.one_or_list(container_values.device, { empty = true }),
      example = '{ "/dev/fuse" }',
      doc = "Devices of the host: paths, or tables of source, target and permissions.", also = { "device" } },
    { name = "read_only", type = types.boolean(), also = { "readonly_rootfs", "read_only_rootfs" },
      example = "true",
      doc = "Makes the container's own file system read-only; left out, it is so under `gantry exec`." },
    { name = "tmpfs", type = tmpfs, example = '{ ["/tmp"] = "size=16m" }',
      doc = "Paths inside that are memory: a map of paths to mount options, or a list; /tmp is, and is TMPDIR." },
    { name = "mounts", type = types.list(values.mount, { text = "a list of { source =, target =, read_only = }" }),
      example = '{ { source = "/etc/ssl/certs", target = "/etc/ssl/certs", read_only = true } }',
      also = { "volumes", "binds" },
      doc = "Files and folders of the host that the plugin sees; a source may begin with ~ for the caller's HOME." },
    { name = "cwd", type = types.enumeration { "rw", "ro" }, example = '"rw"', also = { "current_directory" },
      doc = "Shares the caller's current directory at its own path, writable or read-only; the plugin starts there." },
    { name = "share_tmp", type = values.share_tmp, default = false, example = "true",
      also = { "shared_tmp", "share_tmpdir" },
      doc = 'Shares the host\'s private TMPDIR at its own path, for sockets of the host; "/tmp" shares all of that.' },
  } },
  { title = "Network", fields = {
    { name = "disable_network", type = types.boolean(), default = false, also = { "network_disabled", "no_network" },
      doc = "No network but the container's own loopback; also halves the start time." },
    { name = "hostname", type = network_values.hostname, example = '"kv"', also = { "host_name" },
      doc = "The container's own name; a part of its id where left out." },
    { name = "dns", type = types.one_or_list(network_values.address, { empty = true }), example = '{ "192.0.2.53" }',
      doc = "Name servers, instead of the engine's.", also = { "nameservers", "dns_servers" } },
    { name = "extra_hosts", type = network_values.extra_hosts, example = '{ ["vault.internal"] = "192.0.2.7" }',
      doc = 'Names that it knows beside those of DNS; "host-gateway" is the host, where the engine has that.',
      also = { "add_host", "hosts" } },
    { name = "networks", type = network_values.networks, example = '{ "backend" }', also = { "network" },
      doc = 'Networks to join, else the engine\'s default; "host": this machine\'s, localhost too. oci: "host", '
        .. '"user", "none".' },
    { name = "endpoints_config", type = network_values.endpoints,
      example = '{ backend = { Aliases = { "kv" } } }',
      doc = "Networks to join, each with endpoint settings as the engine's API names them." },
  } },
  { title = "The plugin's protocol", fields = {
    { name = "cookie", type = values.cookie, example = '{ "MY_PLUGIN_COOKIE", "d602bf8f" }', also = { "magic_cookie" },
      doc = "The magic cookie: without the right one, plugins refuse to start." },
    { name = "protocol_versions", default = { 1 }, example = "{ 5, 6 }", also = { "protocol_version" },
      type = types.list(types.integer { min = 0, max = MAX_VERSION }, { text = "a list of whole numbers", min = 1,
        unique = true }),
      doc = "Versions of the application's protocol that are accepted; the plugin picks the highest it knows." },
    { name = "protocol", type = types.one_or_list(types.enumeration { "grpc", "netrpc" }), default = "grpc",
      example = '{ "grpc", "netrpc" }', also = { "allowed_protocols" }, doc = "How the plugin may speak." },
    { name = "auto_mtls", type = types.boolean(), default = false, also = { "mtls", "tls" },
      doc = "Encrypts the connection, with certificates made for this launch; each side accepts only the other's." },
    { name = "socket_group", type = values.group, example = '"plugins"',
      doc = "Group that host and plugin share the socket by, by name or number; the caller's own where left out." },
    { name = "temp_dir", type = values.host_path, example = '"/run/plugins"', also = { "tmp_dir", "runtime_dir" },
      doc = "Folder in which the socket directory is made, instead of gantry's runtime directory." },
  } },
  { title = "Its life", fields = {
    { name = "start_timeout", type = types.duration { min = "1ms", max = LONGEST }, default = "60s",
      also = { "timeout" },
      doc = "Time from the start to the handshake, and again from there to a healthy connection." },
    { name = "stop_signal", type = container_values.signal, example = '"SIGINT"',
      doc = "The signal that tells it to end; the image's STOPSIGNAL, else SIGTERM, where left out." },
    { name = "init", type = types.boolean(), example = "false", also = { "tini" },
      doc = "The engine's own init as first process, which reaps orphans; true where left out, but on Podman." },
    { name = "stop_timeout", type = types.duration { max = LONGEST }, default = "10s", also = { "grace" },
      doc = "Time to end by itself when asked to, and again when told by stop_signal; then it is killed." },
    { name = "engine_timeout", type = types.duration { max = LONGEST }, example = '"5m"', also = { "engine_away" },
      doc = "Time that the engine may be away before its plugin counts as ended: 60s; under `gantry up`, any." },
    { name = "health", type = behaviour.health, example = '{ period = "10s", timeout = "5s", failures = 3 }',
      doc = "Checks of its health under `gantry up`; none where left out.", also = { "health_check", "healthcheck" } },
    { name = "after", type = types.list(values.plugin_name, { text = "a list of plugins' names", unique = true }),
      example = '{ "db" }', also = { "depends_on", "requires" },
      doc = "Plugins that must be ready before it starts under `gantry up`." },
    { name = "warm", type = types.integer { min = 0, max = MOST_WARM }, example = "2", also = { "pool" },
      doc = "Containers that wait for it under `gantry up`: a start takes one, as quick as a process." },
    { name = "standby", type = types.boolean(), default = false, also = { "hot_standby" },
      doc = "Under `gantry up` a second process of it stands by, ready, and takes its place at once when it ends." },
    { name = "restart", type = behaviour.restart, example = 'restart.backoff { first = "100ms", max = "30s" }',
      doc = "What follows its end under `gantry up`: a strategy of gantry.restart or a function (exit, history)." },
    { name = "on_exit", type = behaviour.on_exit, example = '{ "/usr/local/bin/alert" }', also = { "on_stop" },
      doc = "Command run on the host after each end under `gantry up`, or a function that may return one." },
    { name = "outlive_host", type = types.boolean(), default = false, also = { "detach", "survive_host" },
      doc = "Under `exec`: goes on when its host ends without closing it, for another host to reattach to." },
    { name = "debug", type = types.union(types.boolean(), types.enumeration { "env" }), default = false,
      example = '"env"',
      doc = 'Keeps the container when the plugin has ended, and tells more; "env" shows secret variables too.' },
  } },
}

---@type gantry.Field[] all fields, in the order of the groups
schema.fields = {}
---@type table<string, gantry.Field>
schema.by_name = {}

for _, group in ipairs(schema.groups) do
  for _, field in ipairs(group.fields) do
    schema.fields[#schema.fields + 1] = field
    schema.by_name[field.name] = field
  end
end

---The type of a whole config.
schema.config = record.new(schema.fields, { text = "a table of fields" })

return schema
