-- SPDX-License-Identifier: Apache-2.0

local t = require "gantry.test"

local POLICY <const> = 'return require("gantry").extend(require "network", { image = "x" })'

t.test("the plugin has a network, the authorities and the proxy, and else what the baseline leaves it", function()
  local env = { HTTPS_PROXY = "http://proxy:3128", no_proxy = "localhost", SECRET = "s" }
  local request = t.load("my.lua", { env = env }, { text = POLICY }).request
  t.equal(request.NetworkDisabled, false)
  local has = {}
  for _, entry in ipairs(request.Env) do has[entry] = true end
  t.ok(has["HTTPS_PROXY=http://proxy:3128"] and has["no_proxy=localhost"], "the proxy's variables")
  t.ok(has["SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"], "the bundle's")
  t.ok(not has["SECRET=s"], "no other variable")
  t.has(request.HostConfig, { ReadonlyRootfs = true, CapDrop = { "ALL" } })
end)

t.test("the authorities are this machine's, read-only", function()
  t.equal(t.load("my.lua", nil, { text = POLICY }).config.mounts,
    { { source = "/etc/ssl/certs", target = "/etc/ssl/certs", read_only = true } })
end)

t.test("it is no policy itself", function()
  t.refuses("network.lua", nil, "image is missing")
end)
