module indelible/opennote

// No newer than what Debian 12 has.
go 1.18

require golang.org/x/mod v0.17.0
