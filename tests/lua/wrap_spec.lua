-- SPDX-License-Identifier: Apache-2.0
--
--- `gantry wrap` and `gantry unwrap` without a host: whatever happens, a plugin's file is its binary or a policy whose
--- binary is beside it, and what was wrapped comes back to the byte.

local core = require "gantry.core"
local lock_file = require "gantry.cli.lock_file"
local support = require "engine.support"
local task = require "gantry.task"

local SOURCE <const> = [[
#include <stdlib.h>
#include <unistd.h>
int main(void) { if (getenv("PLUGIN_PROTOCOL_VERSIONS") == NULL) return 1; pause(); return 0; }
]]

describe("gantry wrap", function()
  local root, folder, original

  setup(function()
    original = support.temporary()
    support.write(original .. "/p.c", SOURCE)
    assert(os.execute(("cc -static -o %s/plugin %s/p.c && chmod 755 %s/plugin"):format(original, original, original)))
    assert(os.execute(("cc -shared -fPIC -D_GNU_SOURCE -o %s/shim.so %s/tests/engine/fault_shim.c -ldl"):format(
      original, support.source)))
  end)
  teardown(function() support.remove(original) end)

  before_each(function()
    root = support.temporary()
    folder = root .. "/plugins"
    assert(os.execute(("mkdir %s && cp -p %s/plugin %s/plugin"):format(folder, original, folder)))
  end)
  after_each(function() support.remove(root) end)

  local function path() return folder .. "/plugin" end

  ---@param arguments string[]
  ---@param more { environment: string[]?, directory: string?, executable: string? }?
  local function run(arguments, more)
    more = more or {}
    local environment = { "GANTRY_STATE_DIR=" .. root .. "/state", table.unpack(more.environment or {}) }
    return support.run(arguments, { environment = environment, directory = more.directory,
      executable = more.executable })
  end

  ---All that people can tell of a file.
  local function facts(of)
    local pipe <close> = assert(io.popen(("stat -c '%%a %%u %%g %%s %%Y' %s && sha256sum < %s"):format(of, of)))
    return pipe:read "a"
  end

  local function names() return table.concat(support.entries(folder), " ") end

  ---@param result table of a verb
  ---@param code integer
  ---@param words string that must occur
  local function assert_said(result, code, words)
    local text = result.stdout .. result.stderr
    assert.are.equal(code, result.code, text)
    assert.is_truthy(text:find(words, 1, true), text)
    assert.is_nil(text:find("traceback", 1, true), text)
  end

  it("puts a policy there, and takes it away to the byte, as often as anybody likes", function()
    assert(os.execute("chmod 751 " .. path()))
    local before = facts(path())
    assert_said(run { "wrap", path() }, 0, path() .. ": wrapped; the binary is .plugin.wrapped")
    assert.are.equal(".plugin.wrapped plugin", names())
    assert.are.equal(before, facts(folder .. "/.plugin.wrapped"))
    local text = support.read(path())
    local lines = ('\n  binary = ".plugin.wrapped",\n  sha256 = "%s",\n'):format(before:match "\n(%x+)")
    assert.is_truthy(text:find(lines, 1, true), text)
    assert.are.equal("755", facts(path()):match "^%d+") -- what is executed has to be read
    assert_said(run { "check", path() }, 0, "")
    assert_said(run { "wrap", path() }, 0, "already wrapped")
    assert.are.equal(text, support.read(path()))
    assert_said(run { "unwrap", path() }, 0, path() .. ": unwrapped\n")
    assert.are.equal("plugin", names())
    assert.are.equal(before, facts(path()))
    assert_said(run { "unwrap", path() }, 0, "not wrapped")
  end)

  it("does not throw away a policy that somebody has made his own", function()
    run { "wrap", path() }
    support.write(path(), support.read(path()) .. "-- mine\n")
    local saved = run({ "unwrap", path() }).stdout:match "its policy is saved as (%S+)"
    assert.matches("%-%- mine\n$", support.read(saved))
  end)

  it("says for programs what it did", function()
    local found = require("gantry.json").decode(run({ "wrap", "--json", "plugin" }, { directory = folder }).stdout)
    assert.are.same({ path(), "wrapped", folder .. "/.plugin.wrapped" },
      { found.files[1].path, found.files[1].done, found.files[1].binary })
    local pipe <close> = assert(io.popen("sha256sum < " .. path()))
    assert.are.equal(pipe:read("a"):match "%x+", found.files[1].policy_sha256)
  end)

  it("leaves alone what is no plugin", function()
    assert(os.execute(("cd %s && ln -s plugin link && echo text > text && printf '#!/bin/sh\n' > script && "
      .. "printf '#!/usr/bin/env -S gantry exec\nreturn {}' > policy && mkdir sub && mkfifo pipe && "
      .. "cp /bin/true true && cp %s/shim.so lib.so"):format(folder, original)))
    local before = names()
    for name, words in pairs {
      text = "is no program for Linux", script = "is a script for /bin/sh", sub = "is a folder",
      pipe = "is no regular file", ["lib.so"] = "is a shared library", missing = "is not there",
      ["true"] = "nothing in it says that it is a plugin; if it is one all the same, add --force",
      policy = "is a policy of gantry's, and no binary is kept beside it",
    } do
      local result = run { "wrap", folder .. "/" .. name }
      assert_said(result, result.code, words)
      assert.is_true(result.code > 0, name)
      local undone = run { "unwrap", folder .. "/" .. name }
      local program = name == "true" or name == "lib.so"
      assert.are.equal(program and 0 or 1, undone.code, name .. undone.stdout .. undone.stderr)
    end
    assert.are.equal(before, names())
    assert_said(run { "wrap" }, 2, "name binaries, or a host")
    assert_said(run { "wrap", "--packer", "--opentofu" }, 2, "exclude each other")
    assert_said(run({ "wrap", "--opentofu" }, { directory = folder }), 1, "no plugins of opentofu are there")
    assert_said(run { "wrap", "--force", folder .. "/true" }, 0, "wrapped")
    assert.is_truthy(support.read(folder .. "/true"):find("libraries = true", 1, true))
    assert_said(run { "unwrap", folder .. "/true" }, 0, "unwrapped")
  end)

  it("goes on with others where one is none, and follows links", function()
    assert(os.execute(("cd %s && ln -s plugins/plugin link && echo text > text"):format(root)))
    local result = run { "wrap", root .. "/text", root .. "/link" }
    assert.are.equal(6, result.code)
    assert_said(result, 6, path() .. ": wrapped")
    assert_said(run { "check", root .. "/link" }, 0, "") -- what executes it may do so by the link
    result = run { "unwrap", root .. "/link" }
    assert_said(result, 0, path() .. ": unwrapped")
    assert.is_nil(result.stdout:find("saved", 1, true))
  end)

  it("tells of a plugin that runs, which goes on", function()
    task.run(function()
      local running = support.command({}, { executable = path(), environment = { "PLUGIN_PROTOCOL_VERSIONS=1" } })
      local result = support.command({ "wrap", path() }, { environment = { "GANTRY_STATE_DIR=" .. root .. "/state" } })
      result:wait()
      assert.matches("it is running %(process %d+%), and goes on as it is", result.stdout)
      assert.is_nil(running.exit)
      running:kill "KILL"
      assert.are.equal(9, running:wait().signal)
    end)
  end)

  it("says what is wrong with a folder that it may not write to, and changes nothing", function()
    local as_user = core.system.euid() == 0 and { "setpriv", "--reuid", "65534", "--clear-groups" } or { "env" }
    local mode = core.system.euid() == 0 and "755" or "555"
    assert(os.execute(("chmod 755 %s && chmod %s %s"):format(root, mode, folder)))
    if core.system.euid() == 0 then assert(os.execute(("chown 65534 %s"):format(path()))) end
    local before = facts(path())
    for _, verb in ipairs { "wrap", "unwrap" } do
      local arguments = table.move(as_user, 2, #as_user, 1, {})
      table.move({ support.executable, verb, path() }, 1, 3, #arguments + 1, arguments)
      local result = run(arguments, { executable = "/usr/bin/" .. as_user[1] })
      if verb == "wrap" then assert_said(result, 1, "see whether " .. folder .. " may be written to") end
      assert.are.equal(before, facts(path()))
      assert.are.equal("plugin", names())
    end
    assert(os.execute("chmod 755 " .. folder))
  end)

  it("is alone in a folder", function()
    local lock <close> = assert(core.files.lock(folder)) -- luacheck: ignore lock
    for _, verb in ipairs { "wrap", "unwrap" } do
      assert_said(run { verb, path() }, 7, "another gantry is at work in " .. folder)
    end
    assert.are.equal("plugin", names())
  end)

  it("is run by many at once", function()
    local before = facts(path())
    for _, verb in ipairs { "wrap", "unwrap" } do
      assert(os.execute(("for i in 1 2 3 4 5 6; do GANTRY_STATE_DIR=%s/state %s %s %s >/dev/null 2>&1 & done; wait")
        :format(root, support.executable, verb, path())))
      local of = verb == "wrap" and folder .. "/.plugin.wrapped" or path()
      assert.are.equal(before, facts(of))
      assert.are.equal(verb == "wrap" and ".plugin.wrapped plugin" or "plugin", names())
    end
  end)

  ---Runs a verb that is killed before one of its system calls.
  ---@return boolean fired whether there was such a call
  local function killed(verb, call, number)
    local fired = root .. "/fired"
    os.remove(fired)
    run({ verb, path() }, { environment = { "LD_PRELOAD=" .. original .. "/shim.so", "FAULT_CALL=" .. call,
      "FAULT_NUMBER=" .. number, "FAULT_ERRNO=0", "FAULT_FIRED=" .. fired } })
    return os.remove(fired) ~= nil
  end

  ---The binary, or a policy whose binary is there.
  local function assert_whole(before, where)
    local now = facts(path())
    if now ~= before then
      assert.is_truthy(support.read(path()):find("%-S gantry exec\n", 1) or support.read(path()):find " exec\n", where)
      assert.are.equal(before, facts(folder .. "/.plugin.wrapped"), where)
      assert_said(run { "check", path() }, 0, "")
    end
  end

  for _, call in ipairs { "open", "write", "fchown", "fchmod", "fsync", "link", "rename", "flock" } do
    it("may be killed at any " .. call, function()
      local before, kills = facts(path()), 0
      for _, verb in ipairs { "wrap", "unwrap" } do
        local number = 1
        while killed(verb, call, number) do
          kills = kills + 1
          local where = ("%s, before %s %d"):format(verb, call, number)
          assert_whole(before, where)
          if verb == "wrap" then run { "unwrap", path() } end
          assert_said(run { "wrap", path() }, 0, "wrapped")
          assert.are.equal(".plugin.wrapped plugin", names(), where)
          assert_whole(before, where)
          if verb == "wrap" then
            assert_said(run { "unwrap", path() }, 0, "unwrapped")
            assert.are.equal(before, facts(path()), where)
            assert.are.equal("plugin", names(), where)
          end
          number = number + (number > 30 and 17 or 1) -- most are of what is loaded before anything is done
        end
        run { "wrap", path() }
      end
      assert.is_true(kills > 0, call)
    end)
  end

  it("keeps what there is of a file that was killed twice, and of one that its host replaced", function()
    run { "wrap", path() }
    os.remove(path()) -- as a host that takes a version away
    assert_said(run { "wrap", path() }, 1, "`gantry unwrap` puts it back")
    assert_said(run { "unwrap", path() }, 0, "unwrapped")
    run { "wrap", path() }
    assert(os.execute(("printf x >> %s/plugin && cp -p %s/plugin %s"):format(original, original, path())))
    local newer = facts(path())
    assert_said(run { "unwrap", path() }, 0, "is of an earlier wrap, and may be removed")
    assert_said(run { "wrap", path() }, 0, "takes the place of what an earlier wrap had kept")
    assert.are.equal(newer, facts(folder .. "/.plugin.wrapped"))
  end)

  it("keeps the owner", function()
    if core.system.euid() ~= 0 then return pending "only root can give files away" end
    assert(os.execute(("chown 1234:2345 %s && chmod 770 %s"):format(path(), path())))
    local before = facts(path())
    run { "wrap", path() }
    assert.matches("^750 1234 2345 ", facts(path()))
    assert.are.equal(before, facts(folder .. "/.plugin.wrapped"))
    run { "unwrap", path() }
    assert.are.equal(before, facts(path()))
  end)

  describe("of Packer", function()
    local plugin, sum

    before_each(function()
      local below = root .. "/packer/github.com/hashicorp/docker"
      plugin, sum = below .. "/packer-plugin-docker_v1.0.8_x5.0_linux_amd64", nil
      sum = plugin .. "_SHA256SUM"
      assert(os.execute(("mkdir -p %s && cp -p %s %s && sha256sum < %s | tr -d ' \n-' > %s"):format(below, path(),
        plugin, plugin, sum)))
    end)

    it("has its checksum follow, also an edit", function()
      local before, before_sum = facts(plugin), facts(sum)
      local function digest()
        local pipe <close> = assert(io.popen("sha256sum < " .. plugin))
        return pipe:read("a"):match "%x+"
      end
      assert_said(run({ "wrap", "--packer" }, { environment = { "PACKER_PLUGIN_PATH=" .. root .. "/packer" } }), 0,
        "_SHA256SUM has the policy's checksum")
      assert.are.equal(digest(), support.read(sum))
      support.write(plugin, support.read(plugin) .. "-- edited\n")
      assert_said(run { "wrap", "--packer", root .. "/packer" }, 0, "_SHA256SUM has the policy's checksum")
      assert.are.equal(digest(), support.read(sum))
      assert_said(run { "unwrap", "--packer", root .. "/packer" }, 0, "unwrapped")
      assert.are.same({ before, before_sum }, { facts(plugin), facts(sum) })
      assert.are.equal(2, #support.entries(plugin:match "^(.*)/"))
    end)
  end)

  it("of OpenTofu says where the lock file pins nothing, once it is wrapped", function()
    local machine <close> = assert(io.popen "go env GOARCH 2>/dev/null || echo amd64")
    local package = ("%s/.terraform/providers/example.com/a/b/1.0.0/linux_%s"):format(root, machine:read "l")
    assert(os.execute(("mkdir -p %s && cp -p %s %s/terraform-provider-b && touch %s/.terraform.lock.hcl"):format(
      package, path(), package, root)))
    assert_said(run { "wrap", "--opentofu", root }, 1, "has no checksums of provider example.com/a/b: run tofu init")
    assert_said(run { "unwrap", "--opentofu", root }, 0, "unwrapped")
    assert.are.equal("", support.read(root .. "/.terraform.lock.hcl"))
    assert.are.same({ "terraform-provider-b" }, support.entries(package))
  end)

  it("of Grafana sets the signature aside, and says what to set", function()
    local dist = root .. "/grafana/my-app/dist"
    local machine <close> = assert(io.popen "go env GOARCH 2>/dev/null || echo amd64")
    local program = ("%s/gpx_my_linux_%s"):format(dist, machine:read "l")
    assert(os.execute(("mkdir -p %s && cp -p %s %s && echo signed > %s/MANIFEST.txt"):format(dist, path(), program,
      dist)))
    support.write(dist .. "/plugin.json", '{ "id": "my-app", "backend": true, "executable": "gpx_my" }')
    local before = facts(program)
    assert_said(run { "wrap", "--grafana", root .. "/grafana" }, 0, "allow_loading_unsigned_plugins = my-app")
    assert.is_nil(core.system.stat(dist .. "/MANIFEST.txt"))
    assert_said(run { "wrap", "--grafana", root .. "/grafana" }, 0, "already wrapped")
    assert_said(run { "unwrap", "--grafana", root .. "/grafana" }, 0, "unwrapped")
    assert.are.same({ before, "signed\n" }, { facts(program), support.read(dist .. "/MANIFEST.txt") })
    assert.are.equal(3, #support.entries(dist))
  end)
end)

describe("OpenTofu's lock file", function()
  local ADDRESS <const> = "registry.opentofu.org/hashicorp/local"
  local TEXT <const> = [[
# This file is maintained automatically by "tofu init".

provider "registry.opentofu.org/hashicorp/other" {
  version = "1.0.0"
  hashes = [
    "h1:other=",
  ]
}

provider "registry.opentofu.org/hashicorp/local" {
  version     = "1.4.0"
  constraints = "1.4.0"
  hashes = [
    "h1:one=",
    "zh:two",
  ]
}
]]

  it("knows a checksum more, and loses it to the byte", function()
    local with = assert(lock_file.add(TEXT, ADDRESS, "h1:ours="))
    assert.are.equal((TEXT:gsub('    "h1:one=",', '    "h1:ours=",\n%0')), with)
    assert.are.equal(with, lock_file.add(with, ADDRESS, "h1:ours="))
    assert.are.equal(TEXT, lock_file.remove(with, ADDRESS, { "h1:ours=", "h1:other=" }))
    assert.are.equal(TEXT, lock_file.remove(TEXT, ADDRESS, {}))
  end)

  it("is left alone where it pins nothing", function()
    for _, text in ipairs { "", "provider", TEXT:gsub("hashes", "hushes"), TEXT:gsub("/local", "/else"),
      'provider "registry.opentofu.org/hashicorp/local" {' } do
      local changed, err = lock_file.add(text, ADDRESS, "h1:ours=")
      assert.is_nil(changed)
      assert.are.equal("WRAP_NOT_LOCKED", err.code)
      assert.are.equal(text, lock_file.remove(text, ADDRESS, { "h1:ours=" }))
    end
  end)
end)
