-- SPDX-License-Identifier: Apache-2.0
--
--- version.lua: the version of gantry; CMakeLists.txt has the same.

return "0.1.0"
