package winevent

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"culprit/internal/event"
	"culprit/internal/format"
	"culprit/internal/format/formattest"

	"github.com/klauspost/compress/zstd"
)

// logs gives every EVTX file among the real recordings, unpacked, by its name below the folder of them.
func logs(t testing.TB, under ...string) (names []string, data map[string][]byte) {
	t.Helper()
	data = map[string][]byte{}
	for _, root := range under {
		dir := formattest.Corpus(t, root)
		err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(name, ".evtx.zst") {
				return err
			}
			rel, err := filepath.Rel(dir, name)
			if err != nil {
				return err
			}
			rel = root + "/" + strings.TrimSuffix(filepath.ToSlash(rel), ".zst")
			names = append(names, rel)
			data[rel] = unpack(t, name)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return names, data
}

func unpack(t testing.TB, name string) []byte {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := zstd.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	d, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestEVTXCorpus counts the events of every log: those of the log itself, those recovered, and what could not be read.
func TestEVTXCorpus(t *testing.T) {
	names, data := logs(t, "evtx/attack-samples", "evtx/parser-samples", "sigma/regression")
	var got strings.Builder
	for _, name := range names {
		o := formattest.Read(t, EVTX, name, bytes.NewReader(data[name]), format.Options{})
		if o.Err != nil {
			t.Errorf("%s: %v", name, o.Err)
		}
		recovered := 0
		for _, l := range o.Lines {
			if strings.Contains(l, `"tags":["recovered"]`) {
				recovered++
			}
		}
		fmt.Fprintf(&got, "%d\t%d\t%d\t%s\n", len(o.Lines)-recovered, recovered, len(o.Bad), name)
		if os.Getenv("EVTX_SHOW") != "" {
			for _, b := range append(o.Bad, o.Notes...) {
				t.Log(name, b)
			}
		}
	}
	goldenFile(t, "testdata/evtx-corpus.tsv", got.String())
}

func goldenFile(t *testing.T, name, got string) {
	t.Helper()
	if os.Getenv("EVTX_UPDATE") != "" {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if d := differences(got, string(want)); d != "" {
		t.Errorf("%s differs:\n%s", name, d)
	}
}

// dense gives a log of only full chunks of one of the real logs, some MB of them.
func dense(t testing.TB, name string) []byte {
	t.Helper()
	whole := unpack(t, formattest.Corpus(t, name+".zst"))
	d := whole[:fileHeaderSize:fileHeaderSize]
	for len(d) < 8<<20 {
		for at := fileHeaderSize; at+chunkSize <= len(whole); at += chunkSize {
			if h := readChunkHeader(whole[at:][:chunkSize]); h.intact && h.free > chunkSize*9/10 {
				d = append(d, whole[at:][:chunkSize]...)
			}
		}
		if len(d) == fileHeaderSize {
			t.Fatal("no full chunk in " + name)
		}
	}
	return d
}

// BenchmarkEVTX reads the dense parts of a Security log and of a Sysmon log, from files: in memory their copying would count.
func BenchmarkEVTX(b *testing.B) {
	for _, name := range []string{"security", "sysmon"} {
		data := dense(b, "evtx/parser-samples/"+name+".evtx")
		file := filepath.Join(b.TempDir(), name)
		if err := os.WriteFile(file, data, 0o600); err != nil {
			b.Fatal(err)
		}
		for _, roles := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/roles=%v", name, roles), func(b *testing.B) {
				b.SetBytes(int64(len(data)))
				b.ReportAllocs()
				events, batch := 0, new(event.Batch)
				for b.Loop() {
					events += readFile(b, file, batch, format.Options{RolesOnly: roles})
				}
				b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
			})
		}
	}
}

func readFile(t testing.TB, name string, b *event.Batch, o format.Options) (events int) {
	src, err := format.Expand(name, nil)[0].Open()
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	r, err := EVTX.Open(src, o)
	for err == nil {
		b.Reset()
		err = r.Read(b)
		events += b.Len + b.Skipped
	}
	if err != io.EOF {
		t.Fatal(err)
	}
	return events
}
