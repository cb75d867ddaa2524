package winevent

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"culprit/internal/event"
	"culprit/internal/format"
	"culprit/internal/format/formattest"
)

// values gives the values of every record of a log under the names of the fields they would have, live records only.
func values(t *testing.T, name string, data []byte) (all []map[string]string) {
	t.Helper()
	src, err := format.NewSource(name, bytes.NewReader(data), -1)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	rd, err := openEVTX(src, format.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := rd.(*evtxReader)
	b := new(event.Batch)
	r.d.r.b = b
	for {
		if err := r.nextChunk(b); err == io.EOF {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		for r.in {
			rec, _, ok := r.scan.next()
			if r.in = ok; !ok || rec.slack {
				continue
			}
			r.d.r.reset()
			if r.d.record(rec.at+recordHeader, rec.end-4, false, false) == nil {
				all = append(all, loaded(r.d.r))
			}
		}
	}
}

// loaded gives what a decoder loaded.
func loaded(r *reader) map[string]string {
	m := map[string]string{}
	for _, s := range r.loaded {
		name := slotNames[s]
		for n, slot := range systemSlots {
			if s == slot && systemNames[n] == "" {
				name = "System." + n
			}
		}
		if name != "" {
			m[name] = string(r.vals[s].Raw)
		}
	}
	for _, e := range r.rest {
		name := e.full
		if name == "" {
			name, _ = r.extraName(e)
		}
		m[name] = string(e.v.Raw)
	}
	if r.created.ok {
		m["TimeCreated"] = time.Unix(0, r.created.at).UTC().Format(time.RFC3339Nano)
	}
	return m
}

// peerValues gives the same of an event as another parser renders it in JSON.
func peerValues(doc map[string]any) map[string]string {
	m := map[string]string{}
	flatten("", doc["Event"], m)
	out := map[string]string{}
	for path, v := range m {
		path = strings.ReplaceAll(path, ".#attributes.", "@")
		path = strings.TrimSuffix(path, ".#text")
		if strings.Contains(path, "xmlns") && strings.ContainsAny(path, "@#") {
			continue
		}
		l := leaf{path: "Event." + path}
		if data, ok := strings.CutPrefix(path, "EventData."); ok && !strings.Contains(data, "@") {
			l.path, l.name = "Event.EventData.Data", data
			if data == "Data" || strings.HasPrefix(data, "Data#") {
				l.name = "param" + strings.TrimPrefix(strings.TrimPrefix(data, "Data"), "#")
				if data == "Data" {
					l.name = "param1"
				}
			}
		}
		l.setAim()
		name := l.name
		switch {
		case l.aim == aimTime:
			name = "TimeCreated"
			if at, err := time.Parse(time.RFC3339Nano, v); err == nil {
				v = at.UTC().Format(time.RFC3339Nano)
			}
		case l.aim == aimSlot && slotNames[l.slot] != "":
			name = slotNames[l.slot]
		case l.aim == aimSlot:
			name = l.path[len("Event."):]
		}
		out[name] = v
	}
	return out
}

func flatten(path string, v any, m map[string]string) {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			flatten(strings.TrimPrefix(path+"."+k, "."), e, m)
		}
	case []any:
		path = strings.TrimSuffix(path, ".#text")
		if path != "EventData.Data" {
			s := ""
			for i, e := range v {
				if i > 0 {
					s += ","
				}
				s += fmt.Sprint(e)
			}
			m[path] = s
			return
		}
		for i, e := range v {
			flatten(fmt.Sprintf("%s#%d", path, i+1), e, m)
		}
	case nil:
	default:
		m[path] = fmt.Sprint(v)
	}
}

var bareGUID = regexp.MustCompile(`^[0-9A-F]{8}-([0-9A-F]{4}-){3}[0-9A-F]{12}$`)

