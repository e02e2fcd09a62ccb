-- SPDX-License-Identifier: Apache-2.0
--
-- The module alone, for LuaRocks: `luarocks --lua-version 5.4 make`, with `--deps-mode none` where lua-cjson is there
-- already, as Debian's package is. The command comes with cmake --install.
rockspec_format = "3.0"
package = "gantry"
version = "dev-1"
source = { url = "." }
description = {
  summary = "Launches go-plugin plugins in containers, as Lua policies say",
  license = "Apache-2.0",
}
supported_platforms = { "linux" }
dependencies = { "lua >= 5.4, < 5.5", "lua-cjson >= 2.1" }
build = {
  type = "command",
  build_command = "cmake -S . -B build.luarocks -DBUILD_TESTING=OFF && "
    .. "cmake --build build.luarocks --target gantry_modules --parallel 2",
  install_command = "mkdir -p '$(LUADIR)' '$(LIBDIR)' && cp -R lua/gantry '$(LUADIR)/' && "
    .. "cp -R build.luarocks/lib/gantry '$(LIBDIR)/' && cp build.luarocks/libexec/gantry/gantry-* '$(LIBDIR)/gantry/'",
}
