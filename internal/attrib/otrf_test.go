package attrib_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"culprit/internal/attrib"
	"culprit/internal/event"
	"culprit/internal/format"
	"culprit/internal/format/formattest"
	"culprit/internal/ingest"
)

// Each of these sets recorded one run from both sides: a capture (or Zeek's logs of it) and the Windows events of its hosts,
// whose clocks differ from the capture's by seconds to days. Security 5156 names the process of most connections; Sysmon 3
// of some. Hiding one and predicting it from the other is a test against what the hosts themselves said.
func TestAgainstRecordedTruth(t *testing.T) {
	root := formattest.Corpus(t, "otrf")
	dirs, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	var all score
	for _, d := range dirs {
		for _, hidden := range []string{security, sysmon} {
			s := evaluate(t, filepath.Join(root, d.Name()), hidden)
			t.Logf("%-40s without %-8s %v", d.Name(), label(hidden), s)
			all.add(s)
		}
	}
	t.Logf("%-40s %-16s %v", "all", "", all)
	if all.wrong[attrib.Certain] > 0 || all.wrong[attrib.Likely] > 0 {
		t.Errorf("%d wrong certain, %d wrong likely", all.wrong[attrib.Certain], all.wrong[attrib.Likely])
	}
	if all.findable == 0 || float64(all.found)/float64(all.findable) < 0.98 {
		t.Errorf("found %d of %d flows that have a record with their endpoints", all.found, all.findable)
	}
}

const (
	security = "Microsoft-Windows-Security-Auditing"
	sysmon   = "Microsoft-Windows-Sysmon"
)

func label(provider string) string { return provider[strings.LastIndex(provider, "-")+1:] }

type score struct {
	flows           int
	right, wrong    [4]int // by level
	findable, found int    // flows with visible evidence of the same endpoints; those named likely or better
	examples        []string
}

func (s *score) add(o score) {
	s.flows += o.flows
	s.findable += o.findable
	s.found += o.found
	for l := range s.right {
		s.right[l] += o.right[l]
		s.wrong[l] += o.wrong[l]
	}
}

func (s score) String() string {
	return fmt.Sprintf("flows %4d  certain %3d right %d wrong, likely %3d/%d, possible %3d/%d, found %d of %d findable %s", s.flows,
		s.right[attrib.Certain], s.wrong[attrib.Certain], s.right[attrib.Likely], s.wrong[attrib.Likely],
		s.right[attrib.Possible], s.wrong[attrib.Possible], s.found, s.findable, strings.Join(s.examples, "; "))
}

// tuple is a flow's ends in an order of its own, with the end whose process is meant.
func tuple(proto, here, there string) string { return proto + " " + here + " " + there }

