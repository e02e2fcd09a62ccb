-- SPDX-License-Identifier: Apache-2.0

---@param more string
---@return string text of a policy for the test plugin
local function policy(more)
  return ('return { image = "gantry-test-kv", tag = "latest", disable_network = true, stop_timeout = 2, '
    .. 'cookie = { "GANTRY_KV_COOKIE", "6f1b0f6a2d5e4c7f9a83b1d0c2e47a55" }, %s }'):format(more)
end

local UP <const> = "gantry up policies >up.log 2>&1 & echo $! >up.pid; "
  .. "until gantry ps 2>/dev/null | grep -q 'kv *ready'; do sleep 0.1; done"

return {
  subject = "supervised plugins",
  engine = true,
  files = {
    ["policies/kv.lua"] = policy "", ["policies/app.lua"] = policy 'after = { "db" }',
    ["policies/ring.lua"] = policy 'after = { "gnir" }', ["policies/gnir.lua"] = policy 'after = { "ring" }',
    ["policies/lost.lua"] = 'return { image = "gantry-no-such-image", restart = "never" }',
    ["policies/tries.lua"] = 'local restart = require "gantry.restart"\n'
      .. 'return { image = "gantry-no-such-image", restart = restart.backoff { first = "10m" } }',
  },
  prepare = UP,
  cleanup = "gantry down; kill $(cat up.pid)",
  cases = {
    { "gantry start app", 4, "plugin 'app' is waiting, not ready", "waits for db (no such policy)", "--wait" },
    { "gantry restart app", 4, "plugin 'app' is waiting, not ready", "waits for db (no such policy)", "--wait" },
    { "timeout 1 gantry start --wait app; true", 0, "app: is waiting: waits for db (no such policy)" },
    { "timeout 1 gantry restart --wait tries; true", 0, "tries: is backoff: ", "next try in" },
    { "gantry start kv app", 4, "kv: ready", "waits for db" },
    { "gantry start --json app", 4, '"detail":"waits for db (no such policy)"' },
    { "gantry start ring", 4, "plugin 'ring' is failed", "dependency cycle" },
    { "gantry start lost", 4, "plugin 'lost' is", "not ready", "gantry why lost" },
    { "gantry start tries", 4, "plugin 'tries' is backoff, not ready", "gantry-no-such-image", "next try in",
      "--wait" },
    { "gantry restart tries", 4, "plugin 'tries' is backoff, not ready", "next try in" },
    { "gantry stop kw", 1, "no plugin 'kw' is supervised", "did you mean 'kv'?" },
    { "gantry stop KV", 1, "no plugin 'KV' is supervised", "did you mean 'kv'?" },
    { "gantry stop kw vk", 1, "no plugin 'kw' is supervised", "no plugin 'vk' is supervised" },
    { "gantry inspect nobody kv", 1, "no plugin 'nobody' is supervised", "kv.lua" },
    { "gantry inspect --json nobody", 1, "PLUGIN_UNKNOWN" },
    { "gantry inspect kv >/dev/full", 1, "write to standard output" },
    { "gantry why nobody", 1, "no plugin 'nobody' is supervised", "gantry ps" },
    { "gantry logs nobody", 1, "no plugin 'nobody' is supervised" },
    { "gantry logs -f nobody", 1, "no plugin 'nobody' is supervised" },
    { "gantry start nobody", 1, "no plugin 'nobody' is supervised" },
    { "gantry restart nobody kv", 1, "no plugin 'nobody' is supervised", "kv: ready" },
    { "gantry run policies/kv.lua", 7, "plugin 'kv' is already running", "a gantry up keeps it", "gantry call kv",
      "gantry stop kv", "--name" },
    { "gantry call --name kv policies/kv.lua KV/Get", 7, "already running", "gantry call kv", "--name" },
    { "gantry -e 'launch \"policies/kv.lua\"'", 7, "already running", "gantry call kv" },
    { "gantry call kv KV/Gte", 2, "did you mean 'Get'?" },
    { "gantry call kv VK/Get", 2, "VK" },
    { "gantry call kv KV/Get '{\"kye\": \"a\"}'", 2, "kye" },
    { "gantry call kv KV/Get -5", 2, "got the number -5" },
    { "gantry call nobody KV/Get", 1, "nobody" },
    { "gantry reattach ../kv", 2, "'../kv' names neither a plugin nor a container" },
    { "gantry reattach kv ''", 2, "'' names neither a plugin nor a container" },
    { "gantry reattach kv 'k?v'", 2, "'k?v' names neither" },
    { "gantry reattach --provider x kv app", 2, "--provider is the address of one plugin" },
    { "gantry call 'k v' KV/Get", 2, "'k v' names neither a plugin nor a container" },
    { "gantry -e 'attach \"../kv\"'", 2, "'../kv' names neither" },
    { "gantry reattach nobody", 1, "no plugin or container 'nobody'" },
    { "gantry up policies", 7, "another gantry up" },
    { "gantry ps >/dev/full", 1, "write to standard output: No space left on device" },
    { "gantry logs kv >/dev/full", 1, "write to standard output" },
    { "gantry why kv app >/dev/full", 1, "write to standard output" },
    { "gantry call kv KV/Get '{\"key\": \"a\"}' >/dev/full", 1, "NOT_FOUND" },
    { "gantry run --name other policies/kv.lua >/dev/full", 1, "the address of plugin 'other' could not be written",
      "the plugin is stopped" },
  },
}
