// Package procmon reads what Sysinternals Process Monitor saves: its own PML files and its CSV export.
package procmon
