package ingest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"culprit/internal/attrib"
	"culprit/internal/event"
	"culprit/internal/format"
)

// Every format's own test files must be claimed by that format and no other.
func TestFormatsDisjoint(t *testing.T) {
	tried := 0
	for _, own := range Formats {
		files, err := filepath.Glob("../format/*/testdata/" + own.Name + "/*")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, ".golden") {
				continue
			}
			head := firstBytes(t, name)
			if len(head) == 0 {
				continue
			}
			tried++
			for _, f := range Formats {
				if f != own && f.Match(head) {
					t.Errorf("%s is claimed by %s", name, f.Name)
				}
			}
		}
	}
	if tried < 5*len(Formats) {
		t.Errorf("only %d files tried for %d formats", tried, len(Formats))
	}
}

func firstBytes(t *testing.T, name string) []byte {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	src, err := format.NewSource(name, f, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	defer f.Close()
	head, err := src.Head()
	if err != nil {
		t.Fatal(err)
	}
	return head
}

func write(t *testing.T, name, data string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(data), 0o644); err != nil {
		t.Fatal(err)
	}
}

const procmonCSV = "\"Time of Day\",\"Process Name\",\"PID\",\"Operation\",\"Path\",\"Result\",\"Detail\"\r\n" +
	"\"4:33:14.3062614 PM\",\"a.exe\",\"1320\",\"TCP Send\",\"ws:50100 -> 1.2.3.4:https\",\"SUCCESS\",\"Length: 32\"\r\n"

func TestRead(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "a.csv", procmonCSV)
	write(t, "odd.bin", "\x00\x01\x02")
	var got []string
	o := Options{Serial: true, Progress: new(Progress)}
	sums, err := Read(context.Background(), []string{"a.csv", "gone.csv", "odd.bin", "-"}, strings.NewReader(procmonCSV), o, func(b *event.Batch) error {
		for i := range b.Len {
			got = append(got, b.Source+" "+string(b.Str(event.EventAction, i)))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := "a.csv TCP Send,- TCP Send"; strings.Join(got, ",") != want {
		t.Errorf("got %v, want %s", got, want)
	}
	if len(sums) != 4 || sums[0].Err != nil || sums[1].Err == nil || !sums[2].Unknown() || sums[3].Events != 1 {
		t.Errorf("summaries %+v", sums)
	}
	if s := sums[0]; s.Events != 1 || s.Basis != event.BasisTimeOfDay || s.First == 0 || s.Format.Name != "procmon-csv" {
		t.Errorf("summary %+v", s)
	}
	if o.Progress.Events.Load() != 2 {
		t.Errorf("progress counts %d events, want 2", o.Progress.Events.Load())
	}
}

func TestSinkEndsRead(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "a.csv", procmonCSV)
	full := errors.New("disk full")
	if _, err := Read(context.Background(), []string{"a.csv"}, nil, Options{}, func(*event.Batch) error { return full }); !errors.Is(err, full) {
		t.Errorf("%v, want %v", err, full)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Read(ctx, []string{"a.csv"}, nil, Options{}, func(*event.Batch) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want %v", err, context.Canceled)
	}
}

func TestAs(t *testing.T) {
	if _, err := FormatNamed("word"); err == nil {
		t.Error("a format that isn't there was found")
	}
	for _, f := range Formats {
		if g, err := FormatNamed(f.Name); err != nil || g != f {
			t.Errorf("%s: %v %v", f.Name, g, err)
		}
		if f.Doc == "" || len(f.Exts) == 0 {
			t.Errorf("%s lacks a doc or endings", f.Name)
		}
	}
}

// BenchmarkFile reads the file that CULPRIT_BENCH names into batches: everything in it, and what attribution wants. The scripts
// in bench/ run it beside other tools.
func BenchmarkFile(b *testing.B) {
	name := os.Getenv("CULPRIT_BENCH")
	if name == "" {
		b.Skip("CULPRIT_BENCH names no file")
	}
	info, err := os.Stat(name)
	if err != nil {
		b.Fatal(err)
	}
	path := event.SetOf(event.Timestamp, event.EventAction, event.ProcessName, event.ProcessPID, event.ProcmonPath, event.ProcmonResult)
	for _, o := range []struct {
		name string
		format.Options
	}{{"all", format.Options{}}, {"path", format.Options{Fields: path}}, {"roles", format.Options{Fields: attrib.Fields, RolesOnly: true}}} {
		b.Run(o.name, func(b *testing.B) {
			b.SetBytes(info.Size())
			b.ReportAllocs()
			var events int64
			for b.Loop() {
				sums, err := Read(context.Background(), []string{name}, nil, Options{Options: o.Options, Serial: true}, func(*event.Batch) error { return nil })
				if err != nil || sums[0].Err != nil {
					b.Fatal(err, sums[0].Err)
				}
				events += sums[0].Events
			}
			b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
