package simulate

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"culprit/internal/attrib"
	"culprit/internal/event"
	"culprit/internal/format"
	"culprit/internal/ingest"
)

// A tally counts answers for connections that the host recorded, for those it didn't, and for those of another machine's
// capture, about which nothing can be known.
type tally struct {
	right, wrong [4]int // by attrib.Level, of those recorded
	guessed      [4]int // of those not recorded, by level; unknown is the right answer
	foreign      [4]int // of captures that no recording belongs to
}

func (s *tally) String() string {
	return fmt.Sprintf("right: %d certain, %d likely, %d possible, %d unknown; wrong: %d certain, %d likely, %d possible; not recorded: %d unknown, %d named; strangers: %d unknown, %d named",
		s.right[3], s.right[2], s.right[1], s.right[0]+s.wrong[0], s.wrong[3], s.wrong[2], s.wrong[1],
		s.guessed[0], s.guessed[1]+s.guessed[2]+s.guessed[3], s.foreign[0], s.foreign[1]+s.foreign[2]+s.foreign[3])
}

// The grid is what attribution has to stand up to: not one answer that is called certain may be wrong, and nearly everything
// that was recorded must be found. go test -v prints a line a case.
func TestEvaluation(t *testing.T) {
	if testing.Short() {
		t.Skip("reads some 300 recordings")
	}
	groups := map[string][]*Case{}
	var order []string
	for _, p := range Grid() {
		if groups[p.Group] == nil {
			order = append(order, p.Group)
		}
		groups[p.Group] = append(groups[p.Group], New(p))
	}
	sources := [][2]string{
		{"Duo-ProcMon.csv", "Duo-Wireshark.pcapng"},
		{"Duo-ProcMon.PML", "Duo-Wireshark.pcap"},
		{"sysmon.json", "zeek"},
		{"Duo-ProcMon.csv", "zeek"},
		{"Duo-ProcMon.PML", "zeek"},
		{"sysmon.json", "Duo-Wireshark.pcapng"},
	}
	totals := make([]tally, len(sources))
	for _, name := range order {
		dir := t.TempDir()
		for i, c := range groups[name] {
			if err := Write(filepath.Join(dir, fmt.Sprint(i)), c); err != nil {
				t.Fatal(err)
			}
		}
		for i, s := range sources {
			var got tally
			evaluate(t, dir, groups[name], s[0], s[1], &got)
			t.Logf("%-36s %-16s %-21s %v", name, s[0], s[1], &got)
			totals[i].add(&got)
		}
	}
	for i, s := range sources {
		sum := &totals[i]
		t.Logf("%-36s %-16s %-21s %v", "all", s[0], s[1], sum)
		found, all := sum.right[3]+sum.right[2], 0
		for l := range 4 {
			all += sum.right[l] + sum.wrong[l]
		}
		if found*100 < all*95 {
			t.Errorf("%s with %s: %d of %d found", s[0], s[1], found, all)
		}
	}
}

func (s *tally) add(o *tally) {
	for l := range 4 {
		s.right[l] += o.right[l]
		s.wrong[l] += o.wrong[l]
		s.guessed[l] += o.guessed[l]
		s.foreign[l] += o.foreign[l]
	}
}

// evaluate reads the recordings of a group and compares what is said with the truth.
func evaluate(t *testing.T, dir string, cases []*Case, host, capture string, s *tally) {
	t.Helper()
	var paths []string
	for i, c := range cases {
		if c.Only != "capture" {
			paths = append(paths, filepath.Join(dir, fmt.Sprint(i), host))
		}
		if c.Only != "host" {
			paths = append(paths, filepath.Join(dir, fmt.Sprint(i), capture))
		}
	}
	x := attrib.New()
	var mu sync.Mutex
	sums, err := ingest.Read(context.Background(), paths, nil, ingest.Options{Options: format.Options{RolesOnly: true}}, func(b *event.Batch) error {
		mu.Lock()
		defer mu.Unlock()
		x.Add(b)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, sum := range sums {
		if sum.Err != nil {
			t.Fatalf("%s: %v", sum.Path, sum.Err)
		}
	}
	res := x.Solve()
	for i, c := range cases {
		if c.Only != "host" {
			c.score(t, &res, filepath.Join(dir, fmt.Sprint(i)), s)
		}
	}
}

// score compares the flows of one case's capture with its truth.
func (c *Case) score(t *testing.T, res *attrib.Result, dir string, s *tally) {
	t.Helper()
	for i := range c.Connections {
		k := &c.Connections[i]
		if !k.Captured() || k.Transport == "icmp" {
			continue
		}
		f := c.flowOf(k, res, dir)
		if f == nil {
			t.Errorf("%s: no flow %v -> %v", c.Name, k.Source, k.Destination)
			continue
		}
		said, proc := &f.Culprit, k.Process
		if proc < 0 {
			said, proc = &f.Peer, k.Peer
		}
		want := &c.Processes[proc]
		right := said.Process != nil && said.Process.Name == want.Name && said.Process.PID == int64(want.PID)
		switch {
		case c.Only == "capture":
			s.foreign[said.Level]++
		case right && k.Records > 0:
			s.right[said.Level]++
		case k.Records > 0:
			s.wrong[said.Level]++
		default:
			s.guessed[said.Level]++
		}
		if said.Level >= attrib.Likely && (!right || c.Only == "capture") {
			t.Errorf("%s: %v -> %v is %s's (%d), said to be %s's (%d), %s by rule %s", c.Name, k.Source, k.Destination, want.Name, want.PID, said.Process.Name, said.Process.PID, said.Level, said.Rule)
		}
	}
}

// flowOf finds a connection among the flows of the case's own capture.
func (c *Case) flowOf(k *Connection, res *attrib.Result, dir string) *attrib.Flow {
	at := c.Wire(c.Packets[k.First-1].At).UnixNano()
	for i := range res.Flows {
		f := &res.Flows[i]
		if f.Recorded || f.Transport != k.Transport || !strings.HasPrefix(f.Cite.Source, dir+string(filepath.Separator)) {
			continue
		}
		if d := f.Start - at; f.Source == c.seen(k.Source) && f.Destination == k.Destination && d > -1000 && d < 1000 {
			return f
		}
	}
	return nil
}
