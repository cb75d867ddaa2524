package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"culprit/internal/report"
	"culprit/internal/simulate"
)

func newDemo(a *app) *cobra.Command {
	var dir string
	var small bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "an invented case to try culprit on: write its recordings and ask who",
		Long: `demo writes the recordings of an invented sign-in into a folder - Procmon's PML and CSV, a capture, Sysmon's events, Zeek's logs, the list of the
provider's addresses and the truth - and runs culprit who on them. The same files are written every time.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.demo(cmd, dir, small) },
	}
	cmd.Flags().StringVar(&dir, "dir", "culprit-demo", "the folder to write to")
	cmd.Flags().BoolVar(&small, "small", false, "a case of 2,500 events instead of 309,730")
	return cmd
}

func (a *app) demo(cmd *cobra.Command, dir string, small bool) error {
	params := simulate.Duo()
	if small {
		params = simulate.Small()
	}
	if !a.quiet {
		fmt.Fprintln(a.stderr, report.Plain("writing an invented case to "+dir+" ..."))
	}
	if err := simulate.Write(dir, simulate.New(params)); err != nil {
		return fmt.Errorf("demo: writing the case: %w", err)
	}
	to := filepath.Join(dir, "duo.txt")
	files := []string{filepath.Join(dir, "Duo-ProcMon.csv"), filepath.Join(dir, "Duo-Wireshark.pcapng")}
	if !a.quiet {
		fmt.Fprintln(a.stderr, report.Plain("$ culprit who --to "+shellWord(to)+" "+shellWord(files[0])+" "+shellWord(files[1])))
	}
	return a.who(cmd, files, []string{to}, false)
}

// shellWord quotes a word of a command line that is shown, where it needs it.
func shellWord(s string) string {
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return strings.ContainsRune(" \t\n'\"$&;|<>()*?[]{}!`#~", r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
