-- SPDX-License-Identifier: Apache-2.0
--
-- private_memory_spec.lua: keys of plugins' connections in the memory of `gantry` are in no core dump. A library
-- that is preloaded says at the end of the process what the kernel was told.
local GANTRY <const> = os.getenv "GANTRY" or "build/gantry"

local LIBRARY <const> = [[
#include <stdio.h>
#include <sys/prctl.h>
__attribute__((destructor)) static void tell(void) { printf("dumpable %d\n", prctl(PR_GET_DUMPABLE)); }
]]

describe("the executable's memory", function()
  it("is in no core dump", function()
    local path = os.tmpname()
    local source <close> = assert(io.popen(("cc -shared -fPIC -x c -o '%s' -"):format(path), "w"))
    assert(source:write(LIBRARY))
    assert(source:close())
    local output <close> = assert(io.popen(("LD_PRELOAD='%s' '%s' version"):format(path, GANTRY)))
    assert.matches("dumpable 0", output:read "a", 1, true)
    os.remove(path)
  end)
end)
