package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"

	"culprit/internal/report"
)

var formNames = report.Forms

// An app is one run of the program: where it reads and writes, and the flags that several commands share.
type app struct {
	stdin          io.Reader
	stdout, stderr *os.File
	getenv         func(string) string

	formName    string
	colorWhen   string
	quiet       bool
	as          []string
	skipUnknown bool
	strict      bool
	zones       []string

	form     report.Form
	zone     *time.Location            // to show times in; nil: UTC
	zonesOf  map[string]*time.Location // of sources or formats
	warnings []string                  // said so far, for JSON
	told     bool                      // something was said on stderr
}

// prepare checks the flags that several commands share.
func (a *app) prepare() error {
	var err error
	if a.form, err = report.ParseForm(a.formName); err != nil {
		return fmt.Errorf("-o: %w", err)
	}
	switch a.colorWhen {
	case "auto", "always", "never":
	default:
		return fmt.Errorf("--color: %q is none of auto, always, never", a.colorWhen)
	}
	return a.parseZones()
}

// say writes a message on stderr, its text made fit for a terminal line by line.
func (a *app) say(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	for i, line := range strings.Split(text, "\n") {
		if i == 0 {
			line = "culprit: " + line
		}
		fmt.Fprintln(a.stderr, report.Plain(line))
	}
	a.told = true
}

// warn says something that does not stop the work.
func (a *app) warn(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	a.warnings = append(a.warnings, text)
	a.say("warning: %s", text)
}

// remark writes lines that --quiet leaves out, after a blank line.
func (a *app) remark(lines ...string) {
	if a.quiet || len(lines) == 0 {
		return
	}
	if a.told || a.form.ForPeople() {
		fmt.Fprintln(a.stderr)
	}
	for _, l := range lines {
		fmt.Fprintln(a.stderr, report.Plain(l))
	}
	a.told = true
}

// color says whether to colour what goes to f.
func (a *app) color(f *os.File) bool {
	switch {
	case a.colorWhen != "auto":
		return a.colorWhen == "always"
	case a.getenv("NO_COLOR") != "":
		return false
	case a.getenv("CLICOLOR_FORCE") != "" && a.getenv("CLICOLOR_FORCE") != "0":
		return true
	}
	return a.terminal(f) && (runtime.GOOS != "windows" || a.getenv("WT_SESSION") != "" || a.getenv("TERM") != "")
}

// terminal says whether f is a terminal that understands escapes.
func (a *app) terminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && a.getenv("TERM") != "dumb"
}

func (a *app) style(points ...int64) report.Style {
	return report.Style{Form: a.form, Times: report.TimesFor(a.zone, points...), Color: a.color(a.stdout)}
}

// nearest gives the candidate that want was probably meant to be; "" when none is near.
func nearest(want string, known []string) string {
	best, least := "", max(2, len(want)/3)+1
	for _, k := range known {
		if d := editDistance(want, k); d < least {
			best, least = k, d
		}
	}
	return best
}

// editDistance counts the letters to insert, drop, replace or swap with a neighbour.
func editDistance(a, b string) int {
	rows := [3][]int{make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)}
	for j := range rows[1] {
		rows[1][j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, row := rows[0], rows[1], rows[2]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		rows = [3][]int{last, row, before}
	}
	return rows[1][len(b)]
}
