-- SPDX-License-Identifier: Apache-2.0
--
-- baseline.lua: what a plugin may do at most, unless its own policy says more. It names no image, so it is not launched
-- itself; a policy builds on it:
--
--   local gantry = require "gantry"
--   return gantry.extend(require "baseline", { image = "my-plugin", memory = "512MiB" })
--
-- Maps such as tmpfs are merged, lists and single values replaced, gantry.without takes something away:
--
--   return gantry.extend(require "baseline", { image = "my-plugin", pids_limit = gantry.without })
--
-- All capabilities are dropped in any case; only cap_ipc_lock grants one back.

return {
  disable_network = true, -- plugin and host talk over a socket in a shared folder; also starts in half the time
  read_only = true, -- nothing in the image can be changed
  tmpfs = { ["/tmp"] = "rw,noexec,nosuid,nodev,size=16m" }, -- the one place for scratch files; counts as memory
  security_opt = { "no-new-privileges" }, -- a setuid program in the image gains nothing
  memory = "256MiB",
  pids_limit = 128, -- threads count; a Go program needs one or two dozen
}
