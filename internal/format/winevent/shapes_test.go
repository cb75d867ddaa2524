package winevent

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"culprit/internal/format"
	"culprit/internal/format/formattest"
)

func sample(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", JSON.Name, name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// document gives an event as JSON with its keys in order, without where it stands.
func document(t *testing.T, line string) string {
	t.Helper()
	var d map[string]any
	if err := json.Unmarshal([]byte(line), &d); err != nil {
		t.Fatal(err)
	}
	delete(d, "log")
	delete(d, "message") // EVTX has none
	delete(d["culprit"].(map[string]any), "record")
	s, err := json.MarshalIndent(d, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(s)
}

// differences gives the lines that only one of two texts has.
func differences(got, want string) (d string) {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for _, l := range g {
		if !slices.Contains(w, l) {
			d += "got  " + l + "\n"
		}
	}
	for _, l := range w {
		if !slices.Contains(g, l) {
			d += "want " + l + "\n"
		}
	}
	return d
}

// TestShapes: the same event in every shape gives the same document.
func TestShapes(t *testing.T) {
	for _, name := range []string{"shapes.json", "pretty-array.json"} {
		o := formattest.Read(t, JSON, "", bytes.NewReader(sample(t, name)), format.Options{})
		first := document(t, o.Lines[0])
		for _, l := range o.Lines[1:] {
			if d := document(t, l); d != first {
				t.Errorf("%s gives\n%s", l, differences(d, first))
			}
		}
	}
}

func TestMatch(t *testing.T) {
	f := func(want bool, head string) {
		t.Helper()
		if JSON.Match([]byte(head)) != want {
			t.Errorf("Match(%q) is %v", head, !want)
		}
	}
	f(true, `{"EventID":1,"Channel":"x"`)
	f(true, ` [ {"winlog":{"api":"wineventlog",`)
	f(true, `{"event_id":1,"computer_name":"x","source_name":"y"}`)
	f(true, "\xef\xbb\xbf"+`{"Event":{"System":{"EventID":1,"Channel":"x"}}}`)
	f(false, `{"EventID":1}`)
	f(false, `{"ts":1.5,"id.orig_h":"1.2.3.4","_path":"conn"}`)
	f(false, `{"TimeGenerated":"x","Computer":"UBUNTU5","Facility":"user","SyslogMessage":"<EventID>5</EventID>"}`)
	f(false, `{"@timestamp":"x","event":{"code":"flow"},"source":{"ip":"1.2.3.4"}}`)
	f(false, `EventID,Channel`)
	f(false, `[[`)
	f(false, ``)
}
