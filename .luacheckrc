std = "lua54"
max_line_length = 120
exclude_files = { "docs/stubs", "build*", ".cache" }
files["tests/lua"] = { std = "lua54+busted" }
files["tests/engine"] = { std = "lua54+busted" }
files["tests/engines"] = { std = "lua54+busted" }
files["tests/embed"] = { std = "lua54+busted" }
files["tests/regress"] = { std = "lua54+busted" }
files["docs/examples/prosody"] = { globals = { "module" } }
