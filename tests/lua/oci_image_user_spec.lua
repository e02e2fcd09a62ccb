-- SPDX-License-Identifier: Apache-2.0
--
--- Who a container's process is: an image's user, by the image's own files.

local core = require "gantry.core"
local image_user = require "gantry.engine.oci.image_user"

local PASSWD <const> = "root:x:0:0:root:/root:/bin/sh\nbroken\nnoid:x:a:b::/:\napp:x:1000:1001::/home/app:\n"
  .. "42:x:7:8::/n:\nbare:x:9:9\n"
local GROUP <const> = "root:x:0:\napp:x:1001:\nstaff:x:50:other,app\nlast:x:51:app\nno:x:x:app\n"

describe("an image's user", function()
  local function find(named) return image_user.find(named, PASSWD, GROUP) end

  it("is root where nobody is named", function()
    for _, named in ipairs { "", "root", "0" } do
      assert.are.same({ uid = 0, gid = 0, groups = {}, home = "/root" }, find(named))
    end
    assert.are.equal(0, image_user.find(nil, "", "").uid)
    assert.are.equal(0, image_user.find("root", "", "").uid)
  end)

  it("has the numbers, the groups and the home of its name", function()
    assert.are.same({ uid = 1000, gid = 1001, groups = { 50, 51 }, home = "/home/app" }, find "app")
    assert.are.same({ uid = 1000, gid = 1001, groups = { 50, 51 }, home = "/home/app" }, find "1000")
    assert.are.same({ uid = 1000, gid = 50, groups = {}, home = "/home/app" }, find "app:staff")
    assert.are.same({ uid = 1000, gid = 77, groups = {}, home = "/home/app" }, find "app:77")
    assert.are.same({ uid = 65532, gid = 65532, groups = {}, home = "/" }, find "65532:65532")
    assert.are.same({ uid = 65532, gid = 0, groups = {}, home = "/" }, find "65532")
    assert.are.same({ uid = 0, gid = 50, groups = {}, home = "/root" }, find ":staff")
  end)

  it("is a name before it is a number, and never half a line's", function()
    assert.are.equal(7, find "42".uid)
    assert.are.equal("/", find "bare".home)
    for _, named in ipairs { "nobody", "noid", "broken", "app:nobody", "99999999999", "app:no", "-1" } do
      local found, err = find(named)
      assert.is_nil(found, named)
      assert.are.equal("USER_UNKNOWN", err.code)
    end
  end)

  it("is read below the image's root, whatever its links say", function()
    local root = "/tmp/gantry-test-" .. core.system.random(4)
    assert(os.execute(("mkdir -p %s/etc %s/data"):format(root, root)))
    assert.are.equal(0, assert(image_user.resolve(nil, root)).uid)
    assert(os.execute(("ln -s /data/passwd %s/etc/passwd && ln -s ../../../../../etc/group %s/etc/group")
      :format(root, root)))
    assert.is_nil((image_user.resolve("daemon", root)))
    local file = assert(io.open(root .. "/data/passwd", "w"))
    file:write("daemon:x:5:6::/d:\n")
    file:close()
    local found, err = image_user.resolve("daemon", root)
    assert(os.execute("rm -r " .. root))
    -- The group file is a link to itself inside.
    assert.is_nil(found)
    assert.are.equal("READ_FAILED", err.code)
  end)
end)
