package attrib

import (
	"testing"
	"time"

	"culprit/internal/event"
)

// TestTriedAgain has a connection refused and tried again with the same SYN, and one whose last packets come in late; a
// capture splits both, the host records neither twice.
func TestTriedAgain(t *testing.T) {
	w := newWorld(t)
	w.noise(10)
	flow := func(src, state string, isn int64, after time.Duration) {
		w.flow("tcp", src, "8.8.8.8:443", after, time.Millisecond)
		w.cap.PutText(event.FlowState, state)
		if isn >= 0 {
			w.cap.PutInt(event.FlowISN, isn)
		}
	}
	flow("10.0.0.5:1001", "REJ", 77, time.Second)
	w.record(event.RoleConnect, "chrome.exe", 7, "tcp", "10.0.0.5:1001", "8.8.8.8:443", time.Second)
	flow("10.0.0.5:1001", "REJ", 77, 20*time.Second)
	flow("10.0.0.5:1001", "REJ", 78, 40*time.Second) // another connection
	flow("10.0.0.5:1002", "SF", 5, time.Second)
	w.record(event.RoleConnect, "chrome.exe", 7, "tcp", "10.0.0.5:1002", "8.8.8.8:443", time.Second)
	flow("10.0.0.5:1002", "OTH", -1, 20*time.Second)
	flow("10.0.0.5:1003", "SF", 5, time.Second)
	w.record(event.RoleConnect, "chrome.exe", 7, "tcp", "10.0.0.5:1003", "8.8.8.8:443", time.Second)
	flow("10.0.0.5:1003", "OTH", -1, 20*time.Minute)
	var got []string
	for _, f := range w.solve().Flows {
		if p := f.Source.Port(); p >= 1001 && p <= 1003 {
			got = append(got, f.Source.String()+" "+f.Culprit.Rule)
		}
	}
	want := []string{"10.0.0.5:1001 A1", "10.0.0.5:1002 A1", "10.0.0.5:1003 A1", "10.0.0.5:1001 B7", "10.0.0.5:1002 B7", "10.0.0.5:1001 U3", "10.0.0.5:1003 U2"}
	for i := range want {
		if i >= len(got) || got[i] != want[i] {
			t.Fatalf("%q, want %q", got, want)
		}
	}
}