// compareValues says how many values two parsers agree on, and where they don't.
func compareValues(ours, theirs map[string]string, trimmed bool) (same int, diff []string) {
	for _, name := range slices.Sorted(maps.Keys(theirs)) {
		want := theirs[name]
		got := ours[name]
		if trimmed { // by the tool that wrote them
			got = strings.TrimRight(got, " \r\n\t")
		}
		if bareGUID.MatchString(want) {
			want = "{" + strings.ToLower(want) + "}"
		}
		if got != want && !sameTime(got, want) && !(strings.HasPrefix(want, "{") && strings.EqualFold(got, want)) {
			diff = append(diff, fmt.Sprintf("%s: %q, they have %q", name, got, want))
			continue
		}
		same++
	}
	for _, name := range slices.Sorted(maps.Keys(ours)) {
		if _, ok := theirs[name]; !ok && ours[name] != "" {
			diff = append(diff, fmt.Sprintf("%s: %q, they have none", name, ours[name]))
		}
	}
	return same, diff
}

func sameTime(a, b string) bool {
	x, err1 := time.Parse(time.RFC3339Nano, a)
	y, err2 := time.Parse(time.RFC3339Nano, b)
	return err1 == nil && err2 == nil && x.Sub(y).Abs() < time.Microsecond
}

func documents(t *testing.T, r io.Reader) (docs []map[string]any) {
	t.Helper()
	d := json.NewDecoder(r)
	d.UseNumber()
	for {
		var doc map[string]any
		if err := d.Decode(&doc); err == io.EOF {
			return docs
		} else if err != nil {
			t.Fatal(err)
		}
		docs = append(docs, doc)
	}
}

// TestEVTXSigma compares every value of the events of Sigma's regression tests with the JSON beside them.
func TestEVTXSigma(t *testing.T) {
	dir := formattest.Corpus(t, "sigma/regression")
	names, data := logs(t, "sigma/regression")
	events, total := 0, 0
	for _, name := range names {
		rel := strings.TrimPrefix(strings.TrimSuffix(name, ".evtx"), "sigma/regression/")
		f, err := os.Open(filepath.Join(dir, rel+".json"))
		if err != nil {
			t.Fatal(err)
		}
		docs := documents(t, f)
		f.Close()
		got := values(t, name, data[name])
		if len(got) != len(docs) {
			t.Errorf("%s: %d events, the JSON has %d", name, len(got), len(docs))
			continue
		}
		for i, d := range docs {
			same, diff := compareValues(got[i], peerValues(d), true)
			total += same
			events++
			for _, l := range diff {
				t.Errorf("%s: %s", filepath.Base(name), l)
			}
		}
	}
	t.Logf("%d values of %d events are the same", total, events)
}

// TestEVTXPeer compares with another parser's JSON lines, {"id":..., "d":{...}}, in the folder EVTX_PEER: a file per log.
func TestEVTXPeer(t *testing.T) {
	dir := os.Getenv("EVTX_PEER")
	if dir == "" {
		t.Skip("EVTX_PEER names no folder")
	}
	names, data := logs(t, "evtx/attack-samples", "evtx/parser-samples", "sigma/regression")
	events, total := 0, 0
	for _, name := range names {
		f, err := os.Open(filepath.Join(dir, strings.ReplaceAll(name, "/", "__")+".rust.ndjson"))
		if err != nil {
			t.Fatal(err)
		}
		theirs := map[string][]map[string]any{}
		for _, d := range documents(t, f) {
			theirs[peerValues(d["d"].(map[string]any))["System.EventRecordID"]] = append(theirs[peerValues(d["d"].(map[string]any))["System.EventRecordID"]], d["d"].(map[string]any))
		}
		f.Close()
		for _, v := range values(t, name, data[name]) {
			list := theirs[v["System.EventRecordID"]]
			if len(list) == 0 {
				continue
			}
			theirs[v["System.EventRecordID"]] = list[1:]
			same, diff := compareValues(v, peerValues(list[0]), false)
			total += same
			events++
			for _, l := range diff {
				t.Errorf("%s: %s", filepath.Base(name), l)
			}
		}
	}
	t.Logf("%d values of %d events are the same", total, events)
}
