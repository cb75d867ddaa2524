// Package formattest is the conformance suite that every format passes.
//
// A format's tests are a few lines:
//
//	func TestFormat(t *testing.T)      { formattest.Run(t, Format) }
//	func FuzzFormat(f *testing.F)      { formattest.Fuzz(f, Format) }
//	func BenchmarkFormat(b *testing.B) { formattest.Bench(b, Format, data) }
//
// Run reads every file testdata/<format name>/* (all but *.golden) and compares its events, as JSON lines, with the .golden
// file beside it; go test -update rewrites the goldens.
package formattest

import (
	"bytes"
	"compress/gzip"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"culprit/internal/event"
	"culprit/internal/format"
)

var update = flag.Bool("update", false, "rewrite golden files")

// An Outcome is everything a reader gave.
type Outcome struct {
	Lines   []string // events as JSON lines
	Roles   []string // those with a culprit.role
	Skipped int
	Bad     []string
	Notes   []string
	Err     error // nil after io.EOF
}

// Read reads a whole source of the given bytes.
func Read(t testing.TB, f *format.Format, name string, r io.Reader, o format.Options) Outcome {
	t.Helper()
	src, err := format.NewSource(name, r, -1)
	if err != nil {
		return Outcome{Err: err}
	}
	defer src.Close()
	rd, err := f.Open(src, o)
	if err != nil {
		return Outcome{Err: err}
	}
	var out Outcome
	b := &event.Batch{Source: name}
	for {
		b.Reset()
		err := rd.Read(b)
		out.add(t, b)
		if err == io.EOF {
			return out
		}
		if err != nil {
			out.Err = err
			return out
		}
	}
}

func (o *Outcome) add(t testing.TB, b *event.Batch) {
	for i := range b.Len {
		if !b.Has(event.LogOffset, i) || !b.Has(event.Record, i) {
			t.Fatalf("event without log.offset or culprit.record: %s", b.AppendJSON(nil, i))
		}
		line := string(b.AppendJSON(nil, i))
		o.Lines = append(o.Lines, line)
		if b.Has(event.Role, i) {
			o.Roles = append(o.Roles, line)
		}
	}
	o.Skipped += b.Skipped
	for _, bad := range b.Bad {
		o.Bad = append(o.Bad, fmt.Sprintf("record %d, offset %d: %s", bad.Record, bad.Offset, bad.Err))
	}
	o.Notes = append(o.Notes, b.Notes...)
}

// String is what a golden file holds.
func (o Outcome) String() string {
	var s strings.Builder
	for _, l := range o.Lines {
		s.WriteString(l + "\n")
	}
	for _, l := range o.Bad {
		s.WriteString("# bad: " + l + "\n")
	}
	for _, l := range o.Notes {
		s.WriteString("# note: " + l + "\n")
	}
	if o.Err != nil {
		s.WriteString("# error: " + o.Err.Error() + "\n")
	}
	return s.String()
}

func files(t testing.TB, f *format.Format) []string {
	all, err := filepath.Glob(filepath.Join("testdata", f.Name, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(all, func(n string) bool { return strings.HasSuffix(n, ".golden") })
}

// Run runs the suite on the files of testdata/<format name>.
func Run(t *testing.T, f *format.Format) {
	names := files(t, f)
	if len(names) == 0 {
		t.Fatalf("no files in testdata/%s", f.Name)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(filepath.Base(name), func(t *testing.T) {
			whole := Read(t, f, filepath.Base(name), bytes.NewReader(data), format.Options{})
			golden(t, name+".golden", whole.String())
			if head := data[:min(len(data), format.HeadSize)]; whole.Err == nil && len(head) > 0 && !compressed(data) && !f.Match(head) {
				t.Error("Match does not claim it")
			}
			pieces(t, f, filepath.Base(name), data, whole)
			rolesOnly(t, f, filepath.Base(name), data, whole)
			fields(t, f, filepath.Base(name), data)
			Cut(t, f, data)
		})
	}
}

func compressed(data []byte) bool { return data[0] == 0x1f || data[0] == 0x28 }

func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (go test -update rewrites it):\n%s", name, firstDifference(got, string(want)))
	}
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("line %d\n got %s\nwant %s", i+1, g[i], w[i])
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(g), len(w))
}

// pieces reads the source byte by byte, and gzipped: the same events must come.
func pieces(t *testing.T, f *format.Format, name string, data []byte, whole Outcome) {
	t.Helper()
	same := func(how string, got Outcome) {
		t.Helper()
		if got.String() != whole.String() {
			t.Errorf("read %s it differs: %s", how, firstDifference(got.String(), whole.String()))
		}
	}
	if len(data) < 1<<20 {
		same("byte by byte", Read(t, f, name, iotest.OneByteReader(bytes.NewReader(data)), format.Options{}))
	}
	same("in halves", Read(t, f, name, iotest.HalfReader(bytes.NewReader(data)), format.Options{}))
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	_, _ = w.Write(data)
	_ = w.Close()
	same("gzipped", Read(t, f, name, &z, format.Options{}))
}

