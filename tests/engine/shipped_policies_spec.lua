-- SPDX-License-Identifier: Apache-2.0
--
-- shipped_policies_spec.lua: what lies in policies/, with real plugins on a real engine, but for what the specs of
-- hosts try: opentofu-local.lua (exec_hosts), packer.lua (exec_packer), vault.lua (exec_vault).

local core = require "gantry.core"
local support = require "engine.support"
local supervision = require "engine.supervision"
local task = require "gantry.task"

local MEBIBYTE <const>, HOUR <const> = 1 << 20, 3600

-- A webhook: it says at which port it listens, and then each body that is posted.
local SERVER <const> = [[
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        print(self.path, self.headers["Content-Type"], body, flush=True)
        self.send_response(204)
        self.end_headers()
    def log_message(self, *_):
        pass
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
print("port", server.server_port, flush=True)
server.serve_forever()
]]

describe("policies/", function()
  local place

  before_each(function() place = supervision.place() end)
  after_each(function() task.run(place.close, place) end)

  local function test(name, fn)
    it(name, function() task.run(fn) end)
  end

  ---A policy for the test plugin on top of a shipped base.
  ---@param name string
  ---@param base string Lua
  ---@param fields string Lua, at least an image
  local function policy_on(name, base, fields)
    support.write(("%s/%s.lua"):format(place.policies, name), ([[local gantry = require "gantry"
return gantry.extend(%s, { cookie = { %q, %q }, stop_timeout = 2, %s })]]):format(base, support.cookie[1],
      support.cookie[2], fields))
  end

  ---@param name string
  ---@return table inspected
  local function container_of(name)
    return assert(support.engine():inspect(place:plugin(name).container))
  end

  test("demo.lua is a plugin confined as baseline.lua says", function()
    assert(os.execute(("cp %s/policies/demo.lua %s/"):format(support.source, place.policies)))
    place:up()
    place:await_state("demo", "ready")
    local inspected = support.in_docker_words(container_of("demo").id)
    local host = inspected.HostConfig
    assert.are.same({ true, 64 * MEBIBYTE, 128, true }, { host.ReadonlyRootfs, host.Memory, host.PidsLimit,
      inspected.Config.NetworkDisabled })
  end)

  test("network.lua: the plugin's process has the network, the proxy and the authorities", function()
    policy_on("net", 'require "network"', 'image = "gantry-test-kv"')
    place:start_up(nil, nil, nil, { "HTTPS_PROXY=http://proxy.example:3128", "no_proxy=localhost" })
      :await("stderr", "supervises")
    place:await_state("net", "ready")
    local process = container_of("net").state.pid
    local environment = "\0" .. support.read(("/proc/%d/environ"):format(process))
    for _, entry in ipairs { "HTTPS_PROXY=http://proxy.example:3128", "no_proxy=localhost",
      "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt" } do
      assert.is_truthy(environment:find("\0" .. entry .. "\0", 1, true), entry)
    end
    local bundle = "/etc/ssl/certs/ca-certificates.crt"
    assert.are.equal(support.read(bundle), support.read(("/proc/%d/root%s"):format(process, bundle)))
    assert.matches("eth0:", support.read(("/proc/%d/net/dev"):format(process)))
  end)

  test("patterns/oom.lua: one that dies of memory gets more until it lives", function()
    place:policy("hungry", "memory = '32MiB', args = { '-allocate', '67108864', '-allocate-after', '300ms' },"
      .. " restart = require 'patterns.oom' '256MiB'")
    place:up()
    support.eventually("it lives with 128MiB", function()
      local one = place:plugin "hungry"
      return one and one.state == "ready" and one.uptime > 2
        and support.in_docker_words(container_of("hungry").id).HostConfig.Memory == 128 * MEBIBYTE
    end)
    local why = place:run("why", "hungry").stdout
    assert.matches("decision  restart after %S+: policy oom.lua:%d+ 'out of memory, from now on 64MiB'", why)
    assert.matches("start     generation %d+, memory 128MiB %(was 64MiB%)", why)
  end)

  ---@return support.Command server, string url
  local function webhook()
    local server = support.command({ "-c", SERVER }, { executable = "/usr/bin/python3" })
    return server, "http://127.0.0.1:" .. server:await("stdout", "port (%d+)\n")
  end

  test("patterns/webhook.lua: one that crashes often waits, and the webhook is told", function()
    local server, url = webhook()
    local _ <close> = setmetatable({}, { __close = function() server:kill "KILL" end })
    policy_on("flaky", ('require "patterns.webhook" { url = "%s/hooks/1?a=b&c", max = 2, slow = "1h" }'):format(url),
      'image = "gantry-test-kv", args = { "-exit-after", "200ms", "-exit-code", "7" }')
    place:up()
    local body = server:await("stdout", "\n(/hooks/1[^\n]*)\n")
    assert.are.equal('/hooks/1?a=b&c application/json {"text":"flaky ended (exit 7): 2 restarts in 10m, slowing down"}',
      body)
    local one = place:await_state("flaky", "backoff")
    assert.are.equal(2, one.restarts)
    assert.is_true(one.next_start > HOUR / 2)
    assert.is_nil(server.stdout:match "{.*{", "the webhook is told once")
  end)

  test("patterns/webhook.lua: a webhook that is not there is a warning, and holds nothing up", function()
    policy_on("flaky", 'require "patterns.webhook" { url = "http://127.0.0.1:9/", max = 1, slow = "1h" }',
      'image = "gantry-test-kv", args = { "-exit-after", "200ms" }')
    place:up()
    place:await_state("flaky", "backoff")
    place:await_why("flaky", "warning   on_exit: /usr/bin/curl ended with exit code 7")
  end)

  test("patterns/night.lua: one that is unhealthy by day is kept, and restarted at night", function()
    -- Without an init, which would be what is frozen.
    place:policy("sick", "health = { period = '200ms', timeout = '200ms', failures = 1 }, init = false,"
      .. " restart = require 'patterns.night' { from = 2, to = 5 }")
    local now = os.date "!*t"
    local midnight = -(now.hour * HOUR + now.min * 60 + now.sec)
    local _, set = place:up_with_clock(midnight + 12 * HOUR, { "TZ=UTC" })
    assert(support.engine():kill(place:await_state("sick", "ready").container, "STOP"))
    place:await_why("sick", "decision  keep it running: policy night.lua:%d+ 'unhealthy, but left alone until 2:00'")
    assert.are.equal(1, place:await_state("sick", "ready").generation)
    set(midnight + 26 * HOUR + HOUR // 2)
    place:await_why("sick", "decision  restart after %S+: policy night.lua:%d+ 'unhealthy, and it is night'")
    support.eventually("it is restarted", function() return place:plugin("sick").generation > 1 end)
  end)

  ---Has an image's name mean another image.
  ---@param from string
  ---@param repository string
  local function tag(from, repository)
    local _, err = support.engine():call("POST", ("/images/%s/tag?repo=%s&tag=now"):format(from, repository),
      { action = "tag" })
    assert(not err, err and err.message)
  end

  test("patterns/canary.lua: from a tag that moved to a broken image back to the old one", function()
    local engine, repository = support.engine(), "gantry-test-canary-" .. core.system.random(4)
    local _ <close> = setmetatable({}, { __close = function()
      engine:call("DELETE", ("/images/%s:now"):format(repository), { action = "untag" })
    end })
    tag("gantry-test-kv:latest", repository)
    support.write(place.policies .. "/bird.lua", support.policy_text("restart = require 'patterns.canary',")
      :gsub('gantry%-test%-kv", tag = "latest"', repository .. '", tag = "now"'))
    place:up()
    place:await_state("bird", "ready")
    local old = container_of("bird").image_id
    tag("gantry-test-broken:latest", repository)
    place:run("restart", "bird")
    local back = support.eventually("the old image is back", function()
      local one = place:plugin "bird"
      return one.state == "ready" and one.generation > 1 and one
    end)
    assert.are.equal(old, container_of("bird").image_id)
    assert.are.same({ 4, old }, { back.generation, back.image })
    assert.matches("'the new image died 2 times in 10m, back to " .. old:sub(8, 19), place:run("why", "bird").stdout,
      1, true)
    -- It is what a later supervisor starts as well, and what a death of its own leaves.
    assert(engine:kill(container_of("bird").id, "KILL"))
    support.eventually("it is started again", function()
      local one = place:plugin "bird"
      return one.state == "ready" and one.generation == 5
    end)
    assert.are.equal(old, container_of("bird").image_id)
  end)

  test("patterns/dependents.lua: who needs a plugin is restarted with it, in order", function()
    place:policy("db", "restart = require 'patterns.dependents'")
    place:policy("web", "after = { 'db' }")
    place:policy "other"
    local up = place:up()
    for _, name in ipairs { "db", "web", "other" } do place:await_state(name, "ready") end
    assert(support.engine():kill(container_of("db").id, "KILL"))
    support.eventually("web is restarted", function()
      local one = place:plugin "web"
      return one.state == "ready" and one.generation == 2
    end)
    assert.are.same({ 2, 1 }, { place:plugin("db").generation, place:plugin("other").generation })
    assert.matches("web: exit: what it needs was restarted: restart after db", up.stderr)
    assert.matches("db: start: generation 2\n.*web: start: generation 2\n", up.stderr)
  end)

  test("site/: its rules hold for what is started", function()
    local image = assert(support.engine():image "gantry-test-kv:latest").id
    local site = support.write(place.root .. "/site.lua", [[
local rules = { require "site.pins", require "site.runtimes", require "site.network", require "site.limits" }
return function(config, ctx)
  for _, rule in ipairs(rules) do config = rule(config, ctx) end
  return config
end]])
    place:policy("pinned", ("sha256 = %q, memory = '8GiB'"):format(image))
    place:policy "loose"
    local up = place:up(nil, { "--site", site })
    place:await_state("pinned", "ready")
    local inspected = support.in_docker_words(container_of("pinned").id)
    assert.are.same({ image, 1 << 30, 512, true }, { inspected.Image, inspected.HostConfig.Memory,
      inspected.HostConfig.PidsLimit, inspected.Config.NetworkDisabled })
    assert.is_nil(place:plugin "loose")
    assert.matches("loose.lua:%d+: image: refused by the site policy .*images are pinned here", up.stderr)
  end)
end)
