package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"culprit/internal/event"
)

func newVersion(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "which culprit this is",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			v := build()
			if asJSON || a.form == "json" || a.form == "ndjson" {
				_, err := fmt.Fprintf(a.stdout, "%s\n", v.json())
				return err
			}
			_, err := fmt.Fprintln(a.stdout, v)
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "as a JSON object")
	return cmd
}

// A buildInfo is what the Go toolchain wrote into the binary.
type buildInfo struct{ version, revision, time, modified string }

func build() buildInfo {
	v := buildInfo{version: "(unknown)"}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if info.Main.Version != "" {
		v.version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.revision = s.Value
		case "vcs.time":
			v.time = s.Value
		case "vcs.modified":
			v.modified = s.Value
		}
	}
	return v
}

func (v buildInfo) String() string {
	s := "culprit " + v.version
	if v.revision != "" {
		s += ", commit " + v.revision[:min(12, len(v.revision))]
		if v.time != "" {
			s += " of " + v.time
		}
		if v.modified == "true" {
			s += ", changed since"
		}
	}
	return fmt.Sprintf("%s, %s, %s/%s", s, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

func (v buildInfo) json() []byte {
	out := []byte(`{"schema":"culprit.version/1"`)
	for _, m := range [][2]string{
		{"version", v.version},
		{"revision", v.revision},
		{"time", v.time},
		{"modified", v.modified},
		{"go", runtime.Version()},
		{"os", runtime.GOOS},
		{"arch", runtime.GOARCH},
	} {
		if m[1] != "" {
			out = append(event.AppendQuoted(append(out, ','), m[0]), ':')
			out = event.AppendQuoted(out, m[1])
		}
	}
	return append(out, '}')
}
