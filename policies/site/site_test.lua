-- SPDX-License-Identifier: Apache-2.0

local t = require "gantry.test"

local PINNED <const> = ('image = "x", sha256 = "%s"'):format(("a"):rep(64))

local function load(site, fields, ctx)
  return t.load("my.lua", ctx, { site = site, text = ("return { %s }"):format(fields) })
end

local function refuses(site, fields, message)
  t.refuses("my.lua", nil, message, { site = site, text = ("return {\n%s }"):format(fields) })
end

t.test("images and binaries are pinned", function()
  t.equal(load("pins.lua", ('binary = "x", sha256 = "%s"'):format(("a"):rep(64))).name, "my")
  refuses("pins.lua", 'binary = "x"', "my.lua:2: binary: refused by the site policy .*binaries are pinned here")
  t.equal(load("pins.lua", PINNED).site, {})
  t.equal(load("pins.lua", ('image = "x@sha256:%s"'):format(("a"):rep(64))).site, {})
  refuses("pins.lua", 'image = "x"', "my.lua:2: image: refused by the site policy .*pins.lua.*images are pinned here")
end)

t.test("runtimes are those that are allowed, and gVisor by itself", function()
  t.equal(load("runtimes.lua", 'image = "x", runtime = "crun"').config.runtime, "crun")
  t.equal(load("runtimes.lua", 'image = "x"', { engine = { runtimes = { "runsc" } } }).config.runtime, "runsc")
  t.equal(load("runtimes.lua", 'image = "x"').config.runtime, nil)
  refuses("runtimes.lua", 'image = "x", runtime = "kata"', "my.lua:2: runtime: .*the runtime kata is not allowed here")
end)

t.test("a network needs its reason", function()
  t.equal(load("network.lua", 'image = "x"').request.NetworkDisabled, true)
  local told = load("network.lua", 'image = "x", networks = { "a" }, labels = { ["network.reason"] = "updates" }')
  t.equal(told.config.networks, { "a" })
  refuses("network.lua", 'image = "x", networks = { "a" }', "networks: .*a network needs its reason")
end)

t.test("limits hold for policies and for their decisions", function()
  local grown = load("limits.lua", [[image = "x", memory = "4GiB", pids_limit = 10,
    restart = function() return "restart", { memory = "8GiB" } end]])
  t.has(grown.config, { memory = 1 << 30, pids_limit = 10, nano_cpus = 2000000000 })
  t.equal(grown.site[1].field, "memory")
  t.equal(grown:ends({ oom = 2 })[2].memory, 1 << 30)
end)