// rolesOnly reads with RolesOnly: the events with a role must be the same, and none may be lost from the count.
func rolesOnly(t *testing.T, f *format.Format, name string, data []byte, whole Outcome) {
	t.Helper()
	got := Read(t, f, name, bytes.NewReader(data), format.Options{RolesOnly: true})
	if !slices.Equal(got.Roles, whole.Roles) {
		t.Errorf("RolesOnly gives %d events with a role, want %d", len(got.Roles), len(whole.Roles))
	}
	if n := len(got.Lines) + got.Skipped; n != len(whole.Lines) {
		t.Errorf("RolesOnly accounts for %d events, want %d", n, len(whole.Lines))
	}
}

// fields asks for one field after the other: each must be what it is among all.
func fields(t *testing.T, f *format.Format, name string, data []byte) {
	t.Helper()
	used, _ := column(t, f, name, data, format.Options{}, 0)
	for field := range used {
		_, want := column(t, f, name, data, format.Options{}, field)
		if _, got := column(t, f, name, data, format.Options{Fields: event.SetOf(field)}, field); got != want {
			t.Errorf("%v asked for alone differs: %s", field, firstDifference(got, want))
		}
	}
}

// column gives the fields that some event has, and the values of one, a line an event.
func column(t *testing.T, f *format.Format, name string, data []byte, o format.Options, field event.Field) (used map[event.Field]bool, values string) {
	t.Helper()
	src, err := format.NewSource(name, bytes.NewReader(data), -1)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	r, err := f.Open(src, o)
	if err != nil {
		return nil, ""
	}
	used = map[event.Field]bool{}
	b := new(event.Batch)
	var s []byte
	for err = error(nil); err == nil; {
		b.Reset()
		err = r.Read(b)
		for _, u := range b.Used() {
			used[u] = true
		}
		for i := range b.Len {
			if field != 0 {
				s = append(b.AppendValue(s, field, i), '\n')
			}
		}
	}
	return used, string(s)
}

// Cut reads prefixes of data: each must end, without a panic, having said so if anything is missing.
func Cut(t *testing.T, f *format.Format, data []byte) {
	t.Helper()
	step := max(1, len(data)/97)
	if testing.Short() { // the race detector is slow, and finds nothing in more of these
		step = max(1, len(data)/7)
	}
	for n := 0; n < len(data); n += step {
		o := Read(t, f, "cut", bytes.NewReader(data[:n]), format.Options{})
		if errors.Is(o.Err, io.ErrUnexpectedEOF) && o.Err.Error() == io.ErrUnexpectedEOF.Error() {
			t.Errorf("cut at %d: a bare %q tells nobody anything", n, o.Err)
		}
	}
}

// Fuzz reads mutations of the files of testdata/<format name>. It is short of a check of meaning: no panic, no endless loop,
// no event without provenance.
func Fuzz(f *testing.F, ft *format.Format) {
	for _, name := range files(f, ft) {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		if len(data) <= 64<<10 {
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		ft.Match(data)
		Read(t, ft, "fuzz", bytes.NewReader(data), format.Options{})
		Read(t, ft, "fuzz", bytes.NewReader(data), format.Options{RolesOnly: true})
	})
}

// Bench reads data over and over, for everything and for roles only.
func Bench(b *testing.B, f *format.Format, data []byte) {
	for _, o := range []struct {
		name string
		format.Options
	}{{"all", format.Options{}}, {"roles", format.Options{RolesOnly: true}}} {
		b.Run(o.name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			events := 0
			batch := &event.Batch{}
			for b.Loop() {
				events += benchOnce(b, f, data, batch, o.Options)
			}
			b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

func benchOnce(b *testing.B, f *format.Format, data []byte, batch *event.Batch, o format.Options) (events int) {
	src, err := format.NewSource("bench", bytes.NewReader(data), int64(len(data)))
	if err != nil {
		b.Fatal(err)
	}
	defer src.Close()
	r, err := f.Open(src, o)
	if err != nil {
		b.Fatal(err)
	}
	for {
		batch.Reset()
		err := r.Read(batch)
		events += batch.Len + batch.Skipped
		if err == io.EOF {
			return events
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

// Corpus gives the path of a file of the real recordings. They are not part of the project (their licences differ); without
// them the test is skipped, but in CI it fails.
func Corpus(t testing.TB, name string) string {
	t.Helper()
	dir := os.Getenv("CULPRIT_CORPUS")
	if dir == "" {
		if os.Getenv("CI") != "" {
			t.Fatal("CULPRIT_CORPUS is not set: the real recordings are missing")
		}
		t.Skip("CULPRIT_CORPUS is not set: no real recordings to test on")
	}
	p := filepath.Join(dir, filepath.FromSlash(name))
	if _, err := os.Stat(p); err != nil {
		t.Fatal(err)
	}
	return p
}
