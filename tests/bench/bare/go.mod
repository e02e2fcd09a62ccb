module gantry.test/bare

go 1.19
