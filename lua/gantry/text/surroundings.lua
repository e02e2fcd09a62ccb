-- SPDX-License-Identifier: Apache-2.0
--
--- text/surroundings.lua: what gantry takes from its surroundings: every variable of the environment and every path,
--- for the manual. tests/lua/surroundings_spec.lua holds it against the source.

local settings = require "gantry.policy.settings"

local surroundings = {}

---@class gantry.Surrounding
---@field names string "HOME", or several with commas between
---@field text string

---Of whoever starts gantry, and of the tools that it agrees with. The settings' own variables come first.
---@type gantry.Surrounding[]
surroundings.variables = {
  { names = "DOCKER_HOST, DOCKER_CONTEXT, CONTAINER_HOST", text = "The engine, in this order after `GANTRY_ENGINE`, as "
    .. "the docker and podman commands read them." },
  { names = "DOCKER_API_VERSION", text = "The version of the engine's API, instead of the one both agree on." },
  { names = "DOCKER_TLS, DOCKER_TLS_VERIFY, DOCKER_CERT_PATH", text = "TLS to the engine, as of the docker command." },
  { names = "DOCKER_CONFIG", text = "The folder of the docker command's `config.json` and contexts, instead of "
    .. "`~/.docker`." },
  { names = "XDG_RUNTIME_DIR", text = "The user's own folder for sockets. Where it is missing, as in cron, or is "
    .. "another user's, as after `sudo -E`, `/run/user/UID` is looked at." },
  { names = "RUNTIME_DIRECTORY", text = "The folder that systemd makes for a service: the place of sockets where the "
    .. "user has no other." },
  { names = "XDG_STATE_HOME", text = "The folder of the user's state, instead of `~/.local/state`." },
  { names = "XDG_DATA_HOME", text = "The folder of the user's data, instead of `~/.local/share`." },
  { names = "XDG_CONFIG_HOME", text = "The folder of the user's settings, instead of `~/.config`." },
  { names = "PATH", text = "Where skopeo is looked for, which fetches images where no daemon does." },
  { names = "HOME", text = "What `~` stands for." },
  { names = "TMPDIR", text = "Where temporary files are shared with a plugin (`share_tmp`)." },
  { names = "NO_COLOR, TERM", text = "No color where `NO_COLOR` is set, or `TERM` is `dumb`; `TERM` also names the "
    .. "terminal that `gantry top` draws on." },
  { names = "LC_ALL, LC_CTYPE, LANG", text = "Whether the terminal of `gantry top` shows UTF-8." },
  { names = "NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID, LISTEN_FDS, LISTEN_PID", text = "What systemd tells a "
    .. "service, for `gantry up`." },
  { names = "PLUGIN_PROTOCOL_VERSIONS, PLUGIN_MIN_PORT, PLUGIN_MAX_PORT, PLUGIN_CLIENT_CERT, PLUGIN_MULTIPLEX_GRPC, "
    .. "PLUGIN_UNIX_SOCKET_DIR, PLUGIN_UNIX_SOCKET_GROUP", text = "What a go-plugin host tells its plugin, for "
    .. "`gantry exec`; gantry sets the last two for the plugin." },
  { names = "PACKER_PLUGIN_MAGIC_COOKIE, PACKER_PLUGIN_MIN_PORT, PACKER_PLUGIN_MAX_PORT, PACKER_RUN_UUID, "
    .. "PACKER_CACHE_DIR", text = "The same of Packer's." },
  { names = "GANTRY_NAME, GANTRY_GENERATION, GANTRY_CAUSE, GANTRY_EXIT_CODE, GANTRY_SIGNAL, GANTRY_ACTION, "
    .. "GANTRY_DELAY, GANTRY_REASON", text = "Set for the command of a policy's `on_exit`." },
  { names = "PACKER_PLUGIN_PATH, PACKER_CONFIG_DIR, GF_PATHS_PLUGINS", text = "Where Packer and Grafana have their "
    .. "plugins, for `gantry wrap`." },
  { names = "CREDENTIALS_DIRECTORY", text = "Set for a plugin that has `credentials`." },
}

for i, field in ipairs(settings.fields) do
  table.insert(surroundings.variables, i, { names = field.variable, text = ("%s Also the setting `%s`."):format(
    field.doc, field.name) })
end

---@type gantry.Surrounding[]
surroundings.paths = {
  { names = "~/.config/gantry/gantry.lua, /etc/gantry/gantry.lua", text = "Settings of the user and of this machine." },
  { names = "/etc/gantry/site.lua", text = "The site policy." },
  { names = "/etc/gantry/policies", text = "The policies that the systemd unit keeps running." },
  { names = "/run/gantry, $XDG_RUNTIME_DIR/gantry, /run/user/UID/gantry, $RUNTIME_DIRECTORY/gantry, /tmp/gantry-UID",
    text = "The runtime directory, unless `runtime_dir` names another: the first for root, the others for users, in "
    .. "this order. A folder of sockets for each plugin." },
  { names = ".control.sock", text = "In the runtime directory: the control socket of `gantry up`." },
  { names = "/var/lib/gantry, ~/.local/state/gantry, /var/tmp/gantry-UID", text = "The state directory, unless "
    .. "`state_dir` names another: for root, for users, and for users without a HOME." },
  { names = "up, up/.control, launches", text = "In the state directory: what `gantry up` keeps, the path of its "
    .. "control socket, by which it is found from another login or cron, and the containers that were made." },
  { names = "engine.json", text = "In the state directory: what the engine said of itself to the last `gantry exec`." },
  { names = "/var/lib/gantry/oci, $XDG_DATA_HOME/gantry/oci, ~/.local/share/gantry/oci, /var/tmp/gantry-UID/oci",
    text = "Images that no daemon keeps, unless `image_dir` names another folder: for root, for users, and for users "
    .. "without a HOME." },
  { names = "~/.local/state/gantry/history", text = "What was typed in the REPL." },
  { names = "/var/run/docker.sock, $XDG_RUNTIME_DIR/docker.sock, ~/.docker/run/docker.sock, "
    .. "$XDG_RUNTIME_DIR/podman/podman.sock, /tmp/podman-run-UID/podman/podman.sock, /run/podman/podman.sock",
    text = "Where an engine is looked for, in this order, when nobody names one." },
  { names = "~/.docker/config.json, ~/.docker/contexts", text = "The docker command's: contexts, and logins to "
    .. "registries." },
}

return surroundings
