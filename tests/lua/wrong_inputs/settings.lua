-- SPDX-License-Identifier: Apache-2.0

local cases = {}

-- A user's file of settings, which every verb reads that needs one of them.
for text, words in pairs {
  ["return {"] = "unexpected symbol near <eof>",
  ["return 5"] = "it must return a table, got 5",
  [""] = "it must return a table, got nothing",
  ['return { enigne = "x" }'] = "there is no setting 'enigne'; did you mean 'engine'?",
  ["return { engine = 5 }"] = "engine must be a string, got 5",
  ['return { engine = "" }'] = "engine must not be empty",
  ['return { timestamps = "yes" }'] = "timestamps must be true or false, got 'yes'",
  ['return { log_format = "xml" }'] = 'log_format must be "text" or "json", got \'xml\'',
  ["return { site = 5 }"] = "site must be a path, got 5",
  ['return { runtime_dir = "here" }'] = "runtime_dir must be a whole path, or begin with ~/, got 'here'",
  ['return { state_dir = "here" }'] = "state_dir must be a whole path, or begin with ~/, got 'here'",
  ['return { control = "here" }'] = "control must be a whole path, or begin with ~/, got 'here'",
  ['error "no"'] = "gantry.lua:1: no",
  ["while true do end"] = "ran more than 20000000 instructions",
  ['return { engine = os.getenv "X" }'] = "os.getenv: policies have none",
} do
  for _, verb in ipairs { "ps", "gc" } do
    cases[#cases + 1] = { "gantry " .. verb, 3, "gantry's settings cannot be used: ", "/.config/gantry/gantry.lua",
      words, name = ("gantry %s with settings: %s"):format(verb, text), settings = text }
  end
end
for _, case in ipairs(cases) do
  case[1], case.files = "HOME=$PWD " .. case[1], { [".config/gantry/gantry.lua"] = case.settings .. "\n" }
end

local FILE <const> = "mkdir -p -m 700 h/.config/gantry; export HOME=$PWD/h; f=h/.config/gantry/gantry.lua; rm -rf $f; "
for command, wanted in pairs {
  ["echo 'return {}' >$f; chmod 666 $f; gantry ps"] = { 3, "everybody may write to it; run: chmod go-w" },
  ["mkdir $f; gantry ps"] = { 3, "is a directory" },
  ["echo 'return { engine = \"nonsense\" }' >$f; env -u DOCKER_HOST gantry gc"] = { 5,
    "gantry.lua: 'nonsense' is not an engine's address" },
  ["echo 'return { engine = \"unix:///no.sock\" }' >$f; env -u DOCKER_HOST gantry gc"] = { 5, "named by ",
    "gantry.lua): tried unix:///no.sock" },
  ["echo 'return { site = \"/no/site.lua\" }' >$f; gantry check kv.lua"] = { 3, "the site policy is broken",
    "/no/site.lua: no such file" },
} do
  cases[#cases + 1] = { FILE .. command, wanted[1], name = command, table.unpack(wanted, 2) }
end

-- And what the environment says.
for command, wanted in pairs {
  ["GANTRY_LOG_FORMAT=xml gantry up ."] = { 3, 'GANTRY_LOG_FORMAT must be "text" or "json"' },
  ["GANTRY_TIMESTAMPS=maybe gantry up ."] = { 3, "GANTRY_TIMESTAMPS must be " },
  ["GANTRY_SITE=/no/site.lua gantry check kv.lua"] = { 3, "/no/site.lua: no such file" },
  ["GANTRY_CONTROL=no.sock gantry ps"] = { 7, "nobody listens on no.sock" },
  ["DOCKER_HOST=nonsense gantry gc"] = { 5, "DOCKER_HOST: 'nonsense' is not an engine's address" },
  ["DOCKER_HOST=tcp:// gantry gc"] = { 5, "'tcp://' is not an engine's address" },
  ["DOCKER_HOST=unix:// gantry gc"] = { 5, "'unix://' is not an engine's address" },
  ["DOCKER_HOST=ssh://host gantry gc"] = { 5, "gantry does not speak ssh" },
  ["DOCKER_HOST=tcp://127.0.0.1:1 gantry gc"] = { 5, "tried tcp://127.0.0.1:1 (nothing listens there)" },
  ["DOCKER_HOST=tcp://127.0.0.1:1 DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH=/no gantry gc"] = { 5, ".pem is missing" },
  ["env -u DOCKER_HOST CONTAINER_HOST=nonsense gantry gc"] = { 5, "CONTAINER_HOST: 'nonsense' is not an engine's" },
} do
  cases[#cases + 1] = { command, wanted[1], table.unpack(wanted, 2) }
end

return { subject = "settings", files = { ["kv.lua"] = 'return { image = "kv" }' }, cases = cases }
