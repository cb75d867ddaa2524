package main

import (
	"flag"
	"os"
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
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"cut":      cut,
			"unescape": unescape,
			"exit":     exit,
		},
	})
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
