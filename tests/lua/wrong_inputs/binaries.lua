-- SPDX-License-Identifier: Apache-2.0
--
--- What is no plugin's binary, or not where it is said to be: for `init`, `wrap`, `unwrap` and the field `binary`.

local PIN <const> = ("ab"):rep(32)

local cases = {
  { "gantry init", 2, "say which plugin: --image IMAGE or --binary FILE" },
  { "gantry init --image ''", 2, "--image must not be empty" },
  { "gantry init --image 'a b'", 2, "--image must be an image such as", "'a b'" },
  { "gantry init --image kv@sha256:12", 2, "its digest is not sha256:" },
  { "gantry init ./nowhere", 6, "binary ./nowhere is not there" },
  { "gantry init --binary nowhere", 6, "binary nowhere is not there" },
  { "gantry init --binary ''", 2, "--binary must not be empty" },
  { "gantry init ''", 2, "must not be empty" },
  { "gantry init --binary", 2, "option '--binary' requires an argument" },
  { "gantry init dynamic --image kv", 2, "PLUGIN, --image and --binary exclude each other" },
  { "gantry init --binary dynamic --image kv", 2, "PLUGIN, --image and --binary exclude each other" },
  { "gantry init dynamic --binary dynamic", 2, "PLUGIN, --image and --binary exclude each other" },
  { "gantry init kv kv", 2, "too many arguments" },
  { "gantry init --frob kv", 2, "unknown option '--frob'" },
  { "gantry init --image kv --for vautl", 2, "--for: 'vautl' is no host that gantry knows", "did you mean 'vault'?" },
  { "gantry init --image kv --for vault", 5, "Vault pins its plugins: say --sha256 ID", "no engine answers" },
  { "gantry init --image kv --for vault --type atuh", 2, "--type must be auth, secret or database", "'atuh'" },
  { "gantry init --image kv --for packer --type auth", 2, "--type is for plugins of Vault and OpenBao" },
  { "gantry init --image kv --sha256 12", 2, "--sha256 must be 64 hex digits, got 2" },
  { "gantry init --image kv --name ../kv", 2, "--name must have", "'../kv'" },
  { "gantry init --image kv --name ''", 2, "--name must not be empty" },
  { "gantry init --image kv --output nowhere/kv.lua", 1, "write nowhere/kv.lua: No such file or directory" },
  { "gantry init --image kv --output there.lua", 1, "there.lua is there already and stays as it is" },
  { "gantry init --image kv --output folder", 1, "folder is there already and stays as it is" },
  { "gantry init --image kv --output dangling", 1, "dangling is there already and stays as it is" },
  { "gantry init --image kv --output ''", 2, "--output must not be empty" },
  { "gantry init --image kv --output baseline.lua", 2, "baseline.lua would hide the policy of that name" },
  { "gantry init --image kv --output unpinned.lua --engine nonsense", 0, "not pinned",
    "'nonsense' is not an engine's" },

  { "gantry wrap", 2, "name binaries, or a host such as --opentofu" },
  { "gantry unwrap", 2, "name binaries, or a host such as --opentofu" },
  { "gantry wrap --vault .", 2, "unknown option '--vault'" },
  { "gantry unwrap --force dynamic", 2, "unknown option '--force'" },
  { "gantry wrap --opentofu --packer .", 2, "--opentofu and --packer exclude each other" },
  { "gantry wrap --opentofu .", 1, "no plugins of opentofu are there", "run tofu init first" },
  { "gantry wrap --opentofu nowhere", 1, "nowhere: no plugins of opentofu are there" },
  { "gantry unwrap --opentofu .", 1, "no plugins of opentofu are there" },
  { "gantry wrap --packer", 1, "no plugins of packer are there", "packer init" },
  { "gantry wrap --grafana .", 1, "no plugins of grafana are there" },
  { "gantry wrap nowhere", 6, "/nowhere is not there" },
  { "gantry wrap dangling", 6, "/dangling is not there" },
  { "gantry wrap dynamic", 1, "nothing in it says that it is a plugin", "--force" },
  { "gantry wrap dynamic nowhere", 1, "nothing in it says that it is a plugin", "/nowhere is not there" },
  { "gantry wrap --force folder", 6, "is a folder; name the program in it" },
  { "gantry wrap --json notes.txt", 6, '"code":"BINARY_NOT_A_PROGRAM"' },
  { "gantry wrap there.lua", 6, "is no program for Linux" },
  { 'g=$(realpath bin/gantry); cp $g own; LUA_CPATH="${g%/*}/lib/?.so;;" ./own wrap own', 1, "own: is gantry itself" },
  { "gantry unwrap notes.txt", 1, "is neither a binary nor a policy of gantry's" },
  { "gantry unwrap there.lua", 1, "is neither a binary nor a policy of gantry's" },
  { "gantry unwrap folder", 1, "is neither a binary nor a policy of gantry's" },
  { "gantry unwrap nowhere", 1, "is not there, and no binary is kept for it" },
  { "gantry unwrap lost", 1, "is a policy of gantry's, and no binary is kept beside it" },
  { "gantry wrap lost", 1, "is a policy of gantry's, and no binary is kept beside it" },
}

