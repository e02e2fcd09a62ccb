-- SPDX-License-Identifier: Apache-2.0
--
--- gantry-unpack on archives that nobody should make and on what real layers have: as root and as an ordinary user,
--- what comes of them lies below the image's root, as it should, and nothing else does.

local core = require "gantry.core"
local sha256 = require "gantry.base.sha256"
local tar_archive = require "lua.tar_archive"

local PROGRAM <const> = assert(package.searchpath("gantry.core", package.cpath)):match "^(.*)/" .. "/gantry-unpack"
local DIGITS <const> = ("1234567890abcdef"):rep(4)
local NOBODY <const> = 65534

---@param command string
---@return string output
local function sh(command)
  local pipe <close> = assert(io.popen(command))
  return (pipe:read "a")
end

---@param path string
---@param text string
local function write(path, text)
  local file <close> = assert(io.open(path, "wb"))
  assert(file:write(text))
end

local function octal(text) return tonumber(text, 8) end

---The specs of one kind of caller.
---@param user integer
local function specs_of(user)
  local folder, count
  local as = user ~= core.system.euid() and ("setpriv --reuid %d --regid %d --clear-groups "):format(user, user) or ""

  before_each(function()
    folder = ("%s/gantry-test-%s"):format(os.getenv "TMPDIR" or "/tmp", core.system.random(6))
    count = 0
    sh(("mkdir -p %s/store/images %s/store/tmp && echo outside >%s/outside && chown -R %d %s"):format(folder, folder,
      folder, user, folder))
  end)

  after_each(function()
    assert.are.equal("outside\n", sh(("cat %s/outside"):format(folder)))
    assert.are.equal("outside\nstore\n", sh(("ls -A %s | grep -v ^layer"):format(folder)))
    sh("rm -rf " .. folder)
  end)

  ---@param bytes string
  ---@param filter string? a command that compresses
  ---@return string path
  local function layer(bytes, filter)
    count = count + 1
    local path = ("%s/layer%d"):format(folder, count)
    write(path, bytes)
    if filter then sh(("( %s ) <%s >%s.packed && mv %s.packed %s"):format(filter, path, path, path, path)) end
    return path
  end

  ---Unpacks layers.
  ---@param layers string[] each "PATH BLOB ARCHIVE" or a path
  ---@param bounds string? entries and bytes
  ---@return string? root, string output
  local function unpack(layers, bounds)
    local temporary = ("%s/store/tmp/%s"):format(folder, core.system.random(4))
    local arguments = {}
    for i, one in ipairs(layers) do arguments[i] = one:find " " and one or one .. " - -" end
    local output = sh(("mkdir %s && chown %d %s; %s%s $$ image %s/store %s %s %s %s </dev/null 2>&1; echo status $?")
      :format(temporary, user, temporary, as, PROGRAM, folder, DIGITS, temporary, bounds or "1000 10000000",
      table.concat(arguments, " ")))
    if output:find "status 0\n$" then return ("%s/store/images/%s/rootfs"):format(folder, DIGITS), output end
    return nil, output
  end

  ---@param entries table[]
  ---@return string? root, string output
  local function unpack_one(entries, bounds)
    return unpack({ layer(tar_archive.of(entries)) }, bounds)
  end

  ---@param code string
  ---@param entries table[]
  local function refused(code, entries, bounds)
    local root, output = unpack_one(entries, bounds)
    assert.is_nil(root, output)
    assert.are.equal(code, output:match "^unpacking\n([%u_]+)\t", output)
    assert.are.equal("", sh(("ls %s/store/images/%s/rootfs 2>/dev/null"):format(folder, DIGITS)))
  end

  ---What there is below a root, but for what is made for runtimes: type, mode, name, link.
  ---@param root string
  ---@return string
  local function tree(root)
    local skipped = "-path ./" .. table.concat({ "etc", "dev", "proc", "run", "sys", "tmp" }, " -o -path ./")
    return sh(("cd %s && find . -mindepth 1 \\( %s \\) -prune -o -printf '%%y %%m %%P %%l\\n' "
      .. "| LC_ALL=C sort -k3"):format(root, skipped))
  end

  it("makes files, folders and links, with what runtimes mount over", function()
    local root = assert(unpack_one { { "bin/", "folder", mode = octal "755" }, { "bin/x", content = "x",
      mode = octal "755" }, { "bin/y", "hard", link = "bin/x" }, { "bin/z", "link", link = "/bin/x" },
      { "./deep/er/file", content = "deep" }, { "pipe", "fifo" } })
    assert.are.equal("d 755 bin \nf 755 bin/x \nf 755 bin/y \nl 777 bin/z /bin/x\nd 755 deep \nd 755 deep/er \n"
      .. "f 644 deep/er/file \np 644 pipe \n", tree(root))
    assert.are.equal("2 1000000000\n", sh(("stat -c '%%h %%Y' %s/bin/y"):format(root)))
    assert.are.equal("dev etc proc run sys tmp\n", sh(("cd %s && echo de[v]* e* pr* r* s* t*"):format(root)))
    assert.are.equal("hostname\nhosts\nresolv.conf\n", sh(("ls %s/etc"):format(root)))
  end)

  it("reads layers that are plain, gzip or zstd, in parts too, and holds them against their digests", function()
    local plain = tar_archive.of { { "a", content = "a" } }
    local archive = sha256(plain)
    for _, filter in ipairs { "cat", "gzip", "zstd -q" } do
      local path = layer(plain, filter)
      local blob = sh("sha256sum " .. path):match "^%x+"
      assert(unpack { ("%s %s %s"):format(path, blob, archive) })
      sh(("rm -rf %s/store/images/*"):format(folder))
      for _, wrong in ipairs { blob .. " " .. ("0"):rep(64), ("0"):rep(64) .. " " .. archive } do
        local root, output = unpack { path .. " " .. wrong }
        assert.is_nil(root)
        assert.is_truthy(output:find("\nIMAGE_CORRUPT\t0\ta layer of the image is not what it should be", 1, true))
      end
    end
  end)

  it("refuses what is cut, damaged, compressed twice, or no archive", function()
    local plain = tar_archive.of { { "a", content = ("abcdefgh"):rep(4096) }, { "b", content = "b" } }
    for _, path in ipairs { layer(plain:sub(1, 9000)), layer(plain, "gzip | head -c 60"), layer(plain, "gzip | gzip"),
      layer(plain, "zstd -q | head -c 40"), layer(("no archive"):rep(200)), layer(plain:sub(1, 100) .. "X"
      .. plain:sub(102)) } do
      local root, output = unpack { path }
      assert.is_nil(root, output)
      assert.is_truthy(output:find("IMAGE_CORRUPT\t", 1, true), output)
    end
  end)

  it("keeps every path below the root", function()
    refused("IMAGE_UNSAFE", { { "../../../../outside", content = "in" } })
    refused("IMAGE_UNSAFE", { { "a/../../outside", content = "in" } })
    refused("IMAGE_UNSAFE", { { "x", "hard", link = "../../../../../outside" } })
    refused("IMAGE_UNSAFE", { { "a/.wh...", content = "" } })
    refused("IMAGE_UNSAFE", { { ("a/"):rep(2047) .. "name", content = "" } })
    refused("IMAGE_CORRUPT", { { "x", "hard", link = folder .. "/outside" } })
    local root = assert(unpack_one { { folder .. "/outside", content = "in" }, { "up", "link",
      link = "../../../../.." }, { "up/outside", content = "in" }, { "out", "link", link = folder },
      { "out/outside", content = "again" } })
    assert.are.equal("in", sh(("cat %s/outside"):format(root)))
    assert.are.equal("again", sh(("cat %s%s/outside"):format(root, folder)))
  end)

  it("never follows what stands at an entry's place", function()
    local target = folder .. "/outside"
    local root = assert(unpack_one { { "a", "link", link = target }, { "a", content = "own" }, { "b", "link",
      link = target }, { "b/", "folder", mode = octal "700" }, { "c", "link", link = target }, { "c", "fifo" },
      { "d/", "folder" }, { "d/e", content = "e" }, { "d", content = "now a file" } })
    assert.are.equal("f 644 a \nd 700 b \np 644 c \nf 644 d \n", tree(root))
  end)

  it("takes away what a whiteout names of lower layers, and nothing of its own", function()
    local lower = layer(tar_archive.of { { "a/", "folder" }, { "a/one", content = "1" }, { "a/two", content = "2" },
      { "a/sub/", "folder" }, { "a/sub/x", content = "x" }, { "b/", "folder" }, { "b/c", content = "c" },
      { "gone", content = "g" }, { "kept", content = "k" } })
    local upper = layer(tar_archive.of { { ".wh.gone" }, { ".wh.nothing" }, { "b/.wh.c" }, { "a/", "folder" },
      { "a/new", content = "n" }, { "a/sub/y", content = "y" }, { "a/.wh..wh..opq" }, { "a/later", content = "l" },
      { "back", content = "first" }, { ".wh.back" }, { ".wh..wh.plnk", "folder" } })
    local root = assert(unpack { lower, upper })
    assert.are.equal("d 755 a \nf 644 a/later \nf 644 a/new \nd 755 a/sub \nf 644 a/sub/y \nd 755 b \nf 644 back \n"
      .. "f 644 kept \n", (tree(root):gsub("d 644", "d 755"):gsub("d 744", "d 755")))
  end)

  it("bounds entries, bytes, holes and names", function()
    refused("IMAGE_TOO_LARGE", { { "a" }, { "b" }, { "c" } }, "2 1000")
    refused("IMAGE_TOO_LARGE", { { "a/b/c/d/e/f" } }, "5 100000")
    refused("IMAGE_TOO_LARGE", { { "a", content = ("x"):rep(20000) } }, "10 10000")
    refused("IMAGE_TOO_LARGE", { { "a", size = 1 << 32 } }, "10 10000000")
    refused("IMAGE_TOO_LARGE", { { "a", content = "1\n1099511627775\n1\n" .. ("\0"):rep(494) .. "x", pax = {
      ["GNU.sparse.major"] = "1",
      ["GNU.sparse.minor"] = "0", ["GNU.sparse.name"] = "a", ["GNU.sparse.realsize"] = "1099511627776" } } },
      "10 10000000")
    local bomb = layer(tar_archive.of { { "a", content = ("\0"):rep(8000000) } }, "gzip")
    local root, output = unpack({ bomb }, "10 1000000")
    assert.is_nil(root)
    assert.is_truthy(output:find "IMAGE_TOO_LARGE", output)
    refused("IMAGE_CORRUPT", { { ("n"):rep(300) } })
  end)

  it("refuses links that lead in circles, files as folders, and owners that cannot be", function()
    refused("IMAGE_CORRUPT", { { "a", "link", link = "b" }, { "b", "link", link = "a" }, { "a/x" } })
    refused("IMAGE_CORRUPT", { { "a" }, { "a/x" } })
    refused("IMAGE_CORRUPT", { { "a", "link", link = "nowhere" }, { "a/x" } })
    refused("IMAGE_CORRUPT", { { "a", "hard", link = "nowhere" } })
    refused("IMAGE_CORRUPT", { { "/", content = "the root itself" } })
    refused("IMAGE_CORRUPT", { { "a", pax = { uid = "4294967295" } } })
    refused("IMAGE_CORRUPT", { { "a", pax = { gid = "-5" } } })
  end)

  it("takes names of any bytes", function()
    local root = assert(unpack_one { { "n\xffame", content = "1" }, { "\xc3\xa9", content = "2" },
      { ("\xc3\xa9"):rep(100), content = "3" }, { "new\nline", content = "4" } })
    assert.are.equal("4\n", sh(("cd %s && find . -maxdepth 1 -type f -printf x | wc -c"):format(root)))
    assert.are.equal("3", sh(("cat %s/%s"):format(root, ("\xc3\xa9"):rep(100))))
  end)

  it("unpacks an image once, and gives its place to nobody before it is done", function()
    local path = layer(tar_archive.of { { "a", content = ("x"):rep(100000) } })
    local jobs = {}
    for i = 1, 4 do
      jobs[i] = ("(mkdir %s/store/tmp/%d; chown %d %s/store/tmp/%d; sh -c '%s%s $$ image %s/store %s %s/store/tmp/%d "
        .. "10 10000000 %s - - </dev/null') &"):format(folder, i, user, folder, i, as, PROGRAM, folder, DIGITS, folder,
        i, path)
    end
    local output = sh(table.concat(jobs, "\n") .. "\nwait")
    assert.are.equal(1, select(2, output:gsub("unpacking\n", "")), output)
    assert.are.equal(3, select(2, output:gsub("there\n", "")), output)
    assert.are.equal(4, select(2, output:gsub("done\n", "")), output)
  end)

  if user == 0 then
    it("gives owners, setuid bits, capabilities and devices as the layer has them", function()
      local root = assert(unpack_one { { "su", mode = octal "4755", uid = 5, gid = 6 }, { "null", "character",
        mode = octal "666", major = 1, minor = 3 }, { "d/", "folder", mode = octal "2750", gid = 7 },
        { "capable", content = "c", pax = { ["SCHILY.xattr.security.capability"] =
        "\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0", ["SCHILY.xattr.trusted.overlay.opaque"] = "y",
        ["SCHILY.xattr.user.own"] = "mine" } } })
      assert.are.equal("f 644 capable \nd 2750 d \nc 666 null \nf 4755 su \n", tree(root))
      assert.are.equal("5 6 0 7 1 3\n", sh(("cd %s && echo $(stat -c '%%u %%g' su d) $((0x$(stat -c %%t null))) "
        .. "$((0x$(stat -c %%T null)))"):format(root)))
      local attributes = sh(("python3 -c 'import os; print(sorted(os.listxattr(\"%s/capable\")))'"):format(root))
      assert.are.equal("['security.capability', 'user.own']\n", attributes)
    end)
  else
    it("gives all to the caller, without setuid bits, and has empty files for devices", function()
      local root = assert(unpack_one { { "su", mode = octal "6755", uid = 5 }, { "null", "character", major = 1,
        minor = 3 }, { "closed/", "folder", mode = 0 }, { "closed/in", content = "in", mode = 0 } })
      assert.are.equal("d 700 closed \nf 400 closed/in \nf 644 null \nf 755 su \n", tree(root))
      assert.are.equal(user .. "\n", sh(("find %s -printf '%%U\\n' | sort -u"):format(root)))
    end)
  end

  it("removes an image that nobody uses, and none that somebody does", function()
    local root = assert(unpack_one { { ("d/"):rep(300) .. "deep" } })
    local function remove()
      local temporary = ("%s/store/tmp/%s"):format(folder, core.system.random(4))
      return sh(("mkdir %s && chown %d %s; %s%s $$ remove %s/store %s %s 2>&1; echo status $?"):format(temporary, user,
        temporary, as, PROGRAM, folder, DIGITS, temporary))
    end
    local held <close> = assert(core.files.lock(root:match "^(.*)/" .. "/lock"))
    assert.is_truthy(remove():find "^IN_USE\t0\t.*\nstatus 1\n$")
    held:close()
    assert.are.equal("status 0\n", remove())
    assert.are.equal("", sh(("ls %s/store/images"):format(folder)))
    assert.is_truthy(remove():find "^NOT_FOUND\t")
  end)

  it("ends with the process that started it", function()
    local output = sh(("%s%s 1 look /dev/null manifest.json 2>&1; echo status $?"):format(as, PROGRAM))
    assert.are.equal("CONFINEMENT_FAILED\t0\tthe process that began this is gone\nstatus 1\n", output)
  end)
end

describe("an image unpacked by this user", function() specs_of(core.system.euid()) end)

local reachable = core.system.euid() == 0
  and os.execute(("setpriv --reuid %d --regid %d --clear-groups test -x %s"):format(NOBODY, NOBODY, PROGRAM))
if reachable then describe("an image unpacked by an ordinary user", function() specs_of(NOBODY) end) end
