package main

import (
	"flag"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "rewrite what the scripts compare with")

func TestMain(m *testing.M) { testscript.Main(m, map[string]func(){"culprit": main}) }

// TestScript plays the sessions of testdata/script as a user would type them.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("GORACE", "atexit_sleep_ms=0") // else the race detector sleeps a second at the end of every command
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"cited":    cited,
			"cut":      cut,
			"unescape": unescape,
			"exit":     exit,
		},
	})
}

// citation is a line of --explain that cites a line of a CSV.
var citation = regexp.MustCompile(`(?m)^ +((?:TCP|UDP) \w+), ([0-9,]+) bytes?, .* (\S+\.csv):(\d+)$`)

// cited FILE N checks the N or more citations of a CSV in FILE: the line cited must be what it is said to be.
func cited(ts *testscript.TestScript, _ bool, args []string) {
	all := citation.FindAllStringSubmatch(ts.ReadFile(args[0]), -1)
	if want, err := strconv.Atoi(args[1]); err != nil || len(all) < want {
		ts.Fatalf("%d citations, want %s", len(all), args[1])
	}
	for _, c := range all {
		n, err := strconv.Atoi(c[4])
		ts.Check(err)
		lines := strings.Split(ts.ReadFile(c[3]), "\n")
		if n > len(lines) {
			ts.Fatalf("%s has no line %d", c[3], n)
		}
		if line := lines[n-1]; !strings.Contains(line, `"`+c[1]+`"`) || !strings.Contains(line, "Length: "+strings.ReplaceAll(c[2], ",", "")) && !strings.Contains(line, "Length: "+c[2]) {
			ts.Fatalf("%s:%d is cited as %s of %s bytes, but is %s", c[3], n, c[1], c[2], line)
		}
	}
}

// cut FILE N TO writes the first N bytes of a file; of a negative N, all but so many.
func cut(ts *testscript.TestScript, _ bool, args []string) {
	data := ts.ReadFile(args[0])
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	if n < 0 {
		n += len(data)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(data[:n]), 0o666))
}

// unescape FILE turns Go's escapes in a file, \x1b say, into what they stand for.
func unescape(ts *testscript.TestScript, _ bool, args []string) {
	text, err := strconv.Unquote(`"` + strings.NewReplacer("\n", `\n`, `"`, `\"`).Replace(ts.ReadFile(args[0])) + `"`)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o666))
}

// exit CODE culprit ARGS... runs culprit and wants this exit status.
func exit(ts *testscript.TestScript, neg bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	got := 0
	if err != nil {
		text := err.Error()
		code, perr := strconv.Atoi(strings.TrimPrefix(text, "exit status "))
		if perr != nil {
			ts.Fatalf("%v: %v", args[1:], err)
		}
		got = code
	}
	if want, err := strconv.Atoi(args[0]); err != nil || neg || got != want {
		ts.Fatalf("%v: exit status %d, want %s", args[1:], got, args[0])
	}
}
