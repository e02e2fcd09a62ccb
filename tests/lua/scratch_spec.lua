-- SPDX-License-Identifier: Apache-2.0
--
--- Where a plugin's temporary files go, by what its policy and its image have.

local scratch = require "gantry.plugin.scratch"

local ID <const> = ("ab"):rep(32)

describe("a plugin's temporary files", function()
  local folder

  before_each(function()
    folder = os.tmpname()
    os.remove(folder)
  end)

  after_each(function() os.execute("rm -rf " .. folder) end)

  local function plugin(config, image)
    local about = { id = "sha256:" .. ID }
    for key, value in pairs(image or {}) do about[key] = value end
    return { name = "p", config = config, image = about, options = { environment = { GANTRY_STATE_DIR = folder } } }
  end

  local function of(config, image, shared, caller)
    return scratch.of(plugin(config, image), "/run/d", shared or {}, caller or {})
  end

  it("are memory at /tmp, which runs programs and takes half of the plugin's", function()
    local found = of { memory = 64 << 20 }
    assert.are.equal("/tmp", found.temporary)
    assert.are.same({ ["/tmp"] = "exec,nosuid,nodev,mode=1777,size=33554432" }, found.tmpfs)
    assert.are.same({ ["/tmp"] = "exec,nosuid,nodev,mode=1777" }, of({}).tmpfs)
  end)

  it("go where the policy says, as it says", function()
    assert.are.same({ ["/tmp"] = "size=1m", ["/x"] = "" }, of({ tmpfs = { ["/tmp/"] = "size=1m", ["/x"] = "" } }).tmpfs)
    for _, config in ipairs { { env = { "TMPDIR=/mine" } }, { pass_env = { "TMPDIR" } } } do
      assert.are.same({}, of(config, nil, nil, { TMPDIR = "/host" }))
    end
    assert.are.equal("/tmp", of({ pass_env = { "TMP*" } }, nil, nil, { TMPDIR = "/host" }).temporary)
  end)

  it("leave /tmp to whoever has it already", function()
    assert.are.equal("/run/scratch", of({ mounts = { { source = "/a", target = "/tmp/" } } }).temporary)
    assert.are.equal("/run/scratch", of({}, nil, { { source = "/tmp", target = "/tmp" } }).temporary)
    assert.are.equal("/tmp", of({}, nil, { { source = "/tmp/x", target = "/tmp/x" } }).temporary)
    for _, image in ipairs { { entrypoint = { "/tmp/plugin" } }, { command = { "/tmp/plugin" } },
      { working_dir = "/tmp/w" },
      { volumes = { "/tmp" } } } do
      local found = of({}, image)
      assert.are.equal("/run/scratch", found.temporary)
      assert.is_nil(found.tmpfs["/tmp"])
    end
    assert.are.equal("/tmp", of({ entrypoint = { "/p" } }, { entrypoint = { "/tmp/plugin" }, working_dir = "/tmpx" })
      .temporary)
  end)

  it("share the directory with the sockets of a plugin that is known for that, by its image and program", function()
    local known = require "gantry.place.sockets_in_tmp"
    local old = plugin({ entrypoint = { "/old" } }, {})
    old.scratch = scratch.of(old, "/run/d", {}, {})
    assert.are.equal("/tmp", old.scratch.temporary)
    assert.is_true(scratch.holds(old, "/tmp/plugin1"))
    assert.is_false(scratch.holds(old, "/tmpx/plugin1"))
    known.remember(old)
    assert.are.equal("/run/d", of({ entrypoint = { "/old" } }, {}).temporary)
    assert.are.equal("/tmp", of({ entrypoint = { "/new" } }, {}).temporary)
    local again = plugin({ entrypoint = { "/old" } }, {})
    again.scratch = scratch.of(again, "/run/d", {}, {})
    assert.is_false(scratch.holds(again, "/tmp/plugin1"))
  end)

  it("believe no id that would be a path", function()
    local odd = plugin({}, {})
    odd.image.id = "sha256:../../x"
    require("gantry.place.sockets_in_tmp").remember(odd)
    assert.are.equal("/tmp", scratch.of(odd, "/run/d", {}, {}).temporary)
  end)
end)