-- What is there and no program, for each who takes one.
for name, words in pairs {
  ["notes.txt"] = "is no program for Linux (no ELF file)", empty = "is no program for Linux",
  cut = "is no program for Linux", script = "is a script for /bin/sh",
  folder = "is a folder; name the program in it", fifo = "is no regular file",
} do
  cases[#cases + 1] = { ("gantry init --binary %s"):format(name), 6, ("binary %s "):format(name), words }
  cases[#cases + 1] = { ("gantry init ./%s"):format(name), 6, words }
  cases[#cases + 1] = { ("gantry wrap %s"):format(name), 6, words }
  cases[#cases + 1] = { ("gantry check of_%s.lua"):format(name:match "%w+"), 6, "binary ", words }
end

-- Fields of a policy of a binary, which is there and dynamic.
for fields, wanted in pairs {
  [""] = { 6, "is dynamic and cannot start alone: it needs ", "set libraries = true" },
  ['image = "kv",'] = { 3, "image and binary exclude each other" },
  ['tag = "1",'] = { 3, "tag and binary exclude each other" },
  ['pull = "missing",'] = { 3, 'pull = "missing" and binary exclude each other' },
  ['entrypoint = { "x" },'] = { 3, "entrypoint and binary exclude each other" },
  ['libraries = "yes",'] = { 3, "libraries must be true or false, got 'yes'" },
  ['libraries = true, sha256 = "12",'] = { 3, "sha256 must be 64 hex digits, got 2" },
  [("libraries = true, sha256 = %q,"):format(PIN)] = { 6, "is not the pinned one", "sha256:abab" },
} do
  cases[#cases + 1] = { ("echo 'return { binary = \"dynamic\", %s }' >p.lua; gantry check p.lua"):format(fields),
    wanted[1], "p.lua:1: ", table.unpack(wanted, 2) }
end
for value, words in pairs { ['""'] = "binary must not be empty", ["5"] = "binary must be an absolute path, got 5",
  ['"nowhere"'] = "nowhere is not there; build it, or correct the policy" } do
  cases[#cases + 1] = { ("echo 'return { binary = %s }' >p.lua; gantry check p.lua"):format(value),
    value == '"nowhere"' and 6 or 3, "p.lua:1: ", words }
end
cases[#cases + 1] = { "echo 'return { image = \"kv\", libraries = true }' >p.lua; gantry check p.lua", 3,
  "libraries are those of a binary, and there is none" }
cases[#cases + 1] = { "gantry run notes.txt", 3, "notes.txt:1: " }
cases[#cases + 1] = { "gantry run dynamic", 3, "dynamic: is a program, and a policy is a Lua file", "gantry init" }
cases[#cases + 1] = { "gantry plan dynamic", 3, "dynamic: is a program, and a policy is a Lua file" }

local files = { ["notes.txt"] = "plain", empty = "", cut = "\127ELF\2\1\1\0", script = "#!/bin/sh\n",
  ["there.lua"] = 'return { image = "kv" }', ["folder/none"] = "",
  lost = "#!/usr/bin/env -S gantry exec\nreturn { binary = \".lost.wrapped\" }\n" }
for _, name in ipairs { "notes.txt", "empty", "cut", "script", "folder", "fifo" } do
  files[("of_%s.lua"):format(name:match "%w+")] = ("return { binary = %q }"):format(name)
end
return { subject = "binaries", files = files, cases = cases,
  prepare = "cp /bin/true dynamic; mkfifo fifo; ln -s nowhere dangling" }
