package attrib

import (
	"testing"
	"time"

	"culprit/internal/event"
)

// hint adds what the capture says of its own packets.
func (w *world) hint(kind, role, proc string, pid int64, proto, src, dst string, after time.Duration) {
	w.at(w.cap, role, t0+int64(after))
	w.cap.PutText(event.EventProvider, "ptcpdump")
	w.cap.PutText(event.Hint, kind)
	w.cap.PutText(event.ProcessName, proc)
	w.cap.PutInt(event.ProcessPID, pid)
	w.cap.PutText(event.NetworkTransport, proto)
	ends(w.cap, proto, src, dst)
}

// TestHints takes a capture's word on its own packets: its clock need not be solved, and a guess never proves anything.
func TestHints(t *testing.T) {
	w := newWorld(t)
	w.flow("tcp", "10.0.0.5:1001", "8.8.8.8:443", time.Second, time.Second)
	w.hint("owner", event.RoleConnect, "curl", 7, "tcp", "10.0.0.5:1001", "8.8.8.8:443", time.Second)
	w.flow("tcp", "10.0.0.5:1001", "8.8.8.8:443", 10*time.Second, time.Second) // the port again
	w.flow("tcp", "10.0.0.5:1002", "8.8.8.8:443", 20*time.Second, time.Second)
	w.hint("thread", event.RoleSend, "svchost.exe", 4, "tcp", "10.0.0.5:1002", "8.8.8.8:443", 20*time.Second)
	r := w.solve()
	want(t, r, "10.0.0.5:1001", Certain, RuleTuple, "curl")
	want(t, r, "10.0.0.5:1002", Possible, RuleGuess, "svchost.exe")
	if l := r.Flows[1].Culprit.Level; l == Certain {
		t.Error("a later connection of the same port is called", l)
	}
	if len(r.Clocks) != 0 {
		t.Error("there is a clock to show:", r.Clocks)
	}
}

// TestHintsBesideRecords gives a host's records as well: they outweigh a guess, and the same process named twice is one.
func TestHintsBesideRecords(t *testing.T) {
	w := newWorld(t)
	w.offset = -11 * time.Second
	w.noise(10)
	w.flow("tcp", "10.0.0.5:1001", "8.8.8.8:443", time.Second, time.Second)
	w.record(event.RoleConnect, "chrome.exe", 7, "tcp", "10.0.0.5:1001", "8.8.8.8:443", time.Second)
	w.hint("thread", event.RoleSend, "", 4, "tcp", "10.0.0.5:1001", "8.8.8.8:443", time.Second)
	w.flow("tcp", "10.0.0.5:1002", "8.8.8.8:443", 2*time.Second, time.Second)
	w.record(event.RoleConnect, "chrome.exe", 7, "tcp", "10.0.0.5:1002", "8.8.8.8:443", 2*time.Second)
	w.hint("owner", event.RoleConnect, "chrome.exe", 7, "tcp", "10.0.0.5:1002", "8.8.8.8:443", 2*time.Second)
	w.flow("tcp", "10.0.0.5:1003", "8.8.8.8:443", 3*time.Second, time.Second)
	w.record(event.RoleConnect, "chrome.exe", 7, "tcp", "10.0.0.5:1003", "8.8.8.8:443", 3*time.Second)
	w.hint("owner", event.RoleConnect, "other.exe", 8, "tcp", "10.0.0.5:1003", "8.8.8.8:443", 3*time.Second)
	r := w.solve()
	want(t, r, "10.0.0.5:1001", Certain, RuleTuple, "chrome.exe")
	want(t, r, "10.0.0.5:1002", Certain, RuleTuple, "chrome.exe")
	for _, f := range r.Flows {
		if f.Source.String() == "10.0.0.5:1003" && (f.Culprit.Level != Possible || len(f.Culprit.Candidates) != 2) {
			t.Errorf("two contradict each other, and the answer is %+v", f.Culprit)
		}
	}
}
