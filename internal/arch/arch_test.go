// Package arch holds the tests that guard the house: imports go down, every package says its one job, formats don't claim
// each other's files.
package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// floors says how high each package stands. A package imports only from floors below its own, and a new package has no floor
// until somebody thinks about it here.
var floors = map[string]int{
	"internal/event":             0,
	"internal/format":            1,
	"internal/format/text":       1,
	"internal/format/formattest": 2,
	"internal/format/list":       2,
	"internal/format/pcap":       2,
	"internal/format/pmc":        2,
	"internal/format/procmon":    2,
	"internal/format/saved":      2,
	"internal/format/winevent":   2,
	"internal/format/zeek":       2,
	"internal/attrib":            2,
	"internal/doctor":            3,
	"internal/ingest":            4,
	"internal/simulate":          4,
	"internal/report":            4,
	"cmd/culprit":                6,
	"internal/arch":              9,
}

// A file is a Go file of the project, parsed up to its imports.
type file struct {
	dir, name string
	ast       *ast.File
}

// files reads the project through the file system rather than `go list`: so the test cache sees a change.
func files(t *testing.T) []file {
	t.Helper()
	root := os.DirFS("../..")
	var out []file
	err := fs.WalkDir(root, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && strings.HasPrefix(d.Name(), ".") && p != "." || d.IsDir() && d.Name() == "testdata" {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(p, ".go") {
			return nil
		}
		src, err := fs.ReadFile(root, p)
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), p, src, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		out = append(out, file{path.Dir(p), path.Base(p), f})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestFloors(t *testing.T) {
	for _, f := range files(t) {
		own, ok := floors[f.dir]
		if !ok {
			t.Errorf("%s has no floor: give it one in arch_test.go", f.dir)
			continue
		}
		if strings.HasSuffix(f.name, "_test.go") {
			continue // a test may look at anything
		}
		for _, imp := range f.ast.Imports {
			name, _ := strconv.Unquote(imp.Path.Value)
			dir, ours := strings.CutPrefix(name, "culprit/")
			if ours && floors[dir] >= own {
				t.Errorf("%s/%s (floor %d) imports %s (floor %d): imports go down", f.dir, f.name, own, dir, floors[dir])
			}
		}
	}
}

func TestPackageDocs(t *testing.T) {
	docs := map[string]int{}
	for _, f := range files(t) {
		docs[f.dir] += 0
		if f.ast.Doc == nil || f.name == "gen.go" {
			continue
		}
		first, _, _ := strings.Cut(f.ast.Doc.Text(), "\n")
		if strings.HasPrefix(first, "Package "+path.Base(f.dir)+" ") || strings.HasPrefix(first, "Command ") {
			docs[f.dir]++
		}
	}
	for dir, n := range docs {
		if n != 1 {
			t.Errorf("%s has %d package docs, want one that begins with its name and says its one job", dir, n)
		}
	}
}

var vague = regexp.MustCompile(`(^|/)(util|utils|common|core|types|models|config|manager|helpers?|misc)(/|$)`)

func TestNames(t *testing.T) {
	for dir := range floors {
		if vague.MatchString(dir) {
			t.Errorf("%s: a name that says nothing", dir)
		}
	}
	for _, f := range files(t) {
		if vague.MatchString(strings.TrimSuffix(f.name, ".go")) {
			t.Errorf("%s/%s: a name that says nothing", f.dir, f.name)
		}
		for _, imp := range f.ast.Imports {
			if imp.Path.Value == `"unsafe"` {
				t.Errorf("%s/%s imports unsafe", f.dir, f.name)
			}
		}
	}
}