// evaluate predicts with the provider's records hidden and compares with what they say: of every pair of endpoints, at
// whatever time, if they name one process only.
func evaluate(t *testing.T, dir, hidden string) score {
	t.Helper()
	x := attrib.New()
	truth, visible := sayings{}, sayings{}
	var mu sync.Mutex
	_, err := ingest.Read(context.Background(), []string{dir}, nil, ingest.Options{Options: format.Options{Fields: attrib.Fields, RolesOnly: true}}, func(b *event.Batch) error {
		mu.Lock()
		defer mu.Unlock()
		kept := &event.Batch{Source: b.Source}
		for i := range b.Len {
			hide := string(b.Str(event.EventProvider, i)) == hidden
			if b.Has(event.DestinationPort, i) && isEvidence(b, i) {
				say := visible
				if hide {
					say = truth
				}
				k := key(b, i)
				say.add(k, strings.ToLower(string(b.Str(event.ProcessName, i))), b.Int(event.ProcessPID, i))
			}
			if !hide {
				copyRow(kept, b, i)
			}
		}
		x.Add(kept)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var s score
	for _, f := range x.Solve().Flows {
		if f.Recorded {
			continue
		}
		s.flows++
		src, dst := f.Source.String(), f.Destination.String()
		s.judge(f, f.Culprit, tuple(f.Transport, src, dst), truth, visible)
		s.judge(f, f.Peer, tuple(f.Transport, dst, src), truth, visible)
	}
	return s
}

func (s *score) judge(f attrib.Flow, c attrib.Culprit, k string, truth, visible sayings) {
	if visible.one(k) {
		s.findable++
		if c.Level >= attrib.Likely {
			s.found++
		} else {
			s.example(fmt.Sprintf("missed %s: %s %s", k, c.Rule, c.Reason))
		}
	}
	if !truth.one(k) || c.Process == nil {
		return
	}
	same, known := truth.same(k, c.Process)
	switch {
	case !known:
	case same:
		s.right[c.Level]++
	default:
		s.wrong[c.Level]++
		s.example(fmt.Sprintf("%s %s %s: %s %d, truth %v", c.Level, c.Rule, k, c.Process.Name, c.Process.PID, *truth[k]))
	}
}

func (s *score) example(e string) {
	if len(s.examples) < 3 {
		s.examples = append(s.examples, e)
	}
}

func isEvidence(b *event.Batch, i int) bool {
	r := string(b.Str(event.Role, i))
	return r == event.RoleConnect || r == event.RoleAccept
}

// said is what records say of a pair of endpoints. Some rows of the older sets lack the PID, others the name.
type said struct {
	pids  map[int64]bool
	names map[string]bool
}

type sayings map[string]*said

func (m sayings) add(k, name string, pid int64) {
	if m[k] == nil {
		m[k] = &said{map[int64]bool{}, map[string]bool{}}
	}
	if pid != 0 {
		m[k].pids[pid] = true
	}
	if name != "" {
		m[k].names[name] = true
	}
}

// one says whether the records name one process.
func (m sayings) one(k string) bool {
	return m[k] != nil && len(m[k].pids) <= 1 && len(m[k].names) <= 1 && len(m[k].pids)+len(m[k].names) > 0
}

// same says whether p is the process they name; known is false when they have nothing in common to tell by.
func (m sayings) same(k string, p *attrib.Process) (same, known bool) {
	if p.PID != 0 && len(m[k].pids) > 0 {
		return m[k].pids[p.PID], true
	}
	return m[k].names[strings.ToLower(p.Name)], p.Name != "" && len(m[k].names) > 0
}

// key is the tuple of a host's record, its own end first.
func key(b *event.Batch, i int) string {
	src := fmt.Sprintf("%v:%d", b.Addr(event.SourceIP, i), b.Int(event.SourcePort, i))
	dst := fmt.Sprintf("%v:%d", b.Addr(event.DestinationIP, i), b.Int(event.DestinationPort, i))
	for _, e := range []struct {
		f event.Field
		p event.Field
		s *string
	}{{event.SourceIP, event.SourcePort, &src}, {event.DestinationIP, event.DestinationPort, &dst}} {
		if a := b.Addr(e.f, i); a.Is6() {
			*e.s = fmt.Sprintf("[%v]:%d", a, b.Int(e.p, i))
		}
	}
	if string(b.Str(event.NetworkDirection, i)) == "ingress" {
		src, dst = dst, src
	}
	return tuple(string(b.Str(event.NetworkTransport, i)), src, dst)
}

func copyRow(dst, src *event.Batch, i int) {
	if dst.Len == event.MaxLen {
		panic("batches are copied one to one")
	}
	dst.Next()
	for _, f := range src.Used() {
		if !src.Has(f, i) {
			continue
		}
		switch f.Type() {
		case event.Keyword:
			dst.PutStr(f, src.Str(f, i))
		case event.Long:
			dst.PutInt(f, src.Int(f, i))
		case event.Date:
			dst.PutTime(f, src.Int(f, i))
		case event.IP:
			dst.PutAddr(f, src.Addr(f, i))
		case event.Keywords:
			for v := range src.Strs(f, i) {
				dst.AddStr(f, slices.Clone(v))
			}
		case event.Longs:
			for v := range src.Ints(f, i) {
				dst.AddInt(f, v)
			}
		case event.IPs:
			for v := range src.Addrs(f, i) {
				dst.AddAddr(f, v)
			}
		}
	}
}
