package zeek

import (
	"archive/zip"
	"bytes"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"culprit/internal/format"
	"culprit/internal/format/formattest"
)

// rows counts the rows of a tab-separated log: lines that are no header.
func rows(data []byte) (n int) {
	for line := range bytes.Lines(data) {
		if line[0] != '#' {
			n++
		}
	}
	return n
}

// TestCorpusLogs reads the logs of the recorded runs: every row must come out, a flow for every connection, and what is
// wrong with them must be said.
func TestCorpusLogs(t *testing.T) {
	zips, err := filepath.Glob(filepath.Join(formattest.Corpus(t, "otrf"), "LSASS_campaign_*", "*_zeek_logs.zip"))
	if err != nil || len(zips) == 0 {
		t.Fatal(zips, err)
	}
	for _, name := range zips {
		z, err := zip.OpenReader(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range z.File {
			r, err := m.Open()
			if err != nil {
				t.Fatal(err)
			}
			data, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			where := filepath.Base(filepath.Dir(name)) + "/" + m.Name
			if !Log.Match(data) {
				t.Errorf("%s: not claimed", where)
			}
			o := formattest.Read(t, Log, where, bytes.NewReader(data), format.Options{})
			if len(o.Lines) != rows(data) || len(o.Bad) > 0 || o.Err != nil {
				t.Errorf("%s: %d rows of %d, bad %v, %v", where, len(o.Lines), rows(data), o.Bad, o.Err)
			}
			if m.Name == "conn.log" && (len(o.Roles) != len(o.Lines) || len(o.Notes) != 1 || !strings.Contains(o.Notes[0], "zeek -C")) {
				t.Errorf("%s: %d flows of %d rows, notes %q", where, len(o.Roles), len(o.Lines), o.Notes)
			}
			t.Log(where, len(o.Lines), "rows,", len(o.Roles), "with a role", o.Notes)
		}
		z.Close()
	}
}

// TestCorpusFormats reads the logs of Zeek's own tests: every way to write a log, and hundreds of logs of every protocol.
// Their times are masked, which is said of every row; nothing else may be wrong with those that have columns.
func TestCorpusFormats(t *testing.T) {
	dir := formattest.Corpus(t, "zeek")
	files, total := 0, 0
	err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || strings.Contains(name, "Traces") || !strings.Contains(filepath.Base(name), ".log") {
			return err
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		o := formattest.Read(t, Log, name, bytes.NewReader(data), format.Options{})
		if o.Err != nil {
			t.Errorf("%s: %v", name, o.Err)
		}
		files, total = files+1, total+len(o.Lines)
		headed := bytes.Contains(data, []byte("separator ")) && bytes.Contains(data, []byte("#types"))
		if headed && len(o.Lines) != rows(data) {
			t.Errorf("%s: %d rows of %d, bad %v", name, len(o.Lines), rows(data), o.Bad)
		}
		for _, bad := range o.Bad {
			if headed && !strings.Contains(bad, "XXXX") {
				t.Errorf("%s: %s", name, bad)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	t.Log(files, "logs,", total, "rows")
}
