package attrib_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"culprit/internal/attrib"
	"culprit/internal/event"
	"culprit/internal/format"
	"culprit/internal/ingest"
	"culprit/internal/simulate"
)

// TestGrid names the culprits of invented cases whose truth is known, from each kind of recording: clocks seconds to days
// apart, zones, drift, midnight, reused ports, names without addresses, half of the connections unrecorded.
func TestGrid(t *testing.T) {
	var all tally
	for _, p := range simulate.Grid() {
		c := simulate.New(p)
		for _, r := range recordings(c) {
			got := attribute(t, map[string]func(io.Writer) error{"a.pcap": func(w io.Writer) error { return c.WritePcap(w, true) }, "host." + r.name: r.write})
			s := compare(c, got)
			if p.NAT != simulate.NoNAT {
				s.recorded, s.named = 0, 0 // addresses were translated: what can't be found only must not be wrong
			}
			all.add(s)
			if s.wrong[attrib.Certain]+s.wrong[attrib.Likely] > 0 || testing.Verbose() {
				t.Logf("%-28s %-10s %v", p.Name, r.name, s)
			}
		}
	}
	t.Logf("all: %v", all)
	if all.wrong[attrib.Certain] > 0 || all.wrong[attrib.Likely] > 0 {
		t.Errorf("%d wrong certain, %d wrong likely", all.wrong[attrib.Certain], all.wrong[attrib.Likely])
	}
	if all.recorded == 0 || float64(all.named)/float64(all.recorded) < 0.98 {
		t.Errorf("%d of %d recorded connections named", all.named, all.recorded)
	}
}

type recording struct {
	name  string
	write func(io.Writer) error
}

func recordings(c *simulate.Case) []recording {
	return []recording{
		{"pml", func(w io.Writer) error { return c.WritePML(w, c.PML) }},
		{"csv", func(w io.Writer) error { return c.WriteProcmonCSV(w, c.CSV) }},
		{"sysmon", func(w io.Writer) error { return c.WriteSysmonJSON(w, simulate.NXLog) }},
	}
}

// attribute writes the files and reads them as a user's.
func attribute(t *testing.T, files map[string]func(io.Writer) error) attrib.Result {
	t.Helper()
	x := attrib.New()
	for name, write := range files {
		r, w := io.Pipe()
		go func() { w.CloseWithError(write(w)) }()
		sums, err := ingest.Read(context.Background(), []string{"-"}, r, ingest.Options{Options: format.Options{Fields: attrib.Fields, RolesOnly: true}}, func(b *event.Batch) error {
			b.Source = name
			x.Add(b)
			return nil
		})
		if err != nil || sums[0].Err != nil || sums[0].BadCount > 0 {
			t.Fatalf("%s: %v %+v", name, err, sums)
		}
	}
	return x.Solve()
}

// A tally counts answers against the truth. Recorded are captured connections of which the host has a record as well.
type tally struct {
	right, wrong    [4]int
	recorded, named int
	examples        []string
}

func (t *tally) add(o tally) {
	t.recorded += o.recorded
	t.named += o.named
	for l := range t.right {
		t.right[l] += o.right[l]
		t.wrong[l] += o.wrong[l]
	}
}

func (t tally) String() string {
	s := fmt.Sprintf("named %d of %d;", t.named, t.recorded)
	for l := attrib.Certain; l > attrib.Unknown; l-- {
		s += fmt.Sprintf(" %s %d right %d wrong;", l, t.right[l], t.wrong[l])
	}
	return s + strings.Join(t.examples, "; ")
}

// compare looks every answer up in the truth by the flow's first packet.
func compare(c *simulate.Case, r attrib.Result) tally {
	truth := map[int64]simulate.Truth{}
	for _, k := range c.Truth() {
		if k.Captured {
			truth[int64(k.First)] = k
		}
	}
	var t tally
	for _, f := range r.Flows {
		k, ok := truth[f.First]
		if f.Recorded || !ok {
			continue
		}
		t.judge(f, f.Culprit, k.Process, k.Recorded)
		t.judge(f, f.Peer, k.Peer, k.Recorded)
	}
	return t
}

func (t *tally) judge(f attrib.Flow, c attrib.Culprit, truth *simulate.TruthImage, recorded bool) {
	if truth != nil && recorded {
		t.recorded++
		if c.Level >= attrib.Likely {
			t.named++
		} else if len(t.examples) < 2 {
			t.examples = append(t.examples, fmt.Sprintf("missed %s %v>%v: %s %s", f.Transport, f.Source, f.Destination, c.Rule, c.Reason))
		}
	}
	if c.Process == nil {
		return
	}
	if truth != nil && strings.EqualFold(c.Process.Name, truth.Name) && c.Process.PID == int64(truth.PID) {
		t.right[c.Level]++
		return
	}
	t.wrong[c.Level]++
	t.examples = append(t.examples, fmt.Sprintf("%s %s %s %v>%v: %s (%d), truth %v", c.Level, c.Rule, f.Transport, f.Source, f.Destination, c.Process.Name, c.Process.PID, truth))
}
