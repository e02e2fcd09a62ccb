-- SPDX-License-Identifier: Apache-2.0
--
-- network.lua: a plugin that talks to the world outside: the network, this machine's certificate authorities and its
-- proxy, and the baseline in all else. It names no image, so it is not launched itself; a policy builds on it:
--
--   return require("gantry").extend(require "network", { image = "terraform-provider-http" })
--
-- An authority of your own is one of this machine's (update-ca-certificates), or a bundle in the place of these:
--
--   mounts = { { source = "/etc/corp/ca.pem", target = "/etc/ssl/certs/ca-certificates.crt", read_only = true } }
--
-- The proxy is that of the environment in which gantry runs. One on this machine's own loopback is reached only with
-- networks = { "host" }. A policy with mounts of its own names the one below again: lists are replaced whole.

local gantry = require "gantry"
local baseline = require "baseline"

return gantry.extend(baseline, {
  disable_network = false,
  -- Programs differ in which spelling they read.
  pass_env = { "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy" },
  -- The folder, not the file: an update puts another file in its place, and a running plugin sees that one.
  mounts = { { source = "/etc/ssl/certs", target = "/etc/ssl/certs", read_only = true } },
  env = { SSL_CERT_FILE = "/etc/ssl/certs/ca-certificates.crt" },
})
