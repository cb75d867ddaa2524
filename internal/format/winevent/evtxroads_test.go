package winevent

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"culprit/internal/format"
	"culprit/internal/format/formattest"
)

// sameDocument gives an event as JSON without what only one road can know: where it stands, the header's values that other
// tools leave out, and times to more than the microseconds the other tool writes.
func sameDocument(t *testing.T, line string) string {
	t.Helper()
	var d map[string]any
	if err := json.Unmarshal([]byte(document(t, line)), &d); err != nil {
		t.Fatal(err)
	}
	for k, v := range d {
		s, _ := v.(string)
		data := strings.TrimPrefix(k, dataPrefixes[0])
		switch {
		case data == k:
			if strings.HasPrefix(k, "winlog.") {
				delete(d, k)
			}
			continue
		case strings.HasPrefix(data, "Data.#text"), strings.HasPrefix(data, "param"), strings.Contains(data, "#attributes"):
			delete(d, k) // values without names: lists in JSON, which the corpus tests compare
			continue
		case bareGUID.MatchString(s):
			s = "{" + s + "}"
		}
		d[k] = strings.ToLower(strings.TrimSpace(s))
	}
	cutTimes(d)
	s, err := json.MarshalIndent(d, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(s)
}

func cutTimes(d map[string]any) {
	for k, v := range d {
		switch v := v.(type) {
		case map[string]any:
			cutTimes(v)
		case string:
			v = strings.TrimSpace(v)
			if len(v) == len("2026-01-02T03:04:05.123456789Z") && v[10] == 'T' && v[len(v)-1] == 'Z' {
				v = v[:len(v)-4] + "Z"
			}
			d[k] = v
		case []any:
			for i, e := range v {
				if s, ok := e.(string); ok {
					v[i] = strings.TrimSpace(s)
				}
			}
		}
	}
}

// TestEVTXRoads: an event of a log and the JSON another parser made of it give the same document.
func TestEVTXRoads(t *testing.T) {
	dir := formattest.Corpus(t, "sigma/regression")
	names, data := logs(t, "sigma/regression")
	same := 0
	for _, name := range names {
		rel := strings.TrimPrefix(strings.TrimSuffix(name, ".evtx"), "sigma/regression/")
		j, err := os.ReadFile(filepath.Join(dir, rel+".json"))
		if err != nil {
			t.Fatal(err)
		}
		byJSON := formattest.Read(t, JSON, name, bytes.NewReader(j), format.Options{})
		byEVTX := formattest.Read(t, EVTX, name, bytes.NewReader(data[name]), format.Options{})
		var live []string
		for _, l := range byEVTX.Lines {
			if !strings.Contains(l, `"tags":["recovered"]`) {
				live = append(live, l)
			}
		}
		if len(live) != len(byJSON.Lines) {
			t.Errorf("%s: %d events, the JSON has %d", name, len(live), len(byJSON.Lines))
			continue
		}
		for i := range live {
			if got, want := sameDocument(t, live[i]), sameDocument(t, byJSON.Lines[i]); got != want {
				t.Errorf("%s gives\n%s", filepath.Base(name), differences(got, want))
				continue
			}
			same++
		}
	}
	t.Log(same, "documents are the same")
}
