-- SPDX-License-Identifier: Apache-2.0
--
--- Images that are no good for a plugin without a daemon: of another processor, another one than the policy says,
--- changed on the way; and two gantries that unpack one at once. image_spec.lua has archives that are cut or damaged,
--- and stores that are full.

local core = require "gantry.core"
local json = require "gantry.json"
local oci_containers = require "engine.oci_containers"
local support = require "engine.support"
local task = require "gantry.task"

describe("an image without a daemon", function()
  local root, archive

  local reason = oci_containers.missing()
    or not os.execute "docker image inspect gantry-test-kv >/dev/null 2>&1" and "Docker is not here" or nil
  if reason then return it("can be tried", function() pending(reason) end) end

  setup(function()
    root = support.temporary()
    archive = root .. "/kv.tar"
    assert(os.execute("docker save gantry-test-kv:latest -o " .. archive))
  end)
  teardown(function() support.remove(root) end)
  before_each(function() assert(os.execute("rm -rf " .. root .. "/images " .. root .. "/changed")) end)

  ---@return table options of the command
  local function options()
    return { runtime_dir = root, environment = { "GANTRY_IMAGE_DIR=" .. root .. "/images" } }
  end

  ---@param script string of Python, with `config`, which is the image's, and `files`, by the archive's names
  ---@return string path of an archive
  local function changed(script)
    local path = root .. "/changed.tar"
    support.write(root .. "/change.py", ([[
import io, json, sys, tarfile
files = {}
with tarfile.open(%q) as old:
    for member in old:
        if member.isfile(): files[member.name] = old.extractfile(member).read()
manifest = json.loads(files["manifest.json"])
name = manifest[0]["Config"]
config = json.loads(files[name])
%s
files[name] = json.dumps(config).encode()
with tarfile.open(%q, "w") as new:
    for at, bytes in files.items():
        member = tarfile.TarInfo(at)
        member.size = len(bytes)
        new.addfile(member, io.BytesIO(bytes))
]]):format(archive, script, path))
    assert(os.execute("python3 " .. root .. "/change.py"))
    return path
  end

  ---@param path string
  ---@return { code: integer, stdout: string, stderr: string }
  local function load(path)
    return support.run({ "image", "load", "--engine", "oci:", path }, options())
  end

  ---@return table[] images
  local function list()
    return json.decode(support.run({ "image", "list", "--json", "--engine", "oci:" }, options()).stdout).images
  end

  ---Nothing of it is there, and the good one can be had.
  local function leaves_nothing()
    assert.are.same({}, list())
    assert.are.same({}, support.entries(root .. "/images/tmp"))
    assert.are.equal(0, load(archive).code)
  end

  it("of another processor is refused by both names", function()
    local ended = load(changed "config['architecture'] = 's390x'")
    assert.are_not.equal(0, ended.code)
    assert.matches("is for linux/s390x, and this machine is linux/", ended.stderr)
    assert.are.equal(1, select(2, ended.stderr:gsub("\n", "\n")), ended.stderr)
    leaves_nothing()
  end)

  it("whose layer is not the one that its config names is refused", function()
    local ended = load(changed "config['rootfs']['diff_ids'][0] = 'sha256:' + '0' * 64")
    assert.are_not.equal(0, ended.code)
    assert.matches("sha256:", ended.stderr)
    assert.are.equal(1, select(2, ended.stderr:gsub("\n", "\n")), ended.stderr)
    leaves_nothing()
  end)

  it("that is another than the policy says is refused with both digests", function()
    assert.are.equal(0, load(archive).code)
    local policy = support.write(root .. "/kv.lua", support.policy_text(("sha256 = '%s'"):format(("0"):rep(64))))
    local ended = support.run({ "run", policy, "--engine", "oci:" }, options())
    assert.are_not.equal(0, ended.code)
    assert.matches("0000000000", ended.stderr)
    assert.are.same({}, support.entries(root .. "/.oci/containers"))
  end)

  it("is unpacked once by gantries that begin at the same time, and both have it", function()
    task.run(function()
      local commands = {}
      for i = 1, 3 do commands[i] = support.command({ "image", "load", "--engine", "oci:", archive }, options()) end
      for _, command in ipairs(commands) do
        local how = command:wait()
        assert.are.equal(0, how.code, command.stderr)
      end
    end)
    assert.are.equal(1, #list())
    assert.are.same({}, support.entries(root .. "/images/tmp"))
    local policy = support.write(root .. "/kv.lua", support.policy_text "")
    local ended = support.run({ "call", policy, "grpc.health.v1.Health/Check", "--engine", "oci:" }, options())
    assert.are.equal(0, ended.code, ended.stderr)
    assert.is_nil(core.system.stat(root .. "/kv"))
  end)
end)
