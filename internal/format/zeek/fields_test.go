package zeek

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"culprit/internal/event"
	"culprit/internal/format"
)

// TestFields: a field that is asked for alone is the same as among all.
func TestFields(t *testing.T) {
	names, err := filepath.Glob("testdata/" + Log.Name + "/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil || strings.HasSuffix(name, ".golden") {
			continue
		}
		all, whole := columnOf(t, name, data, format.Options{}, 0)
		for _, f := range all {
			_, got := columnOf(t, name, data, format.Options{Fields: event.SetOf(f)}, f)
			if _, want := columnOf(t, name, data, format.Options{}, f); got != want {
				t.Errorf("%s: %v alone is\n%s\nwant\n%s", name, f, got, want)
			}
		}
		if len(all) == 0 || whole != "" {
			t.Errorf("%s: no fields", name)
		}
	}
}

// columnOf reads data and gives the fields used and the values of f, a line an event.
func columnOf(t *testing.T, name string, data []byte, o format.Options, f event.Field) (used []event.Field, values string) {
	src, err := format.NewSource(name, bytes.NewReader(data), -1)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	r, err := Log.Open(src, o)
	if err != nil {
		t.Fatal(err)
	}
	b := new(event.Batch)
	_ = r.Read(b) // the samples fit in one batch
	var s []byte
	for i := range b.Len {
		if f != 0 {
			s = append(b.AppendValue(s, f, i), '\n')
		}
	}
	return b.Used(), string(s)
}
